package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// far runs a command against the server, from where there is no config.
func (v *server) far(token string, args ...string) (stdout, stderr string, code int) {
	v.t.Helper()
	cmd := v.prepare()
	cmd.Args = append([]string{cmd.Args[0]}, args...)
	cmd.Dir = v.t.TempDir()
	cmd.Env = append(os.Environ(), "AUTOBUILDER_SERVER="+v.url, "AUTOBUILDER_TOKEN="+token)
	var out, problem strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(v.t, err)
	}
	return out.String(), problem.String(), cmd.ProcessState.ExitCode()
}

// A day's work by the command line of another machine.
func TestTheCommandLineOfAnotherMachine(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts+`
tokens:
  - {name: grace, scopes: [read, approve, trigger], token_file: grace}
  - {name: eve, scopes: [read], token_file: eve}`)
	s.write("grace", "token of grace\n")
	s.write("eve", "token of eve\n")
	v := s.serve()
	s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")

	out, problem, code := v.far("token of eve", "trigger", "shop")
	assert.Equal(t, exitFailed, code, out)
	assert.Contains(t, problem, "the token eve lacks the scope trigger")
	_, problem, code = v.far("", "trigger", "shop")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, problem, "AUTOBUILDER_TOKEN or --token-file gives it")
	_, problem, code = v.far("token of grace", "trigger", "till")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, problem, "project till")
	out, problem, code = v.far("token of grace", "trigger", "--tag", "v1.0.0", "--json", "shop")
	require.Zero(t, code, problem)
	var made map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &made))
	assert.Contains(t, made["delivery"], "trigger-")
	assert.Equal(t, "grace", s.reaches(0, build.Succeeded).By)

	s.write("shop/.deliver/release.md", "- [ ] tell support\n")
	s.git("-C", s.repo, "add", "-A")
	s.commit("two")
	s.git("-C", s.repo, "tag", "v2.0.0")
	s.write("push.json", string(s.payload("refs/heads/master")))
	out, problem, code = v.far("token of eve", "explain", filepath.Join(s.dir, "push.json"))
	require.Zero(t, code, problem)
	assert.Contains(t, out, "v2.0.0 is a major release: v1.0.0 is live")
	_, problem, code = v.far("token of eve", "explain", filepath.Join(s.dir, "grace"))
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, problem, "read push")
	v.tell("d2", "refs/heads/master")
	s.reaches(1, build.Held)
	out, _, code = v.far("", "holds")
	require.Zero(t, code)
	assert.Contains(t, out, "v2.0.0")
	_, problem, code = v.far("token of grace", "tick", "shop")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, problem, "tick shop: it waits for approval: 0 of 1")
	out, problem, code = v.far("token of grace", "approve", "--note", "read it", "shop@v2.0.0")
	require.Zero(t, code, problem)
	assert.Contains(t, out, "approved: 1/1 grace")
	out, problem, code = v.far("token of grace", "tick", "--json", "--note", "told", "shop@v2.0.0")
	require.Zero(t, code, problem)
	var h build.Hold
	require.NoError(t, json.Unmarshal([]byte(out), &h))
	assert.Equal(t, "grace", h.Steps[0].By)
	s.reaches(1, build.Succeeded)
	v.isLockedFromAfar()
	_, problem, code = v.far("token of grace", "reject", "nothing")
	assert.Equal(t, exitFailed, code)
	assert.NotContains(t, problem, "panic")

	out, _, code = v.far("", "status", "--json")
	require.Zero(t, code)
	var now standing
	require.NoError(t, json.Unmarshal([]byte(out), &now))
	assert.True(t, now.Ready)
	assert.Equal(t, "v2.0.0", now.Projects[0].Good.Tag)
	out, _, code = v.far("", "history", "-n", "1", "shop")
	require.Zero(t, code)
	assert.Contains(t, out, "v2.0.0")
	assert.NotContains(t, out, "trigger-", "the newest only")
	_, _, code = v.far("", "history", "till")
	assert.Equal(t, exitUsage, code)
}

// isLockedFromAfar: by those who may, who is the token; the ledger is the room's.
func (v *server) isLockedFromAfar() {
	v.t.Helper()
	_, problem, code := v.far("token of eve", "lock", "shop")
	assert.Equal(v.t, exitFailed, code)
	assert.Contains(v.t, problem, "the token eve lacks the scope trigger")
	_, problem, code = v.far("token of grace", "lock", "--for", "ever", "shop")
	assert.Equal(v.t, exitUsage, code)
	assert.Contains(v.t, problem, `a lock can't last "ever": write 90m, 2h or 3d`)
	_, problem, code = v.far("token of grace", "lock", "till")
	assert.Equal(v.t, exitFailed, code)
	assert.Contains(v.t, problem, "there is no project till")
	out, problem, code := v.far("token of grace", "lock", "--reason", "the tables move", "--for", "3d", "--json", "shop")
	require.Zero(v.t, code, problem)
	var l build.Lock
	require.NoError(v.t, json.Unmarshal([]byte(out), &l))
	assert.Equal(v.t, "grace", l.By)
	assert.Equal(v.t, 3*24*time.Hour, l.Until.Sub(l.Since))
	out, _, _ = v.far("", "status")
	assert.Contains(v.t, out, "locked by grace: the tables move, until ")
	_, problem, code = v.far("token of grace", "lock", "--reason", "and the files", "shop")
	assert.Zero(v.t, code, problem)
	out, problem, code = v.far("token of grace", "unlock", "shop")
	require.Zero(v.t, code, problem)
	assert.Equal(v.t, "shop is unlocked: what waits goes\n", out)
	_, problem, code = v.far("token of grace", "unlock", "shop")
	assert.Equal(v.t, exitFailed, code)
	assert.Contains(v.t, problem, "shop is not locked")
}

func (s *stage) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	require.NoError(s.t, err)
	return string(text)
}

// A push that was ignored goes once the config is right: no redelivery is needed.
func TestADeliveryIsReplayed(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts+"\ntokens: [{name: grace, scopes: [trigger], token_file: grace}]")
	s.write("grace", "token of grace\n")
	s.commit("one")
	s.git("-C", s.repo, "branch", "-m", "master", "main")
	v := s.serve()
	assert.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/main"))
	require.Eventually(t, func() bool {
		_, text := v.get("/api/v1/ledger")
		return strings.Contains(text, `"verdict":"ignored"`)
	}, patient, 20*time.Millisecond)
	require.Zero(t, v.stop())
	s.write("autobuilder.yml", replaceOnce(s.read("autobuilder.yml"), "template: echo}", "template: echo, branch: main}"))
	out, code := s.command("replay", "--json", "d1")
	require.Zero(t, code)
	assert.Contains(t, out, `"delivery": "replay-`)
	v = s.serve()
	b := s.reaches(0, build.Succeeded)
	assert.Equal(t, "ada", b.By, "it is still their push")
	_, problem, code := v.far("token of grace", "replay", "nothing")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, problem, "not in the ledger")
}

func TestAServerThatIsNone(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	v := s.serve()
	for address, says := range map[string]string{
		v.ci:                 "is it an autobuilder?",
		"ftp://ci.test":      "is no http(s) address",
		"http://127.0.0.1:1": "ask http://127.0.0.1:1",
	} {
		var problem strings.Builder
		cmd := s.prepare("--server", address, "holds")
		cmd.Stderr = &problem
		require.Error(t, cmd.Run())
		assert.Contains(t, problem.String(), says)
	}
}
