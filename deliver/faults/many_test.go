package faults_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/machinetest"
	"deliver/rollout"
)

func many() []row {
	return []row{{
		fault: "32 servers: in parallel, rolling, behind one jump host with sshd's default MaxStartups", happens: "every server runs the release",
		says: delivered, test: thirtyTwo,
	}}
}

func thirtyTwo(t *testing.T, l *lab, r row) {
	const servers = 32
	s := l.site(t)
	jump := s.Add(t, "jump", machinetest.Options{SSHD: []string{"MaxStartups 10:30:100"}})
	names := make([]string, servers)
	for i := range names {
		names[i] = fmt.Sprintf("h%d", i+1)
		s.Add(t, names[i], usual())
	}
	s.list(t, names...)
	for _, way := range []struct {
		id, name string
		args     []string
	}{
		{"v2", "in parallel", nil},
		{"v3", "rolling 1,25%,100%", []string{"--order", "rolling", "--batch", "1,25%,100%"}},
		{"v4", "through one jump host", nil},
	} {
		if way.id == "v4" {
			s.Route(t, "jump", names...)
		}
		s.build(t, way.id, noise(2))
		var most string // the memory that it had at its fullest
		run := s.begin(t, way.id, func(r *run, e rollout.Event) {
			if e.Kind == rollout.RunDone {
				most = fullest(r.cmd.Process.Pid)
			}
		}, way.args...).wait(t)
		r.requireSaid(t, run)
		for _, m := range s.listed(t) {
			require.Equal(t, way.id, s.requireWhole(t, m), m.Name)
			requireServes(t, m, way.id)
		}
		assert.Contains(t, run.ending(), "32 ok in ")
		lines := strings.Split(strings.TrimSpace(run.ending()), "\n")
		t.Logf("%d servers %s: %s; %s, %.1f s of processor", servers, way.name, lines[len(lines)-1], most,
			(run.cmd.ProcessState.UserTime() + run.cmd.ProcessState.SystemTime()).Seconds())
	}
	log, err := os.ReadFile(jump.Log("sshd"))
	require.NoError(t, err)
	assert.Equal(t, servers, strings.Count(string(log), "Accepted publickey"))
	s.requireTidyHere(t)
}

// fullest is how much memory a process had at most; what the kernel says of
// one that has ended counts its parent, too.
func fullest(pid int) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it ended meanwhile
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
