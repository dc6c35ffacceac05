package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

// lists answers the nth listing with the nth list, and then with the last.
func lists(all ...[]inventory.Host) func(context.Context) ([]inventory.Host, error) {
	n := -1
	return func(context.Context) ([]inventory.Host, error) {
		n = min(n+1, len(all)-1)
		return all[n], nil
	}
}

func TestHostsBornMeanwhileGetTheRelease(t *testing.T) {
	t.Parallel()
	f := newFleet()
	r := f.rollout(2)
	r.Relist = lists(hosts(3), hosts(5), hosts(5))
	out := r.Run(t.Context())
	require.Equal(t, rollout.OK, out.Result)
	assert.Equal(t, 5, out.Count(rollout.HostOK))
	assert.Equal(t, []string{
		"preflight", "ship", "switch",
		"settle: preflight", "settle: ship", "settle: switch",
		"settle: preflight", "settle: ship", "settle: switch",
	}, f.stages())
}

func TestAFleetThatGrowsForEverIsLeftSome(t *testing.T) {
	t.Parallel()
	f := newFleet()
	r := f.rollout(1)
	n := 1
	r.Relist = func(context.Context) ([]inventory.Host, error) {
		n++
		return hosts(n), nil
	}
	out := r.Run(t.Context())
	assert.Equal(t, rollout.OK, out.Result)
	assert.Len(t, out.Hosts, 6)
}

func TestANewbornThatFailsTakesNobodyBack(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]string{"before the switch": "h3 look", "in the switch": "h3 check"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet()
			f.fails = failing(step)
			r := f.rollout(2)
			r.Relist = lists(hosts(4))
			out := r.Run(t.Context())
			assert.Equal(t, rollout.Partial, out.Result)
			require.NoError(t, out.Err)
			assert.Equal(t, 3, out.Count(rollout.HostOK))
		})
	}
}

func TestRunStepsAreNotRepeatedForNewborns(t *testing.T) {
	t.Parallel()
	f := newFleet()
	r := f.rollout(1)
	r.Prepare[1].Before, r.Switch.Before = f.steps("pre_ship"), f.steps("pre_switch")
	r.Relist = lists(hosts(2))
	require.Equal(t, rollout.OK, r.Run(t.Context()).Result)
	assert.Len(t, f.did("pre_ship"), 1)
	assert.Len(t, f.did("pre_switch"), 1)
}

func unreachable(which ...string) func(context.Context, string, string) error {
	return func(_ context.Context, host, step string) error {
		for _, w := range which {
			if w == host+" "+step {
				return fmt.Errorf("connect: %w", errUnreachable)
			}
		}
		return nil
	}
}

func TestAHostThatVanishedIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"look", "receive", "switch", "check"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			f := newFleet()
			f.fails = unreachable("h3 " + step)
			r := f.rollout(3)
			r.Relist = lists(hosts(2))
			out := r.Run(t.Context())
			assert.Equal(t, rollout.OK, out.Result)
			assert.Equal(t, rollout.HostGone, out.Hosts[2].Result)
			assert.Empty(t, f.did("switch back"))
		})
	}
}

func TestAnUnreachableHostThatIsStillListedFails(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]rollout.Result{"look": rollout.Failed, "check": rollout.RolledBack} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			f := newFleet()
			f.fails = unreachable("h3 " + step)
			r := f.rollout(3)
			r.Relist = lists(hosts(3))
			assert.Equal(t, want, r.Run(t.Context()).Result)
		})
	}
}

func TestAHostThatFailedIsNoVanishedOne(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = failing("h3 check")
	r := f.rollout(3)
	r.Relist = lists(hosts(2)) // the group ended it, because the release is bad
	assert.Equal(t, rollout.RolledBack, r.Run(t.Context()).Result)
}

func TestAHostThatFailedAndThenVanishedHasFailed(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = failing("h3 look")
	r := f.rollout(3)
	r.Limits.MaxFailures = plan.Count(1)
	r.Relist = lists(hosts(2))
	out := r.Run(t.Context())
	assert.Equal(t, rollout.Partial, out.Result)
	assert.Equal(t, rollout.HostAside, out.Hosts[2].Result)
}

func TestNewbornsAreInBatchesButNoCanaries(t *testing.T) {
	t.Parallel()
	f := newFleet()
	r := f.rollout(2)
	r.Order = rolling("2")
	r.Order.Canary = 1
	r.Relist = lists(hosts(5))
	require.Equal(t, rollout.OK, r.Run(t.Context()).Result)
	assert.Equal(t, []string{"switch 1/2", "switch 2/2", "settle: switch 1/2", "settle: switch 2/2"}, slices.DeleteFunc(f.stages(), func(stage string) bool {
		return !strings.Contains(stage, "switch")
	}))
	assert.ElementsMatch(t, []string{"h3", "h4"}, f.did("switch")[2:4])
}

func TestAListingThatFailsIsTold(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		relist func(context.Context) ([]inventory.Host, error)
		err    string
	}{
		"error":   {func(context.Context) ([]inventory.Host, error) { return nil, errors.New("aws: exit 255") }, "list hosts again: aws: exit 255"},
		"nothing": {func(context.Context) ([]inventory.Host, error) { return nil, nil }, "list hosts again: the list is empty"},
		"panic":   {func(context.Context) ([]inventory.Host, error) { panic("oh") }, "list hosts again: panic: oh"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet()
			r := f.rollout(2)
			r.Relist = test.relist
			assert.Equal(t, rollout.OK, r.Run(t.Context()).Result)
			var told []string
			for _, e := range f.events {
				if e.Stage == "settle" {
					told = append(told, e.Error)
				}
			}
			assert.Equal(t, []string{test.err}, told)
		})
	}
}

func TestAListingThatHangsDoesNotHoldTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newFleet()
		r := f.rollout(2)
		r.Relist = func(context.Context) ([]inventory.Host, error) { <-release; return nil, nil }
		out := r.Run(t.Context())
		assert.Equal(t, rollout.OK, out.Result)
		assert.Equal(t, rollout.DefaultTimeout+rollout.DefaultGrace, out.Ended.Sub(out.Started))
		close(release)
	})
}

func TestContinueSettlesToo(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = failing("h1 check")
	r := f.rollout(2)
	r.Limits.OnFailure = plan.Continue
	r.Relist = lists(hosts(3))
	out := r.Run(t.Context())
	assert.Equal(t, rollout.Failed, out.Result)
	assert.EqualError(t, out.Err, "1 of 2 hosts failed; max-failures is 0")
	assert.Equal(t, rollout.HostOK, out.Hosts[2].Result)
}
