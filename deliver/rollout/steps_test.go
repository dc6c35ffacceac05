package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/rollout"
)

func TestStepsOfTheRunItself(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fails  string
		result rollout.Result
		log    []string
	}{
		"all go well": {"", rollout.OK, []string{" pre_ship", "h1 receive", " post_ship", " pre_switch", "h1 switch", "h1 restart", "h1 check", " post_switch"}},
		"before":      {" pre_ship", rollout.Failed, []string{" pre_ship"}},
		"after":       {" post_ship", rollout.Failed, []string{" pre_ship", "h1 receive", " post_ship"}},
		"before the switch": {" pre_switch", rollout.Failed, []string{
			" pre_ship", "h1 receive", " post_ship", " pre_switch",
		}},
		"after the switch": {" post_switch", rollout.RolledBack, []string{
			" pre_ship", "h1 receive", " post_ship", " pre_switch", "h1 switch", "h1 restart", "h1 check", " post_switch",
			"h1 switch back", "h1 restart back", "h1 check back",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet()
			f.fails = failing(test.fails)
			r := f.rollout(1)
			r.Prepare = r.Prepare[1:]
			r.Prepare[0].Before, r.Prepare[0].After = f.steps("pre_ship"), f.steps("post_ship")
			r.Switch.Before, r.Switch.After = f.steps("pre_switch"), f.steps("post_switch")
			out := r.Run(t.Context())
			assert.Equal(t, test.result, out.Result)
			assert.Equal(t, test.log, f.log)
			if test.fails != "" {
				require.Error(t, out.Err)
				assert.Contains(t, out.Err.Error(), "is broken")
			}
		})
	}
}

func TestParallelBoundsTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(string, string) time.Duration { return time.Second }
		r := f.rollout(50)
		r.Parallel = 7
		require.Equal(t, rollout.OK, r.Run(t.Context()).Result)
		assert.Equal(t, 7, f.most)
	})
}

func TestPanicIsAnErrorOfTheStep(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = func(_ context.Context, host, step string) error {
		if host == "h2" && step == "check" {
			panic("index out of range")
		}
		return nil
	}
	out := f.rollout(2).Run(t.Context())
	assert.Equal(t, rollout.RolledBack, out.Result)
	assert.EqualError(t, out.Hosts[1].Err, "panic: index out of range")
	var stack bool
	for _, e := range f.events {
		stack = stack || e.Kind == rollout.Message && e.Host == "h2"
	}
	assert.True(t, stack, "the stack is told")
}

func TestANilTellerTellsNobody(t *testing.T) {
	t.Parallel()
	var tell *rollout.Teller
	tell.Progress(1, 2)
	tell.Message("hello")
}

func TestErrorsAreKept(t *testing.T) {
	t.Parallel()
	why := errors.New("why")
	f := newFleet()
	f.fails = func(context.Context, string, string) error { return fmt.Errorf("look: %w", why) }
	out := f.rollout(1).Run(t.Context())
	assert.ErrorIs(t, out.Hosts[0].Err, why)
}

// A host that is slow does not hide one that fails: that is told at once, not
// when its turn comes.
func TestASlowHostDoesNotHideAFailingOne(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"look", "receive", "check"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet()
			f.fails = failing("h2 " + step)
			f.takes = func(host, _ string) time.Duration {
				return map[string]time.Duration{"h1": time.Minute, "h2": time.Second}[host]
			}
			began := time.Now()
			f.rollout(2).Run(t.Context())
			told := slices.IndexFunc(f.events, func(e rollout.Event) bool { return e.Kind == rollout.StepFailed })
			require.GreaterOrEqual(t, told, 0)
			assert.Equal(t, "h2", f.events[told].Host)
			slow := slices.IndexFunc(f.events, func(e rollout.Event) bool { return e.Host == "h1" && e.Kind == rollout.StepDone && e.Step == step })
			assert.True(t, slow < 0 || slow > told, "%s: told after %s", step, f.events[told].Time.Sub(began))
		})
	}
}
