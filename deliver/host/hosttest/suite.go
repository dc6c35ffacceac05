// Package hosttest holds what every host.Server must do, as one test suite.
package hosttest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/host"
)

// Open makes a Server for the tests whose root is a directory of this machine
// that is there and empty. Each test has its own.
type Open func(t *testing.T) (server host.Server, root string)

// story is one behaviour.
type story struct {
	name string
	tell func(t *testing.T, s *site)
}

// Run tells all stories of what a Server must do.
func Run(t *testing.T, open Open) {
	t.Helper()
	groups := map[string][]story{
		"look":    lookStories(),
		"receive": receiveStories(),
		"refuse":  refuseStories(),
		"switch":  switchStories(),
		"restart": restartStories(),
		"check":   checkStories(),
		"hook":    hookStories(),
		"record":  recordStories(),
		"prune":   pruneStories(),
		"lease":   leaseStories(),
		"order":   orderStories(),
	}
	for name, stories := range groups {
		for _, s := range stories {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(t, newSite(t, open))
			})
		}
	}
}

// site is a Server under test and where it keeps things.
type site struct {
	host.Server
	root string
	ctx  context.Context //nolint:containedctx // the test's own
}

func newSite(t *testing.T, open Open) *site {
	t.Helper()
	server, root := open(t)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &site{Server: server, root: root, ctx: ctx}
}

func (s *site) path(elements ...string) string {
	return filepath.Join(append([]string{s.root}, elements...)...)
}

// receive takes in a build that must be taken.
func (s *site) receive(t *testing.T, b Build) host.Receipt {
	t.Helper()
	receipt, err := s.Receive(s.ctx, b.Record, b.Reader(), nil)
	require.NoError(t, err)
	return receipt
}

// deliver receives and switches to a release with the given items.
func (s *site) deliver(t *testing.T, id string, items ...Item) {
	t.Helper()
	s.receive(t, Make(t, id, append(items, File("id", id))...))
	_, err := s.Switch(s.ctx, id, "")
	require.NoError(t, err)
}

func (s *site) look(t *testing.T) host.State {
	t.Helper()
	state, err := s.Look(s.ctx, host.Service{Manager: "none"})
	require.NoError(t, err)
	return state
}

// releases are the ids that Look shows.
func (s *site) releases(t *testing.T) []string {
	t.Helper()
	ids := []string{}
	for _, r := range s.look(t).Releases {
		ids = append(ids, r.ID)
	}
	return ids
}

func (s *site) read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(s.path(elements...))
	require.NoError(t, err)
	return string(content)
}

// requireNothingLeft looks for trees that came in and did not become releases.
func (s *site) requireNothingLeft(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(s.path(".deliver", "incoming", "*"))
	require.NoError(t, err)
	require.Empty(t, left, "trees left behind")
}

// RequireKind asks for an *host.Error of the kind and returns it.
func RequireKind(t *testing.T, err error, kind host.Kind) *host.Error {
	t.Helper()
	var known *host.Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, kind, known.Kind, known.Error())
	return known
}
