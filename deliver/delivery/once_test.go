package delivery_test

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/plan"
	"deliver/release"
	"deliver/rollout"
)

// onceHook is a hook of a release that runs on one server; it notes in the
// fleet's own file where and before what it ran.
func onceHook(name, script string) tar.Header {
	note := `for h in ../../../*/current; do test -e $h && seen="$seen $(basename $(dirname $h)):$(basename $(readlink $h))"; done
echo "$(basename $0) $RELEASE on $HOST after $PREVIOUS$seen" >>../../../once`
	return tar.Header{Name: ".deliver/hooks/" + name, Mode: 0o755, Uname: "#!/bin/sh\n" + note + "\n" + script}
}

// ran are the lines that the hooks left.
func (s *servers) ran() []string {
	content, err := os.ReadFile(filepath.Join(s.dir, "once"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(s.t, err)
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

func TestOnceHooksRunOnOneServer(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	hooks := []tar.Header{onceHook("pre-switch.once", ""), onceHook("post-restart.once", ""), onceHook("post-switch.once", "")}
	want := []string{
		"pre-switch.once v2 on h1 after v1 h1:v1 h2:v1 h3:v1",
		"post-restart.once v2 on h1 after v1 h1:v2 h2:v2 h3:v2",
		"post-switch.once v2 on h1 after v1 h1:v2 h2:v2 h3:v2",
	}
	b := app(t, "v2", hooks...)
	d := s.delivery(b)
	d.Order = plan.Order{Mode: plan.Rolling}
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	assert.Equal(t, want, s.ran())

	require.Equal(t, rollout.OK, s.delivery(b).Deliver(t.Context()).Result, s.said())
	assert.Equal(t, want, s.ran(), "never again for the same release")

	d = s.delivery(b)
	d.Hosts = s.hosts[1:]
	require.NoError(t, os.RemoveAll(s.root("h1")))
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	assert.Equal(t, want, s.ran(), "also when the server that ran them is gone")
}

func TestAOnceHookThatFailsLeavesTheFleetAsItWas(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	b := app(t, "v2", onceHook("pre-switch.once", "test -e ../../../fixed || { echo no such table; exit 3; }"))
	out := s.delivery(b).Deliver(t.Context())
	assert.Equal(t, rollout.Failed, out.Result)
	require.ErrorContains(t, out.Err, "on h1")
	require.ErrorContains(t, out.Err, "no such table")
	s.runs("v1")
	assert.Equal(t, "v1", s.read("h1", "restarts"))

	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "fixed"), nil, 0o600))
	require.Equal(t, rollout.OK, s.delivery(b).Deliver(t.Context()).Result, s.said())
	assert.Len(t, s.ran(), 2, "one that failed runs again")
	s.runs("v2")
}

func TestAOnceHookThatWasCutRunsAgainWhereItRan(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	line := `{"action":"pre-switch.once","release":"v2","result":"started"}` + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(s.root("h2"), ".deliver", "once.jsonl"), []byte(line), 0o600))
	require.Equal(t, rollout.OK, s.delivery(app(t, "v2", onceHook("pre-switch.once", ""))).Deliver(t.Context()).Result, s.said())
	assert.Equal(t, []string{"pre-switch.once v2 on h2 after v1 h1:v1 h2:v1"}, s.ran())
}

func TestARollbackRunsNoOnceHooks(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	d := s.delivery(app(t, "v2", onceHook("pre-switch.once", "")))
	d.Action = delivery.Rollback
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	assert.Empty(t, s.ran())
}

func TestABuildWithAOnceHookThatWouldNeverRunIsRefused(t *testing.T) {
	t.Parallel()
	_, err := delivery.Make(t.Context(), fromStdin(pack(t, onceHook("preswitch.once", ""))), release.Record{ID: "v1"})
	assert.ErrorContains(t, err, "there is no hook preswitch.once: those that run once are pre-switch.once,")
}
