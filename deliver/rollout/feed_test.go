package rollout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/rollout"
)

func TestEventsOfAHost(t *testing.T) {
	t.Parallel()
	f := newFleet()
	f.fails = failing("h1 restart")
	f.rollout(1).Run(t.Context())
	var got []string
	for _, e := range f.events {
		got = append(got, string(e.Kind)+" "+e.Stage+" "+e.Step)
	}
	assert.Equal(t, []string{
		"run-started  ",
		"stage-started preflight ",
		"step-started preflight look", "step-done preflight look", "host-done preflight ",
		"stage-started ship ",
		"step-started ship receive", "step-progress ship receive", "step-done ship receive", "host-done ship ",
		"stage-started switch ",
		"step-started switch switch", "step-done switch switch",
		"step-started switch restart", "step-failed switch restart",
		"undo-started rollback ",
		"step-started rollback switch back", "step-done rollback switch back",
		"step-started rollback restart back", "step-done rollback restart back",
		"step-started rollback check back", "step-done rollback check back",
		"undo-done rollback ",
		"set-aside switch restart",
		"run-done  ",
	}, got)
}

// slowly gives a rollout of one host that sends n bytes, a tick each.
func slowly(f *fleet, n int64, tick time.Duration) *rollout.Rollout {
	r := f.rollout(1)
	r.Prepare = []rollout.Phase{{Name: "ship", Steps: []rollout.Step{{
		Name: "receive", Do: func(_ context.Context, _ inventory.Host, tell *rollout.Teller) error {
			for done := range n + 1 {
				<-time.After(tick)
				tell.Progress(done, n)
			}
			return nil
		},
	}}}}
	return r
}

func progress(events []rollout.Event) (done []int64) {
	for _, e := range events {
		if e.Kind == rollout.StepProgress {
			done = append(done, e.Done)
		}
	}
	return done
}

func TestProgressThatComesTooFastIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		slowly(f, 1005, time.Millisecond).Run(t.Context())
		assert.Equal(t, []int64{0, 200, 400, 600, 800, 1000, 1005}, progress(f.events))
	})
}

func TestASlowListenerGetsTheNewestProgressAndHoldsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		r := slowly(f, 60, time.Second)
		r.Listen = func(e rollout.Event) {
			if e.Kind == rollout.StepProgress {
				<-time.After(24300 * time.Millisecond)
			}
			f.listen(e)
		}
		out := r.Run(t.Context())
		require.Equal(t, rollout.OK, out.Result)
		assert.Equal(t, 61*time.Second, out.Ended.Sub(out.Started))
		assert.Equal(t, []int64{0, 24, 48, 60}, progress(f.events))
		soundEvents(t, f.events)
	})
}

func TestNobodyNeedsToListen(t *testing.T) {
	t.Parallel()
	f := newFleet()
	r := f.rollout(2)
	r.Listen = nil
	assert.Equal(t, rollout.OK, r.Run(t.Context()).Result)
}
