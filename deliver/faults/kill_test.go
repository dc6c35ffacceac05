package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/machinetest"
	"deliver/rollout"
)

func killed() []row {
	return []row{
		{
			fault: "deliver killed (-9) at each of its events", happens: "the next run takes over", codes: "137",
			test: func(t *testing.T, l *lab, _ row) { killedAtEachEvent(t, l, 1) },
		},
		{
			fault: "deliver killed at each of its events, rolling", happens: "the next run takes over", codes: "137",
			test: func(t *testing.T, l *lab, _ row) { killedAtEachEvent(t, l, min(5, stride()), "--order", "rolling") },
		},
		{
			fault: "its far side killed before it gets each message", happens: "as an error of that step", codes: "0, 1 or 5",
			test: func(t *testing.T, l *lab, _ row) { farSideKilled(t, l, "before") },
		},
		{
			fault: "its far side killed before it can send each message", happens: "as an error of that step", codes: "0, 1 or 5",
			test: func(t *testing.T, l *lab, _ row) { farSideKilled(t, l, "after") },
		},
	}
}

// stride is how many of deliver's events lie between two at which it is
// killed. FAULTS=all is make faults.
func stride() int {
	if os.Getenv("FAULTS") == "all" {
		return 1
	}
	return 13
}

// killedAtEachEvent kills deliver when its first event is told, then at a
// later one of the next delivery, and so on.
func killedAtEachEvent(t *testing.T, l *lab, first int, args ...string) {
	s := l.site(t, "h1", "h2", "h3")
	for n := first; ; n += stride() {
		id := fmt.Sprintf("k%d", n)
		s.build(t, id)
		told := 0
		r := s.begin(t, id, func(r *run, _ rollout.Event) {
			if told++; told == n {
				_ = r.cmd.Process.Kill()
			}
		}, args...).wait(t)
		if told < n {
			require.Equal(t, 0, r.code, r.stderr.String())
			t.Logf("there were %d events", told)
			return
		}
		for _, m := range s.Machines {
			s.requireWhole(t, m)
		}
		s.requireConverges(t, id, args...)
	}
}

func farSideKilled(t *testing.T, l *lab, how string) {
	s := l.site(t, "h1")
	self, err := os.Executable()
	require.NoError(t, err)
	options := usual()
	options.SSHD = []string{"ForceCommand FAULTS_SESSION=1 exec " + self}
	h2 := s.Add(t, "h2", options)
	s.list(t, "h1", "h2")
	before := "v1"
	for n := 1; ; n++ {
		id := fmt.Sprintf("k%d", n)
		s.build(t, id)
		arm(t, h2, n, how)
		r := s.deliver(t, id)
		if _, err := os.Stat(filepath.Join(h2.Dir(), "struck")); err != nil {
			require.Equal(t, 0, r.code, r.stderr.String())
			t.Logf("killed at %d messages", n-1)
			return
		}
		s.requireTrue(t, r, before, id)
		arm(t, h2, 0, how)
		s.requireConverges(t, id)
		before = id
	}
}

func arm(t *testing.T, m *machinetest.Machine, n int, how string) {
	t.Helper()
	write(t, m.Dir(), "session", "0\n")
	write(t, m.Dir(), "kill", fmt.Sprintf("%d %s\n", n, how))
	require.NoError(t, os.RemoveAll(filepath.Join(m.Dir(), "struck")))
}

// requireTrue asks that how a run ended is what is to be seen on the servers.
func (s *site) requireTrue(t *testing.T, r *run, before, id string) {
	t.Helper()
	live := map[string]string{}
	for _, m := range s.Machines {
		live[m.Name] = s.requireWhole(t, m)
	}
	switch r.code {
	case 0:
		assert.Equal(t, map[string]string{"h1": id, "h2": id}, live, r.stderr.String())
	case 5:
		assert.Equal(t, map[string]string{"h1": before, "h2": before}, live, r.stderr.String())
	case 1:
		assert.Contains(t, r.ending(), "[h2] ")
	default:
		assert.Fail(t, "the exit code", "%d: %s", r.code, r.stderr.String())
	}
}
