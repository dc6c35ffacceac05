package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// A lock that is set beside a running server, in another process.
func TestALockByTheCommandLine(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	out, code := s.command("lock", "--reason", "the tables move", "--for", "2h", "shop")
	require.Zero(t, code, "also before there is a ledger")
	assert.Contains(t, out, "shop is locked by ")
	assert.Contains(t, out, ": the tables move, until ")
	s.commit("one")
	v := s.serve()
	v.tell("d1", "refs/heads/master")
	require.Eventually(t, func() bool {
		all := s.builds()
		return len(all) == 1 && strings.HasPrefix(all[0].Why, "locked by ")
	}, patient, 20*time.Millisecond, "the build waits")
	out, _ = s.command("status", "--json")
	var now standing
	require.NoError(t, json.Unmarshal([]byte(out), &now))
	require.NotNil(t, now.Projects[0].Lock)
	assert.Equal(t, "the tables move", now.Projects[0].Lock.Reason)

	out, code = s.command("unlock", "--json", "shop")
	require.Zero(t, code)
	assert.JSONEq(t, `{"unlocked": "shop"}`, out)
	s.reaches(0, build.Succeeded)
	_, code = s.command("unlock", "shop")
	assert.Equal(t, exitFailed, code, "it is not locked")
	_, code = s.command("lock", "--for", "40d", "shop")
	assert.Equal(t, exitUsage, code)
	_, code = s.command("lock", "till")
	assert.Equal(t, exitUsage, code)
}

func TestWhoMayLockStandsInTheConfig(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts+`
tokens:
  - {name: grace, scopes: [trigger], token_file: grace}
  - {name: bob, scopes: [trigger], token_file: bob}`)
	s.write("autobuilder.yml", replaceOnce(s.read("autobuilder.yml"), "template: echo}", "template: echo, chat: {lock: [Bob], deploy: [bob]}}"))
	s.write("grace", "token of grace\n")
	s.write("bob", "token of bob\n")
	v := s.serve()
	for _, do := range []string{"lock", "unlock"} {
		_, problem, code := v.far("token of grace", do, "shop")
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, problem, "grace may not "+do+" shop: Bob may")
	}
	_, problem, code := v.far("token of grace", "trigger", "shop")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, problem, "grace may not deploy shop: bob may")
	_, problem, code = v.far("token of bob", "lock", "shop")
	assert.Zero(t, code, problem)
	_, problem, code = v.far("token of bob", "trigger", "shop")
	assert.Zero(t, code, problem)
}
