package faults_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/machinetest"
)

// requireConverges runs the same again, which must end with the release live
// and healthy on every server of the list, and nothing left over.
func (s *site) requireConverges(t *testing.T, id string, args ...string) {
	t.Helper()
	again := s.deliver(t, id, args...)
	require.Equal(t, 0, again.code, "again: %s", again.stderr.String())
	for _, m := range s.listed(t) {
		require.Equal(t, id, s.requireWhole(t, m), m.Name)
		requireServes(t, m, id)
		requireTidy(t, m)
	}
	s.requireTidyHere(t)
}

// listed are the servers of the list.
func (s *site) listed(t *testing.T) []*machinetest.Machine {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(s.Home, "hosts"))
	require.NoError(t, err)
	var found []*machinetest.Machine
	for _, name := range strings.Fields(string(list)) {
		found = append(found, s.Machine(t, name))
	}
	return found
}

// requireServes asks that the app runs, and from this release.
func requireServes(t *testing.T, m *machinetest.Machine, id string) {
	t.Helper()
	assert.Equal(t, []string{id}, serving(m), "%s: the releases that its service runs from", m.Name)
}

// serving are the releases that processes of the app run from.
func serving(m *machinetest.Machine) []string {
	var from []string
	for _, p := range m.Processes() {
		if p.Line == "sleep 1000" {
			dir, _ := os.Readlink(filepath.Join(p.Dir(), "cwd")) // it ended meanwhile
			from = append(from, filepath.Base(dir))
		}
	}
	return from
}

// requireTidy asks that no run left anything on a server.
func requireTidy(t *testing.T, m *machinetest.Machine) {
	t.Helper()
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		for _, p := range m.Processes() {
			assert.NotContains(c, p.Line, ".deliver/", m.Name)
		}
	}, 20*time.Second, 10*time.Millisecond)
	for _, pattern := range []string{"incoming/*", "bin/.new-*", "*.next"} {
		left, err := filepath.Glob(m.Path("app/.deliver", pattern))
		require.NoError(t, err)
		assert.Empty(t, left, m.Name)
	}
}

// requireTidyHere asks that no run left anything where it was started.
func (s *site) requireTidyHere(t *testing.T) {
	t.Helper()
	assert.Eventually(t, func() bool { return len(s.Processes()) == 0 }, 20*time.Second, 10*time.Millisecond, "%v", s.Processes())
	left, err := os.ReadDir(s.Temporary())
	require.NoError(t, err)
	assert.Empty(t, left)
}
