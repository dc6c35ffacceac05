package delivery_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/host"
	"deliver/release"
	"deliver/rollout"
)

func TestAnOlderBuildDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sequence int64
		change   func(d *delivery.Delivery)
		want     rollout.Result
		why      string
	}{
		"a later build":   {3, nil, rollout.OK, ""},
		"an earlier one":  {1, nil, rollout.Refused, "v2 runs there, which is newer than next"},
		"it is wanted so": {1, func(d *delivery.Delivery) { d.AllowOlder = true }, rollout.OK, ""},
		"a rollback":      {1, func(d *delivery.Delivery) { d.Action = delivery.Rollback }, rollout.OK, ""},
		"a new server":    {1, func(d *delivery.Delivery) { d.Action = delivery.Install }, rollout.OK, ""},
		"a later build of an older commit": {
			3, related(delivery.Older), rollout.Refused, "its commit is an ancestor",
		},
		"an earlier number of a newer commit": {1, related(delivery.Newer), rollout.OK, ""},
		"an earlier number on another branch": {1, related(delivery.Unrelated), rollout.Refused, "newer than next"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t, "h1", "h2")
			first := numbered(t, "v2", 2)
			first.Record.Commit = "aaaa"
			require.Equal(t, rollout.OK, s.deliver(first).Result)
			next := numbered(t, "next", c.sequence)
			next.Record.Commit = "bbbb"
			d := s.delivery(next)
			if c.change != nil {
				c.change(d)
			}
			out := d.Deliver(t.Context())
			require.Equal(t, c.want, out.Result, "%v", out.Err)
			if c.want == rollout.OK {
				s.runs("next")
				return
			}
			assert.ErrorContains(t, out.Err, c.why)
			s.runs("v2")
		})
	}
}

func related(how delivery.Ancestry) func(*delivery.Delivery) {
	return func(d *delivery.Delivery) {
		d.Ancestry = func(_ context.Context, commit, than string) delivery.Ancestry {
			if commit != "bbbb" || than != "aaaa" {
				return delivery.Unrelated
			}
			return how
		}
	}
}

// One server that runs a newer release keeps the older one from all: the fleet
// would be mixed.
func TestOneNewerServerRefusesTheRun(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	require.Equal(t, rollout.OK, s.deliver(numbered(t, "v1", 1)).Result)
	ahead := s.delivery(numbered(t, "v3", 3))
	ahead.Hosts = s.hosts[1:2]
	require.Equal(t, rollout.OK, ahead.Deliver(t.Context()).Result)
	out := s.deliver(numbered(t, "v2", 2))
	assert.Equal(t, rollout.Refused, out.Result)
	s.runs("v1", "h1", "h3")
	s.runs("v3", "h2")
	require.Equal(t, rollout.OK, s.deliver(numbered(t, "v3", 3)).Result)
	s.runs("v3")
}

func TestAFailedReleaseIsTakenBackThoughItIsNewer(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.deliver(numbered(t, "v1", 1)).Result)
	s.poison("h1", "v2")
	require.Equal(t, rollout.RolledBack, s.deliver(numbered(t, "v2", 2)).Result)
	s.runs("v1")
}

func (s *servers) rollback(b *delivery.Build, from *delivery.Build) rollout.Outcome {
	s.t.Helper()
	d := s.delivery(b)
	d.Action, d.From, d.Run = delivery.Rollback, from.Record, "rollback-"+b.Record.ID
	return d.Deliver(s.t.Context())
}

func (s *servers) pin(name string) *host.Pin {
	state, err := s.colleague(name).Look(s.t.Context(), host.Service{Manager: "none"})
	require.NoError(s.t, err)
	return state.Pin
}

func TestARollbackPins(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	good, bad := numbered(t, "v1.0.0", 1), numbered(t, "v1.1.0", 2)
	require.Equal(t, rollout.OK, s.deliver(good).Result)
	require.Equal(t, rollout.OK, s.deliver(bad).Result)
	require.Equal(t, rollout.OK, s.rollback(good, bad).Result)
	for _, name := range []string{"h1", "h2"} {
		pin := s.pin(name)
		require.NotNil(t, pin, name)
		assert.Equal(t, "v1.0.0 v1.1.0 v1.1.0 tests", pin.Release+" "+pin.From+" "+pin.Version+" "+pin.By)
	}

	again := numbered(t, "v1.1.0", 2)
	out := s.deliver(again)
	assert.Equal(t, rollout.Refused, out.Result)
	assert.ErrorContains(t, out.Err, "pinned to v1.0.0")
	assert.ErrorContains(t, out.Err, "deliver unpin")
	s.runs("v1.0.0")

	require.Equal(t, rollout.OK, s.deliver(good).Result, "what it is pinned to")
	assert.NotNil(t, s.pin("h1"))
	require.Equal(t, rollout.OK, s.deliver(numbered(t, "v1.1.1", 3)).Result, "a newer version")
	s.runs("v1.1.1")
	assert.Nil(t, s.pin("h1"))
	assert.Nil(t, s.pin("h2"))
}

func TestARollbackThatFailsPinsNothing(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	good, bad := numbered(t, "v1.0.0", 1), numbered(t, "v1.1.0", 2)
	require.Equal(t, rollout.OK, s.deliver(good).Result)
	require.Equal(t, rollout.OK, s.deliver(bad).Result)
	s.poison("h2", "v1.0.0")
	require.Equal(t, rollout.RolledBack, s.rollback(good, bad).Result)
	s.runs("v1.1.0")
	assert.Nil(t, s.pin("h2"))
}

func TestAFailedPushKeepsThePin(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	good, bad := numbered(t, "v1.0.0", 1), numbered(t, "v1.1.0", 2)
	require.Equal(t, rollout.OK, s.deliver(good).Result)
	require.Equal(t, rollout.OK, s.deliver(bad).Result)
	require.Equal(t, rollout.OK, s.rollback(good, bad).Result)
	s.poison("h1", "v1.2.0")
	require.Equal(t, rollout.RolledBack, s.deliver(numbered(t, "v1.2.0", 3)).Result)
	assert.NotNil(t, s.pin("h1"))
}

func TestARollbackThatWasCutGoesOn(t *testing.T) {
	t.Parallel()
	all := func(lines ...string) []host.State {
		return []host.State{told(lines...), told(lines...), told(lines...)}
	}
	cut := all("push a", "push b", "push c")
	cut[0] = told("push a", "push b", "push c", "rollback b")
	most := all("push a", "push b", "push c", "rollback b")
	most[2] = told("push a", "push b", "push c")
	for name, c := range map[string]struct {
		states []host.State
		want   string
	}{
		"none was":          {all("push a", "push b", "push c"), "b"},
		"one server is":     {cut, "b"},
		"all but one are":   {most, "b"},
		"all are":           {all("push a", "push b", "push c", "rollback b"), "a"},
		"pushed since then": {all("push a", "push b", "rollback a", "push c"), "a"},
	} {
		goal, _ := delivery.Goal(c.states, delivery.Current(c.states))
		assert.Equal(t, c.want, goal, name)
	}
}

func TestWhatIsRolledBackFrom(t *testing.T) {
	t.Parallel()
	runs := func(id string) host.State {
		return host.State{Current: id, Releases: []release.Record{{ID: id, Version: "v-" + id}}}
	}
	assert.Equal(t, "v-b", delivery.RolledFrom([]host.State{runs("a"), runs("a"), runs("b")}, "a").Version)
	assert.Empty(t, delivery.RolledFrom([]host.State{runs("a")}, "a").ID)
	assert.Empty(t, delivery.RolledFrom(nil, "a").ID)
}
