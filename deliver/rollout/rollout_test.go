package rollout_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

func TestEveryHostPassesAllPhases(t *testing.T) {
	t.Parallel()
	f := newFleet()
	out := f.rollout(3).Run(t.Context())

	assert.Equal(t, rollout.OK, out.Result)
	require.NoError(t, out.Err)
	assert.Equal(t, 3, out.Count(rollout.HostOK))
	assert.Len(t, f.log, 15)
	for _, step := range []string{"look", "receive", "switch", "restart", "check"} {
		assert.ElementsMatch(t, []string{"h1", "h2", "h3"}, f.did(step), step)
	}
	assert.Equal(t, map[string]string{"h1": "new", "h2": "new", "h3": "new"}, f.runs)
}

func TestPhasesAreBarriers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(host, _ string) time.Duration { return time.Duration(len(host)) * time.Second }
		out := f.rollout(12).Run(t.Context())
		require.Equal(t, rollout.OK, out.Result)
		phase := map[string]int{"look": 0, "receive": 1, "switch": 2}
		at := 0
		for _, line := range f.log {
			for step, n := range phase {
				if _, ok := cutSuffix(line, " "+step); ok {
					assert.GreaterOrEqual(t, n, at, line)
					at = max(at, n)
				}
			}
		}
	})
}

func TestBatchesFollowEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(string, string) time.Duration { return time.Second }
		r := f.rollout(6)
		r.Order = rolling("2,50%")
		r.Order.Canary = 1
		r.Order.Pause = time.Minute
		began := time.Now()
		out := r.Run(t.Context())

		require.Equal(t, rollout.OK, out.Result)
		did := f.did("switch")
		assert.Equal(t, "h1", did[0])
		assert.ElementsMatch(t, []string{"h2", "h3"}, did[1:3])
		assert.ElementsMatch(t, []string{"h4", "h5", "h6"}, did[3:])
		assert.Equal(t, 2*time.Minute+12*time.Second, time.Since(began), "2 pauses, 2 prepare steps, 3 batches of 3 steps, 1 to verify")
		assert.ElementsMatch(t, []string{"h1", "h2", "h3"}, f.did("check again"), "the last batch has just proven itself")
		assert.Equal(t, []string{"preflight", "ship", "switch 1/3", "switch 2/3", "switch 3/3", "verify"}, f.stages())
	})
}

func (f *fleet) stages() []string {
	var stages []string
	for _, e := range f.events {
		if e.Kind == rollout.StageStarted {
			stages = append(stages, e.Stage)
		}
	}
	return stages
}

func TestLimits(t *testing.T) {
	t.Parallel()
	const ok, aside, failed = rollout.HostOK, rollout.HostAside, rollout.HostFailed
	const back, stay, lost = rollout.HostRolledBack, rollout.HostUntouched, rollout.HostUndoFailed
	tests := map[string]struct {
		order  plan.Order
		limits plan.Limits
		fails  []string
		result rollout.Result
		hosts  [4]rollout.HostResult
		err    string
	}{
		"one fails to prepare and none may": {
			fails:  []string{"h2 receive"},
			result: rollout.Failed, hosts: [4]rollout.HostResult{stay, aside, stay, stay},
			err: "1 of 4 hosts failed; max-failures is 0",
		},
		"one fails to prepare and one may": {
			limits: plan.Limits{MaxFailures: plan.Count(1)}, fails: []string{"h2 receive"},
			result: rollout.Partial, hosts: [4]rollout.HostResult{ok, aside, ok, ok},
		},
		"a quarter may fail": {
			limits: plan.Limits{MaxFailures: plan.Percent(25)}, fails: []string{"h2 check"},
			result: rollout.Partial, hosts: [4]rollout.HostResult{ok, back, ok, ok},
		},
		"failures of all phases are counted together": {
			order:  rolling("1"),
			limits: plan.Limits{MaxFailures: plan.Count(1)}, fails: []string{"h1 look", "h3 check"},
			result: rollout.RolledBack, hosts: [4]rollout.HostResult{aside, back, back, stay},
			err: "2 of 4 hosts failed; max-failures is 1",
		},
		"one is no longer well when the last batch is": {
			order: rolling("1"), fails: []string{"h2 check again"},
			result: rollout.RolledBack, hosts: [4]rollout.HostResult{back, back, back, back},
			err: "1 of 4 hosts failed; max-failures is 0",
		},
		"one is no longer well, and one may fail": {
			order: rolling("1"), limits: plan.Limits{MaxFailures: plan.Count(1)}, fails: []string{"h2 check again"},
			result: rollout.Partial, hosts: [4]rollout.HostResult{ok, back, ok, ok},
		},
		"one is no longer well, and all stay": {
			order: rolling("1"), limits: plan.Limits{OnFailure: plan.Stop}, fails: []string{"h2 check again"},
			result: rollout.Stopped, hosts: [4]rollout.HostResult{ok, failed, ok, ok},
			err: "1 of 4 hosts failed; max-failures is 0",
		},
		"all preparing hosts are heard before the run stops": {
			fails:  []string{"h1 look", "h4 look"},
			result: rollout.Failed, hosts: [4]rollout.HostResult{aside, stay, stay, aside},
			err: "2 of 4 hosts failed; max-failures is 0",
		},
		"too much fails: rollback": {
			order: rolling("2"), fails: []string{"h3 restart"},
			result: rollout.RolledBack, hosts: [4]rollout.HostResult{back, back, back, back},
			err: "1 of 4 hosts failed; max-failures is 0",
		},
		"too much fails: stop": {
			order: rolling("1"), limits: plan.Limits{OnFailure: plan.Stop}, fails: []string{"h2 check"},
			result: rollout.Stopped, hosts: [4]rollout.HostResult{ok, failed, stay, stay},
			err: "1 of 4 hosts failed; max-failures is 0",
		},
		"too much fails: continue": {
			order: rolling("1"), limits: plan.Limits{OnFailure: plan.Continue}, fails: []string{"h2 check"},
			result: rollout.Failed, hosts: [4]rollout.HostResult{ok, failed, ok, ok},
			err: "1 of 4 hosts failed; max-failures is 0",
		},
		"the way back fails": {
			order: rolling("1"), fails: []string{"h3 check", "h1 restart back"},
			result: rollout.Failed, hosts: [4]rollout.HostResult{lost, back, back, stay},
			err: "1 of 4 hosts failed; max-failures is 0; not every host could be put back",
		},
		"all fail within the limits": {
			limits: plan.Limits{MaxFailures: plan.Percent(100)}, fails: []string{"h1 look", "h2 look", "h3 look", "h4 look"},
			result: rollout.Failed, hosts: [4]rollout.HostResult{aside, aside, aside, aside},
			err: "no host is left",
		},
		"all fail the switch within the limits": {
			limits: plan.Limits{MaxFailures: plan.Percent(100)}, fails: []string{"h1 check", "h2 check", "h3 check", "h4 check"},
			result: rollout.Failed, hosts: [4]rollout.HostResult{back, back, back, back},
			err: "no host is left",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFleet()
				f.takes = func(string, string) time.Duration { return time.Second }
				f.fails = failing(test.fails...)
				r := f.rollout(4)
				r.Order, r.Limits = test.order, test.limits
				out := r.Run(t.Context())

				assert.Equal(t, test.result, out.Result)
				var got [4]rollout.HostResult
				for i, h := range out.Hosts {
					got[i] = h.Result
				}
				assert.Equal(t, test.hosts, got)
				if test.err == "" {
					assert.NoError(t, out.Err)
				} else {
					assert.EqualError(t, out.Err, test.err)
				}
			})
		})
	}
}

func TestUnreachableHostsHaveALimitOfTheirOwn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		max    plan.Amount
		result rollout.Result
		err    string
	}{
		"none may":  {plan.Count(0), rollout.Failed, "2 of 5 hosts cannot be reached; max-unreachable is 0"},
		"one may":   {plan.Count(1), rollout.Failed, "2 of 5 hosts cannot be reached; max-unreachable is 1"},
		"two may":   {plan.Count(2), rollout.Partial, ""},
		"40% may":   {plan.Percent(40), rollout.Partial, ""},
		"39% is 1":  {plan.Percent(39), rollout.Failed, "2 of 5 hosts cannot be reached; max-unreachable is 39%"},
		"all may":   {plan.Percent(100), rollout.Partial, ""},
		"more than": {plan.Count(9), rollout.Partial, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet()
			f.fails = func(_ context.Context, host, _ string) error {
				if host == "h1" || host == "h4" {
					return fmt.Errorf("connect %s: %w", host, errUnreachable)
				}
				return nil
			}
			r := f.rollout(5)
			r.Limits.MaxUnreachable = test.max
			out := r.Run(t.Context())

			assert.Equal(t, test.result, out.Result)
			assert.Equal(t, 2, out.Count(rollout.HostAside))
			if test.err != "" {
				assert.EqualError(t, out.Err, test.err)
				assert.Empty(t, f.did("switch"), "nothing is switched anywhere")
			}
		})
	}
}

func TestTheNewestIsTakenBackFirst(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = failing("h4 check")
	r := f.rollout(6)
	r.Order = rolling("1")
	out := r.Run(t.Context())
	require.Equal(t, rollout.RolledBack, out.Result)
	assert.Equal(t, []string{"h4", "h3", "h2", "h1"}, f.did("switch back"))
}

func TestTheWayBackTakesNoMoreAtOnceThanTheWayThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(string, string) time.Duration { return time.Second }
		f.fails = failing("h9 check")
		r := f.rollout(12)
		r.Prepare = nil
		r.Order = rolling("2")
		out := r.Run(t.Context())
		require.Equal(t, rollout.RolledBack, out.Result)
		assert.Len(t, f.did("check back"), 10)
		assert.Equal(t, 2, f.most)
	})
}

func TestNothingIsStartedOnceTooMuchFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, onFailure := range []plan.OnFailure{plan.Rollback, plan.Stop} {
			f := newFleet()
			f.fails = failing("h2 check")
			r := f.rollout(6)
			r.Parallel = 1
			r.Limits.OnFailure = onFailure
			r.Order = rolling("3")
			r.Order.Pause = time.Hour
			out := r.Run(t.Context())
			assert.Equal(t, []string{"h1", "h2"}, f.did("switch"), "h3 is of the same batch")
			assert.Equal(t, 4, out.Count(rollout.HostUntouched))
			assert.NotContains(t, f.stages(), "switch 2/2")
			assert.Less(t, out.Ended.Sub(out.Started), time.Hour, "there is no pause before nothing")
		}
	})
}

func TestARefusalAfterTheSwitchIsAFailure(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = func(_ context.Context, _, step string) error {
		if step == "post_switch" {
			return rollout.ErrRefused
		}
		return nil
	}
	r := f.rollout(1)
	r.Switch.After = f.steps("post_switch")
	assert.Equal(t, rollout.RolledBack, r.Run(t.Context()).Result)
}

func TestFailedHostKnowsItsStepAndError(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = failing("h1 restart", "h1 restart back")
	out := f.rollout(1).Run(t.Context())
	h := out.Hosts[0]
	assert.Equal(t, rollout.HostUndoFailed, h.Result)
	assert.Equal(t, "switch", h.Stage)
	assert.Equal(t, "restart", h.Step)
	assert.EqualError(t, h.Err, "restart is broken")
	assert.EqualError(t, h.UndoErr, "restart back: restart back is broken")
	assert.Equal(t, []string{"h1"}, f.did("switch back"))
	assert.Empty(t, f.did("check back"), "the undo ends at its first failure")
}

func TestRefusalStopsTheRunWhateverTheLimits(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = func(_ context.Context, host, step string) error {
		if host == "h3" && step == "look" {
			return fmt.Errorf("%w: it runs v1.3.0, which is newer", rollout.ErrRefused)
		}
		return nil
	}
	r := f.rollout(3)
	r.Limits.MaxFailures = plan.Percent(100)
	out := r.Run(t.Context())
	assert.Equal(t, rollout.Refused, out.Result)
	assert.EqualError(t, out.Err, "h3: refused: it runs v1.3.0, which is newer")
	assert.Empty(t, f.did("receive"))
}

func TestRolloutsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*rollout.Rollout)
		err    string
	}{
		"no hosts":             {func(r *rollout.Rollout) { r.Hosts = nil }, "refused: there are no hosts"},
		"no way back":          {func(r *rollout.Rollout) { r.Switch.Undo = nil }, "refused: phase switch: there is no way back"},
		"undo of a barrier":    {func(r *rollout.Rollout) { r.Prepare[1].Undo = r.Switch.Undo }, "refused: phase ship: only the switch is verified and undone"},
		"bad order":            {func(r *rollout.Rollout) { r.Order.Canary = -1 }, "refused: canary -1: it is a number of hosts, 0 or more"},
		"bad limits":           {func(r *rollout.Rollout) { r.Limits.OnFailure = "pray" }, `refused: on-failure "pray" is unknown: it is rollback, stop or continue`},
		"batches and parallel": {func(r *rollout.Rollout) { r.Order = plan.Order{Mode: plan.Parallel, Batch: plan.Sizes{plan.Count(2)}} }, "refused: batch 2 needs order rolling: parallel switches all hosts at once"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet()
			r := f.rollout(2)
			test.change(r)
			out := r.Run(t.Context())
			assert.Equal(t, rollout.Refused, out.Result)
			assert.EqualError(t, out.Err, test.err)
			assert.Empty(t, f.log)
		})
	}
}

func TestAHostNamedTwiceIsOneHost(t *testing.T) {
	t.Parallel()
	f := newFleet()
	r := f.rollout(2)
	r.Hosts = append(r.Hosts, inventory.Host{Name: "h1"}, inventory.Host{Name: "h1", Port: 2222})
	out := r.Run(t.Context())
	assert.Len(t, out.Hosts, 3)
}

func TestOnlyPrepare(t *testing.T) {
	t.Parallel()
	f := newFleet()
	r := f.rollout(3)
	r.Switch = rollout.Phase{}
	out := r.Run(t.Context())
	assert.Equal(t, rollout.OK, out.Result)
	assert.Equal(t, []string{"preflight", "ship"}, f.stages())
}
