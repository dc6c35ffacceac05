package faults_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/machinetest"
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
		run := s.deliver(t, way.id, way.args...)
		r.requireSaid(t, run)
		for _, m := range s.listed(t) {
			require.Equal(t, way.id, s.requireWhole(t, m), m.Name)
			requireServes(t, m, way.id)
		}
		assert.Contains(t, run.ending(), "32 ok in ")
		usage := run.cmd.ProcessState.SysUsage().(*syscall.Rusage)
		lines := strings.Split(strings.TrimSpace(run.ending()), "\n")
		t.Logf("%d servers %s: %s; %d MB, %.1f s of processor", servers, way.name, lines[len(lines)-1], usage.Maxrss>>10,
			(run.cmd.ProcessState.UserTime() + run.cmd.ProcessState.SystemTime()).Seconds())
	}
	log, err := os.ReadFile(jump.Log("sshd"))
	require.NoError(t, err)
	assert.Equal(t, servers, strings.Count(string(log), "Accepted publickey"))
	s.requireTidyHere(t)
}
