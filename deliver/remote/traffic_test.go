package remote_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/remote"
)

// grown is a build of some files that all bear one time, as git archive makes it.
func grown(t *testing.T, id string, when int64) hosttest.Tree {
	t.Helper()
	items := []hosttest.Item{hosttest.File("changed", strings.Repeat("the same words ", 1000)+id)}
	for n := range 100 {
		items = append(items, hosttest.File(fmt.Sprintf("d%d/%d", n%9, n), strings.Repeat(fmt.Sprint(n), 200)))
	}
	for n := range items {
		items[n].ModTime = time.Unix(when, 0)
	}
	return hosttest.Grow(t, id, hosttest.Tar(t, items...))
}

// deliver does what a delivery does on a server, up to its first error.
func deliver(t *testing.T, s *remote.Server, next hosttest.Tree, before *hosttest.Tree) error {
	t.Helper()
	none := host.Service{Manager: "none"}
	base := host.Base{}
	if before != nil {
		base = before.Base()
	}
	for _, step := range []func() error{
		func() error { _, err := s.Look(t.Context(), none); return err },
		func() error {
			_, err := s.Claim(t.Context(), host.Claim{Run: next.Record.ID, TTL: time.Minute})
			return err
		},
		func() error {
			_, err := s.Update(t.Context(), next.Record, base, next.Parts(t, before), nil)
			return err
		},
		func() error { _, err := s.Switch(t.Context(), next.Record.ID, ""); return err },
		func() error { return s.Restart(t.Context(), none) },
		func() error {
			_, err := s.Check(t.Context(), host.Health{Command: "true", Rise: 1, Deadline: time.Minute, Timeout: time.Minute}, none, next.Record.ID)
			return err
		},
		func() error {
			return s.Record(t.Context(), host.Entry{Time: time.Now(), Run: "r", Release: next.Record.ID})
		},
		func() error { _, err := s.Prune(t.Context(), 5); return err },
		func() error { return s.Release(t.Context()) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestASecondDeliveryCostsAFewKilobytesAllInAll(t *testing.T) {
	t.Parallel()
	c, _, relay := relayed(t)
	root := t.TempDir()
	var before *hosttest.Tree
	for n := range 6 {
		next := grown(t, fmt.Sprint("v", n), int64(n))
		start := relay.passed.Load()
		s := c.dialAt(t, "h1", root)
		require.NoError(t, deliver(t, s, next, before))
		require.NoError(t, s.Close())
		if before != nil {
			assert.Less(t, relay.passed.Load()-start, int64(8<<10), "handshake, lease, checks and history")
		}
		before = &next
	}
}

// TestAFlippedBitOnTheWireIsFound flips one somewhere in a delivery: it fails
// as a lost connection, and the same again ends well.
func TestAFlippedBitOnTheWireIsFound(t *testing.T) {
	t.Parallel()
	c, _, relay := relayed(t)
	c.opts.KeepAlive, c.opts.ConnectTimeout = 2*time.Second, 10*time.Second // a length that was flipped is waited for
	root := t.TempDir()
	before := grown(t, "v0", 0)
	s := c.dialAt(t, "h1", root)
	require.NoError(t, deliver(t, s, before, nil))
	r := rand.New(rand.NewPCG(1, 2))
	failed := 0
	for n := range 6 {
		next := grown(t, fmt.Sprint("v", n+1), int64(n+1))
		relay.flipAt.Store(relay.passed.Load() + 1 + r.Int64N(2500))
		if err := deliver(t, s, next, &before); err != nil {
			hosttest.RequireKind(t, err, host.KindUnreachable)
			failed++
			require.NoError(t, deliver(t, s, next, &before))
		}
		assert.Equal(t, next.Record.ID, look(t, s).Current)
		before = next
	}
	assert.Positive(t, failed)
}
