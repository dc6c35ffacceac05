package hosttest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
)

func lookStories() []story {
	return []story{
		{"a server before the first delivery", lookBefore},
		{"a server with releases", lookAfter},
		{"looking makes nothing", lookMakesNothing},
		{"a service that nobody knows is no error", lookUnknownService},
		{"an unknown service manager is told in the detail", lookUnknownManager},
	}
}

func lookBefore(t *testing.T, s *site) {
	state := s.look(t)
	assert.Equal(t, s.root, state.Root)
	assert.NotEmpty(t, state.Hostname)
	assert.NotEmpty(t, state.User)
	assert.Equal(t, "linux", state.OS)
	assert.NotEmpty(t, state.Arch)
	assert.NotZero(t, state.FreeBytes)
	assert.NotZero(t, state.FreeInodes)
	assert.Empty(t, state.Current)
	assert.True(t, state.Since.IsZero())
	assert.Empty(t, state.Releases)
	assert.Empty(t, state.History)
}

func lookAfter(t *testing.T, s *site) {
	before := time.Now().Add(-time.Second)
	s.deliver(t, "v1")
	s.deliver(t, "v2")
	s.receive(t, Make(t, "v3", File("a", "3")))
	state := s.look(t)
	assert.Equal(t, "v2", state.Current)
	assert.WithinRange(t, state.Since, before, time.Now().Add(time.Second))
	assert.Equal(t, []string{"v1", "v2", "v3"}, s.releases(t), "oldest first")
}

func lookMakesNothing(t *testing.T, s *site) {
	s.look(t)
	// .deliver/bin is there when the Server is remote: its helper was put there.
	for _, pattern := range []string{"[^.]*", ".deliver/[^b]*"} {
		made, err := filepath.Glob(s.path(pattern))
		require.NoError(t, err)
		assert.Empty(t, made)
	}
}

func lookUnknownService(t *testing.T, s *site) {
	state, err := s.Look(s.ctx, host.Service{Name: "no-such-service-anywhere"})
	require.NoError(t, err)
	assert.False(t, state.Service.Known)
	assert.False(t, state.Service.Running)
}

func lookUnknownManager(t *testing.T, s *site) {
	state, err := s.Look(s.ctx, host.Service{Manager: "launchd", Name: "shop"})
	require.NoError(t, err)
	assert.Contains(t, state.Service.Detail, "launchd")
}

func switchStories() []story {
	return []story{
		{"current follows", currentFollows},
		{"what is current stays as it is", currentStays},
		{"an empty id takes current away", takeAway},
		{"taking away what is not there is fine", takeAwayNothing},
		{"a release that is not there is refused", switchMissing},
		{"a release without a record is refused", switchIncomplete},
		{"a current that is not deliver's is left alone", foreignCurrent},
		{"there is no moment without current", neverWithout},
	}
}

func currentFollows(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", File("id", "one")))
	s.receive(t, Make(t, "v2", File("id", "two")))
	first, err := s.Switch(s.ctx, "v1", "")
	require.NoError(t, err)
	assert.Equal(t, host.Switched{}, first)
	assert.Equal(t, "one", s.read(t, "current", "id"))
	second, err := s.Switch(s.ctx, "v2", "")
	require.NoError(t, err)
	assert.Equal(t, host.Switched{Previous: "v1"}, second)
	assert.Equal(t, "two", s.read(t, "current", "id"))
	target, err := os.Readlink(s.path("current"))
	require.NoError(t, err)
	assert.Equal(t, "releases/v2", target)
}

func currentStays(t *testing.T, s *site) {
	s.deliver(t, "v1")
	before := s.look(t).Since
	switched, err := s.Switch(s.ctx, "v1", "")
	require.NoError(t, err)
	assert.Equal(t, host.Switched{Previous: "v1"}, switched)
	assert.Equal(t, before, s.look(t).Since)
}

func takeAway(t *testing.T, s *site) {
	s.deliver(t, "v1")
	switched, err := s.Switch(s.ctx, "", "")
	require.NoError(t, err)
	assert.Equal(t, "v1", switched.Previous)
	assert.NoFileExists(t, s.path("current"))
	assert.Equal(t, []string{"v1"}, s.releases(t))
}

func takeAwayNothing(t *testing.T, s *site) {
	for range 2 {
		switched, err := s.Switch(s.ctx, "", "")
		require.NoError(t, err)
		assert.Empty(t, switched.Previous)
	}
}

func switchMissing(t *testing.T, s *site) {
	s.deliver(t, "v1")
	for _, id := range []string{"v2", "../v1", "."} {
		_, err := s.Switch(s.ctx, id, "")
		RequireKind(t, err, host.KindMissing)
		assert.Equal(t, "v1", s.look(t).Current)
	}
}

func switchIncomplete(t *testing.T, s *site) {
	s.deliver(t, "v1")
	require.NoError(t, os.Mkdir(s.path("releases", "v2"), 0o755))
	_, err := s.Switch(s.ctx, "v2", "")
	RequireKind(t, err, host.KindMissing)
	assert.Equal(t, []string{"v1"}, s.releases(t))
	b := Make(t, "v2", File("a", "1"))
	_, err = s.Receive(s.ctx, b.Record, b.Reader(), nil)
	RequireKind(t, err, host.KindDigest)
}

func foreignCurrent(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", File("a", "1")))
	require.NoError(t, os.Mkdir(s.path("current"), 0o755))
	_, err := s.Switch(s.ctx, "v1", "")
	require.ErrorContains(t, err, "current")
	assert.DirExists(t, s.path("current"))
	require.NoError(t, os.Remove(s.path("current")))
	require.NoError(t, os.Symlink("/usr", s.path("current")))
	_, err = s.Switch(s.ctx, "v1", "")
	require.ErrorContains(t, err, "/usr")
}

func neverWithout(t *testing.T, s *site) {
	s.receive(t, Make(t, "v2", File("id", "v2")))
	s.deliver(t, "v1")
	stop, done := make(chan struct{}), make(chan error)
	const watchers = 3
	for range watchers {
		go func() { done <- followUntil(stop, s.path("current")) }()
	}
	start := time.Now()
	for n := 0; n < 60 && time.Since(start) < 10*time.Second; n++ {
		_, err := s.Switch(s.ctx, []string{"v1", "v2"}[n%2], "")
		require.NoError(t, err)
	}
	close(stop)
	for range watchers {
		require.NoError(t, <-done)
	}
}

// followUntil reads a link again and again; the first failure ends it.
func followUntil(stop <-chan struct{}, link string) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if _, err := os.Readlink(link); err != nil {
			<-stop
			return err
		}
	}
}
