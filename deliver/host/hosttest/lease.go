package hosttest

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
)

func leaseStories() []story {
	return []story{
		{"it is granted and seen", leaseGranted},
		{"another one learns who has it", leaseHeld},
		{"it is given back", leaseReleased},
		{"it ends by itself", leaseEnds},
		{"it can be kept", leaseKept},
		{"one that ended and that nobody took goes on", leaseGoesOn},
		{"a holder who was displaced changes nothing", leaseFences},
		{"a step without a lease waits for nobody and changes nothing", leaseKeepsOthersOff},
		{"only the holder that is named is displaced", leaseOver},
		{"of many at once one gets it", leaseRace},
		{"those who wait come in order", leaseLine},
		{"it is not given while the last holder's step is under way", leaseWaitsForStep},
		{"a file that cannot be read is nobody's", leaseDamaged},
		{"a claim without a run is refused", leaseNoRun},
	}
}

// colleague is another Server of the same place: a delivery from elsewhere.
func (s *site) colleague(t *testing.T) host.Server {
	t.Helper()
	local, err := host.NewLocal(host.Place{App: "shop", Root: s.root})
	require.NoError(t, err)
	return local
}

func claim(run string, ttl time.Duration) host.Claim {
	return host.Claim{Run: run, By: run + "@ci", TTL: ttl}
}

// take claims the lease of a server that must give it.
func (s *site) take(t *testing.T, server host.Server, c host.Claim) host.Lease {
	t.Helper()
	claimed, err := server.Claim(s.ctx, c)
	require.NoError(t, err)
	require.True(t, claimed.Granted, "held by %s", claimed.Lease.Run)
	return claimed.Lease
}

func leaseGranted(t *testing.T, s *site) {
	s.deliver(t, "v1")
	assert.False(t, s.look(t).Lease.Held())
	claimed, err := s.Claim(s.ctx, claim("one", time.Minute))
	require.NoError(t, err)
	assert.True(t, claimed.Granted)
	assert.Equal(t, "v1", claimed.Current)
	seen := s.look(t).Lease
	assert.True(t, seen.Held())
	assert.Equal(t, "one", seen.Run)
	assert.Equal(t, "one@ci", seen.By)
	assert.Equal(t, claimed.Lease.Token, seen.Token)
	assert.Positive(t, seen.Left)
	s.deliver(t, "v2")
}

func leaseHeld(t *testing.T, s *site) {
	s.take(t, s, claim("one", time.Minute))
	claimed, err := s.colleague(t).Claim(s.ctx, claim("two", time.Minute))
	require.NoError(t, err)
	assert.False(t, claimed.Granted)
	assert.Equal(t, "one", claimed.Lease.Run)
	assert.Equal(t, "one@ci", claimed.Lease.By)
	assert.Contains(t, host.HeldBy(claimed.Lease).Error(), "one@ci (run one) delivers to it")
}

func leaseReleased(t *testing.T, s *site) {
	first := s.take(t, s, claim("one", time.Minute))
	require.NoError(t, s.Release(s.ctx))
	require.NoError(t, s.Release(s.ctx), "twice is once")
	assert.False(t, s.look(t).Lease.Held())
	second := s.take(t, s.colleague(t), claim("two", time.Minute))
	assert.Greater(t, second.Token, first.Token)
	require.NoError(t, s.Release(s.ctx))
	assert.Equal(t, "two", s.look(t).Lease.Run, "it is another's by now")
}

func leaseEnds(t *testing.T, s *site) {
	s.take(t, s, claim("one", 300*time.Millisecond))
	other := s.colleague(t)
	require.Eventually(t, func() bool {
		claimed, err := other.Claim(s.ctx, claim("two", time.Minute))
		return err == nil && claimed.Granted
	}, 20*time.Second, 20*time.Millisecond)
}

func leaseKept(t *testing.T, s *site) {
	s.take(t, s, claim("one", time.Millisecond))
	longer := claim("one", time.Hour)
	longer.Renew = true
	kept := s.take(t, s, longer)
	assert.Equal(t, int64(1), kept.Beat)
	assert.Greater(t, s.look(t).Lease.Left, time.Minute)
	claimed, err := s.colleague(t).Claim(s.ctx, claim("two", time.Minute))
	require.NoError(t, err)
	assert.False(t, claimed.Granted)
}

func leaseGoesOn(t *testing.T, s *site) {
	s.take(t, s, claim("one", time.Nanosecond))
	require.Eventually(t, func() bool { return !s.look(t).Lease.Held() }, 10*time.Second, time.Millisecond)
	s.deliver(t, "v1")
}

func leaseFences(t *testing.T, s *site) {
	s.deliver(t, "v1", Script(".deliver/hooks/pre-switch", "touch ../../hooked"))
	s.receive(t, Make(t, "v2", File("a", "2")))
	s.take(t, s, claim("one", time.Nanosecond))
	s.take(t, s.colleague(t), claim("two", time.Minute))
	steps := map[string]func() error{
		"receive": func() error {
			b := Make(t, "v3", File("a", "3"))
			_, err := s.Receive(s.ctx, b.Record, b.Reader(), nil)
			return err
		},
		"switch":  func() error { _, err := s.Switch(s.ctx, "v2", ""); return err },
		"restart": func() error { return s.Restart(s.ctx, host.Service{Command: "touch ../../restarted"}) },
		"hook":    func() error { _, err := s.Hook(s.ctx, "pre-switch", "v1", nil); return err },
		"record":  func() error { return s.Record(s.ctx, host.Entry{Release: "v2", Action: "push", Result: "healthy"}) },
		"prune":   func() error { _, err := s.Prune(s.ctx, 0); return err },
		"pin":     func() error { return s.Pin(s.ctx, &host.Pin{Release: "v1"}) },
		"renewal": func() error {
			renewal := claim("one", time.Minute)
			renewal.Renew = true
			_, err := s.Claim(s.ctx, renewal)
			return err
		},
	}
	for name, step := range steps {
		known := RequireKind(t, step(), host.KindFenced)
		assert.Contains(t, known.Message, "two@ci (run two) has had it since", name)
	}
	state := s.look(t)
	assert.Equal(t, "v1", state.Current)
	assert.Len(t, state.Releases, 2)
	assert.Empty(t, state.History)
	assert.Nil(t, state.Pin)
	assert.NoFileExists(t, s.path("restarted"))
	assert.NoFileExists(t, s.path("hooked"))
}

func leaseKeepsOthersOff(t *testing.T, s *site) {
	s.deliver(t, "v1")
	s.receive(t, Make(t, "v2", File("a", "2")))
	other := s.colleague(t)
	s.take(t, other, claim("two", time.Minute))
	_, err := s.Switch(s.ctx, "v2", "")
	RequireKind(t, err, host.KindLease)
	require.NoError(t, other.Release(s.ctx))
	_, err = s.Switch(s.ctx, "v2", "")
	require.NoError(t, err)
}

func leaseOver(t *testing.T, s *site) {
	first := s.take(t, s, claim("one", time.Minute))
	other := s.colleague(t)
	wrong := claim("two", time.Minute)
	wrong.Over = first.Token + 1
	claimed, err := other.Claim(s.ctx, wrong)
	require.NoError(t, err)
	assert.False(t, claimed.Granted)
	right := wrong
	right.Over = first.Token
	second := s.take(t, other, right)
	assert.Greater(t, second.Token, first.Token)
}

func leaseRace(t *testing.T, s *site) {
	var granted atomic.Int64
	var all sync.WaitGroup
	servers := []host.Server{s, s.colleague(t), s.colleague(t), s.colleague(t), s.colleague(t), s.colleague(t)}
	for i, server := range servers {
		all.Go(func() {
			claimed, err := server.Claim(s.ctx, claim(string(rune('a'+i)), time.Minute))
			assert.NoError(t, err)
			if claimed.Granted {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	assert.Equal(t, int64(1), granted.Load())
}

func leaseLine(t *testing.T, s *site) {
	s.take(t, s, claim("one", time.Minute))
	second, third, hasty := s.colleague(t), s.colleague(t), s.colleague(t)
	queue := func(server host.Server, run string) host.Claimed {
		c := claim(run, time.Minute)
		c.Queue = true
		claimed, err := server.Claim(s.ctx, c)
		require.NoError(t, err)
		return claimed
	}
	assert.Equal(t, 1, queue(second, "two").Position)
	assert.Equal(t, 2, queue(third, "three").Position)
	assert.Equal(t, 1, queue(second, "two").Position, "it keeps its place")
	require.NoError(t, s.Release(s.ctx))

	assert.False(t, queue(third, "three").Granted, "two stands before it")
	claimed, err := hasty.Claim(s.ctx, claim("four", time.Minute))
	require.NoError(t, err)
	assert.False(t, claimed.Granted, "who does not wait goes before nobody who does")
	assert.True(t, queue(second, "two").Granted)
	assert.Equal(t, 1, queue(third, "three").Position)
	require.NoError(t, second.Release(s.ctx))
	assert.True(t, queue(third, "three").Granted)
}

func leaseWaitsForStep(t *testing.T, s *site) {
	s.deliver(t, "v1")
	s.take(t, s, claim("one", time.Nanosecond))
	var restart error
	var step sync.WaitGroup
	step.Go(func() {
		restart = s.Restart(s.ctx, host.Service{Command: "touch ../../begun; until test -e ../../go; do sleep 0.01; done"})
	})
	require.Eventually(t, func() bool { return fileExists(s.path("begun")) }, 20*time.Second, 5*time.Millisecond)
	other := s.colleague(t)
	claimed, err := other.Claim(s.ctx, claim("two", time.Minute))
	require.NoError(t, err)
	assert.False(t, claimed.Granted)
	assert.Equal(t, "one", claimed.Lease.Run)
	require.NoError(t, os.WriteFile(s.path("go"), nil, 0o644))
	step.Wait()
	require.NoError(t, restart)
	s.take(t, other, claim("two", time.Minute))
}

func leaseDamaged(t *testing.T, s *site) {
	first := s.take(t, s, claim("one", time.Minute))
	require.NoError(t, os.WriteFile(filepath.Join(s.root, ".deliver", "lease.json"), []byte(`{"tok`), 0o644))
	second := s.take(t, s.colleague(t), claim("two", time.Minute))
	assert.Greater(t, second.Token, first.Token)
	_, err := s.Switch(s.ctx, "", "")
	RequireKind(t, err, host.KindFenced)
}

func leaseNoRun(t *testing.T, s *site) {
	_, err := s.Claim(s.ctx, host.Claim{TTL: time.Minute})
	RequireKind(t, err, host.KindProtocol)
	_, err = s.Claim(s.ctx, host.Claim{Run: "one"})
	RequireKind(t, err, host.KindProtocol)
}

func orderStories() []story {
	return []story{
		{"an older build does not replace a newer one", olderRefused},
		{"who means to go back may", olderAllowed},
		{"builds whose order is not known replace each other", orderUnknown},
		{"a pin is seen and taken away", pinSeen},
		{"a pin that cannot be read still holds", pinDamaged},
	}
}

// numbered is a build with its place in the order of builds.
func numbered(t *testing.T, id, job string, sequence int64) Build {
	t.Helper()
	b := Make(t, id, File("id", id))
	b.Record.Job, b.Record.Sequence = job, sequence
	return b
}

func olderRefused(t *testing.T, s *site) {
	s.receive(t, numbered(t, "v1", "shop", 1))
	s.receive(t, numbered(t, "v2", "shop", 2))
	for _, id := range []string{"v1", "v2", "v2"} {
		_, err := s.Switch(s.ctx, id, "")
		require.NoError(t, err, id)
	}
	_, err := s.Switch(s.ctx, "v1", "v0")
	known := RequireKind(t, err, host.KindOrder)
	assert.Contains(t, known.Message, "v2 runs here, which is newer than v1")
	assert.Contains(t, known.Hint, "deliver rollback")
	assert.Equal(t, "v2", s.look(t).Current)
}

func olderAllowed(t *testing.T, s *site) {
	s.receive(t, numbered(t, "v1", "shop", 1))
	s.receive(t, numbered(t, "v2", "shop", 2))
	for _, move := range [][2]string{{"v2", ""}, {"v1", "v2"}} {
		_, err := s.Switch(s.ctx, move[0], move[1])
		require.NoError(t, err)
	}
	assert.Equal(t, "v1", s.look(t).Current)
}

func orderUnknown(t *testing.T, s *site) {
	s.receive(t, numbered(t, "v1", "shop", 1))
	s.receive(t, numbered(t, "v2", "other", 2))
	s.receive(t, numbered(t, "v3", "shop", 0))
	for _, id := range []string{"v2", "v1", "v3", "v1"} {
		_, err := s.Switch(s.ctx, id, "")
		require.NoError(t, err, id)
	}
}

func pinSeen(t *testing.T, s *site) {
	s.deliver(t, "v1")
	assert.Nil(t, s.look(t).Pin)
	require.NoError(t, s.Pin(s.ctx, nil), "there is none")
	pin := host.Pin{Release: "v1", From: "v2", Version: "v2.0.0", By: "one@ci", Since: built}
	require.NoError(t, s.Pin(s.ctx, &pin))
	assert.Equal(t, &pin, s.look(t).Pin)
	claimed, err := s.Claim(s.ctx, claim("one", time.Minute))
	require.NoError(t, err)
	assert.Equal(t, &pin, claimed.Pin)
	require.NoError(t, s.Pin(s.ctx, nil))
	assert.Nil(t, s.look(t).Pin)
}

func pinDamaged(t *testing.T, s *site) {
	s.deliver(t, "v1")
	require.NoError(t, os.WriteFile(s.path(".deliver", "pin.json"), []byte("{"), 0o644))
	require.NotNil(t, s.look(t).Pin)
	require.NoError(t, s.Pin(s.ctx, nil))
	assert.Nil(t, s.look(t).Pin)
}
