package delivery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/host"
	"deliver/rollout"
)

// told makes a history of "action release result" words, one each second.
func told(lines ...string) host.State {
	var state host.State
	for i, line := range lines {
		words := strings.Fields(line)
		result := delivery.Healthy
		if len(words) > 2 {
			result = strings.Join(words[2:], " ")
		}
		state.History = append(state.History, host.Entry{
			Time: time.Unix(int64(1000+i), 0), Run: line + string(rune('a'+i)), Action: words[0], Release: words[1], Result: result,
		})
		if result == delivery.Healthy {
			state.Current, state.Since = words[1], time.Unix(int64(1000+i), 0)
		}
	}
	return state
}

func TestLastGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		states []host.State
		want   string
	}{
		"nothing":                      {nil, ""},
		"only one":                     {[]host.State{told("push a")}, ""},
		"the one before":               {[]host.State{told("push a", "push b", "push c")}, "b"},
		"failed ones do not count":     {[]host.State{told("push a", "push b rolled back", "push c")}, "a"},
		"after a failed push":          {[]host.State{told("push a", "push b", "push c rolled back")}, "a"},
		"not back to what was bad":     {[]host.State{told("push a", "push b", "push c", "rollback b")}, "a"},
		"pushed again it counts":       {[]host.State{told("push a", "push b", "rollback a", "push b", "push c")}, "b"},
		"an old one pushed again":      {[]host.State{told("push a", "push b", "push c", "push a")}, "c"},
		"one server knows more":        {[]host.State{told("push c"), told("push a", "push c")}, "a"},
		"a jump back over several":     {[]host.State{told("push a", "push b", "push c", "push d", "rollback b")}, "a"},
		"to one that nobody remembers": {[]host.State{told("push b", "rollback a")}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := delivery.LastGood(c.states, delivery.Current(c.states))
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.want != "", ok)
		})
	}
}

func TestCurrentIsWhatMostRun(t *testing.T) {
	t.Parallel()
	a, b, none := told("push a"), told("push a", "push b"), host.State{}
	assert.Empty(t, delivery.Current([]host.State{none}))
	assert.Equal(t, "a", delivery.Current([]host.State{a, a, b, none, none, none}))
	assert.Equal(t, "b", delivery.Current([]host.State{a, b}), "the later of two")
}

func TestRollingBackTwiceGoesBackTwice(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	for _, version := range []string{"v1", "v2", "v3"} {
		require.Equal(t, rollout.OK, s.push(version).Result)
	}
	for i, want := range []string{"v2", "v1"} {
		states := s.look()
		target, ok := delivery.LastGood(states, delivery.Current(states))
		require.True(t, ok)
		require.Equal(t, want, target)
		d := s.delivery(app(t, target))
		d.Action, d.Run = delivery.Rollback, strings.Repeat("back", i+1)
		require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
		s.runs(want)
	}
}

func TestPreflightChangesNothing(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	d := s.delivery(app(t, "v1"))
	out, states := d.Preflight(t.Context())
	assert.Equal(t, rollout.OK, out.Result)
	assert.Len(t, states, 2)
	assert.NoDirExists(t, s.root("h1")+"/releases")
	assert.NoDirExists(t, s.root("h1")+"/.deliver")
}

func (s *servers) look() []host.State {
	s.t.Helper()
	var states []host.State
	for _, h := range s.hosts {
		local, err := host.NewLocal(s.place(h.Name))
		require.NoError(s.t, err)
		state, err := local.Look(s.t.Context(), host.Service{})
		require.NoError(s.t, err)
		states = append(states, state)
	}
	return states
}
