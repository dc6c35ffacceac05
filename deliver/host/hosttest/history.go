package hosttest

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
)

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func hookStories() []story {
	return []story{
		{"a release without the hook", hookAbsent},
		{"it runs in the release with its environment", hookRuns},
		{"its failure has its output", hookFails},
		{"one that is not executable is an error", hookNotExecutable},
		{"one that hangs ends with all it started", hookHangs},
		{"of a release that is not there", hookMissing},
		{"a name that leaves the hooks is refused", hookName},
		{"much output keeps its end", hookOutput},
	}
}

const hookPath = ".deliver/hooks/pre-switch"

func hookAbsent(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", File("a", "1")))
	output, err := s.Hook(s.ctx, "pre-switch", "v1", nil)
	require.NoError(t, err)
	assert.Empty(t, output)
}

func hookRuns(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", Script(hookPath, `pwd -P; echo "$APP $RELEASE $DELIVER_TO $PREVIOUS"`)))
	output, err := s.Hook(s.ctx, "pre-switch", "v1", map[string]string{"PREVIOUS": "v0", "APP": "store", "DELIVER_TO": "~/app"})
	require.NoError(t, err)
	assert.Equal(t, s.path("releases", "v1")+"\nstore v1 "+s.root+" v0\n", output)
}

func hookFails(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", Script(hookPath, "echo migrating; echo no such table >&2; exit 7")))
	output, err := s.Hook(s.ctx, "pre-switch", "v1", nil)
	known := RequireKind(t, err, host.KindHook)
	assert.Contains(t, known.Message, "exit status 7")
	assert.Contains(t, known.Message, "no such table")
	assert.Equal(t, "migrating\nno such table\n", output)
}

func hookNotExecutable(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", File(hookPath, "#!/bin/sh\n")))
	_, err := s.Hook(s.ctx, "pre-switch", "v1", nil)
	assert.Contains(t, RequireKind(t, err, host.KindHook).Hint, "chmod")
}

func hookHangs(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", Script(hookPath, "echo $$ >../../pid; sleep 3600 & sleep 3600")))
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
	defer cancel()
	_, err := s.Hook(ctx, "pre-switch", "v1", nil)
	require.Error(t, err)
	require.Eventually(t, func() bool { return !anyInGroup(t, s.path("pid")) }, 10*time.Second, 20*time.Millisecond)
}

// anyInGroup says whether the group, whose leader's pid is in file, has processes.
func anyInGroup(t *testing.T, file string) bool {
	t.Helper()
	pid, err := os.ReadFile(file)
	if err != nil {
		return true
	}
	group := strings.TrimSpace(string(pid))
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, stat := range stats {
		line, _ := os.ReadFile(stat)
		fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
		if len(fields) > 2 && fields[2] == group && fields[0] != "Z" {
			return true
		}
	}
	return false
}

func hookMissing(t *testing.T, s *site) {
	_, err := s.Hook(s.ctx, "pre-switch", "v1", nil)
	RequireKind(t, err, host.KindMissing)
}

func hookName(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", Script("other", "echo out")))
	for _, name := range []string{"", "../../other", "/bin/true", ".."} {
		_, err := s.Hook(s.ctx, name, "v1", nil)
		RequireKind(t, err, host.KindHook)
	}
}

func hookOutput(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", Script(hookPath, "seq 1 100000")))
	output, err := s.Hook(s.ctx, "pre-switch", "v1", nil)
	require.NoError(t, err)
	assert.Less(t, len(output), 100_000)
	assert.True(t, strings.HasSuffix(output, "99999\n100000\n"))
}

func recordStories() []story {
	return []story{
		{"entries come back in order", recordOrder},
		{"only the newest are shown", recordNewest},
		{"half a line left by a crash spoils nothing", recordTorn},
		{"many at once lose nothing", recordAtOnce},
	}
}

func entry(n int, release, result string) host.Entry {
	return host.Entry{
		Time: built.Add(time.Duration(n) * time.Hour), Run: "run-" + strconv.Itoa(n),
		Action: "push", Release: release, Result: result,
	}
}

func (s *site) record(t *testing.T, entries ...host.Entry) {
	t.Helper()
	for _, e := range entries {
		require.NoError(t, s.Record(s.ctx, e))
	}
}

func recordOrder(t *testing.T, s *site) {
	want := []host.Entry{entry(1, "v1", "healthy"), entry(2, "v2", "failed")}
	want[1].Why = "line one\nline two"
	s.record(t, want...)
	assert.Equal(t, want, s.look(t).History)
	assert.Equal(t, 2, strings.Count(s.read(t, ".deliver", "history.jsonl"), "\n"), "one line each")
}

func recordNewest(t *testing.T, s *site) {
	for n := range 25 {
		s.record(t, entry(n, "v"+strconv.Itoa(n), "healthy"))
	}
	shown := s.look(t).History
	assert.Len(t, shown, 20)
	assert.Equal(t, "v24", shown[19].Release)
}

func recordTorn(t *testing.T, s *site) {
	first, last := entry(1, "v1", "healthy"), entry(2, "v2", "healthy")
	s.record(t, first)
	f, err := os.OpenFile(s.path(".deliver", "history.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"time":"2026-01-0`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s.record(t, last)
	assert.Equal(t, []host.Entry{first, last}, s.look(t).History)
}

func recordAtOnce(t *testing.T, s *site) {
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() { assert.NoError(t, s.Record(s.ctx, entry(n, "v1", "healthy"))) })
	}
	all.Wait()
	assert.Len(t, s.look(t).History, 8)
}

func pruneStories() []story {
	return []story{
		{"the oldest go first", pruneOldest},
		{"failed ones go before any good one", pruneFailed},
		{"one that failed and is healthy now is good", pruneHealed},
		{"the current one and its predecessor stay", pruneKeepsBoth},
		{"after a rollback the failed one goes", pruneAfterRollback},
		{"trees that may not be written to go, too", pruneReadOnly},
		{"nothing to prune", pruneNothing},
	}
}

func (s *site) prune(t *testing.T, keep int) []string {
	t.Helper()
	removed, err := s.Prune(s.ctx, keep)
	require.NoError(t, err)
	for _, id := range removed {
		assert.NoDirExists(t, s.path("releases", id))
		assert.NoFileExists(t, s.path(".deliver", "records", id+".json"))
	}
	s.requireNothingLeft(t)
	return removed
}

func pruneOldest(t *testing.T, s *site) {
	for _, id := range []string{"v1", "v2", "v3", "v4", "v5"} {
		s.deliver(t, id)
	}
	assert.Equal(t, []string{"v1", "v2"}, s.prune(t, 3))
	assert.Equal(t, []string{"v3", "v4", "v5"}, s.releases(t))
	assert.Empty(t, s.prune(t, 3))
}

func pruneFailed(t *testing.T, s *site) {
	for n, id := range []string{"v1", "v2", "v3", "v4"} {
		s.deliver(t, id)
		s.record(t, entry(n, id, map[bool]string{true: "failed", false: "healthy"}[id == "v3"]))
	}
	assert.Equal(t, []string{"v3"}, s.prune(t, 3))
	assert.Equal(t, []string{"v1", "v2", "v4"}, s.releases(t))
}

func pruneHealed(t *testing.T, s *site) {
	for n, id := range []string{"v1", "v2", "v3"} {
		s.deliver(t, id)
		s.record(t, entry(n, id, "failed"), entry(n, id, "healthy"))
	}
	assert.Empty(t, s.prune(t, 3))
}

func pruneKeepsBoth(t *testing.T, s *site) {
	for n, id := range []string{"v1", "v2", "v3", "v4"} {
		s.deliver(t, id)
		s.record(t, entry(n, id, "healthy"))
	}
	_, err := s.Switch(s.ctx, "v2", "")
	require.NoError(t, err)
	back := entry(9, "v2", "healthy")
	back.Action, back.Previous = "rollback", "v1"
	s.record(t, back)
	assert.Equal(t, []string{"v3", "v4"}, s.prune(t, 0))
	assert.Equal(t, []string{"v1", "v2"}, s.releases(t))
}

func pruneAfterRollback(t *testing.T, s *site) {
	for n, id := range []string{"v1", "v2"} {
		s.deliver(t, id)
		s.record(t, entry(n, id, "healthy"))
	}
	s.deliver(t, "v3")
	s.record(t, entry(3, "v3", "rolled back"))
	_, err := s.Switch(s.ctx, "v2", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"v3"}, s.prune(t, 5))
	assert.Equal(t, []string{"v1", "v2"}, s.releases(t))
}

func pruneReadOnly(t *testing.T, s *site) {
	locked := Dir("a/b")
	locked.Mode = 0o555
	s.deliver(t, "v1", File("a/b/c", "x"), locked)
	s.deliver(t, "v2")
	s.deliver(t, "v3")
	assert.Equal(t, []string{"v1"}, s.prune(t, 2))
}

func pruneNothing(t *testing.T, s *site) {
	assert.Empty(t, s.prune(t, 1))
	s.deliver(t, "v1")
	assert.Empty(t, s.prune(t, 0))
	assert.Equal(t, "v1", s.look(t).Current)
}
