package rollout_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

// stubborn is a step that tells something after it was left behind.
func stubborn(release <-chan struct{}, gone chan<- struct{}) func(context.Context, inventory.Host, *rollout.Teller) error {
	return func(_ context.Context, _ inventory.Host, tell *rollout.Teller) error {
		<-release
		tell.Progress(1, 2)
		tell.Message("still here")
		close(gone)
		return nil
	}
}

// sound checks what must hold after every run, however it went.
func sound(t *testing.T, f *fleet, r *rollout.Rollout, out rollout.Outcome) {
	t.Helper()
	assert.Empty(t, f.clashes, "two steps at once on one host")
	started := f.did("switch")
	for _, host := range f.did("switch back") {
		assert.Contains(t, started, host, "undone without being started")
	}
	for _, h := range out.Hosts {
		soundHost(t, f, h, slices.Contains(started, h.Host.Name))
	}
	assert.Equal(t, out.Result == rollout.OK, allFine(out), "success is said of a run where every host is fine: %v", out.Result)
	if out.Result == rollout.RolledBack {
		assert.Zero(t, out.Count(rollout.HostOK)+out.Count(rollout.HostUndoFailed)+out.Count(rollout.HostFailed))
	}
	soundEvents(t, f.events)
}

func allFine(out rollout.Outcome) bool {
	return out.Count(rollout.HostOK) > 0 &&
		out.Count(rollout.HostOK)+out.Count(rollout.HostGone) == len(out.Hosts) && out.Err == nil
}

func soundHost(t *testing.T, f *fleet, h rollout.HostOutcome, started bool) {
	t.Helper()
	name := h.Host.Name
	switch h.Result {
	case rollout.HostOK:
		assert.Equal(t, "new", f.runs[name], name)
	case rollout.HostRolledBack:
		assert.Equal(t, "old", f.runs[name], name)
	case rollout.HostUntouched:
		assert.False(t, started, "%s is said untouched", name)
	case rollout.HostAside:
		assert.False(t, started, "%s is said set aside", name)
		assert.Error(t, h.Err)
	case rollout.HostFailed:
		assert.Error(t, h.Err)
	case rollout.HostUndoFailed:
		assert.Error(t, h.UndoErr)
	case rollout.HostGone:
	default:
		assert.Fail(t, "unknown result", h.Result)
	}
}

// soundEvents checks that events are in order, that batches do not overlap,
// and that each step that was started is told ended.
func soundEvents(t *testing.T, events []rollout.Event) {
	t.Helper()
	require.NotEmpty(t, events)
	assert.Equal(t, rollout.RunStarted, events[0].Kind)
	assert.Equal(t, rollout.RunDone, events[len(events)-1].Kind)
	running := map[string]string{}
	for i, e := range events {
		assert.Equal(t, "r1", e.Run)
		assert.False(t, i > 0 && e.Time.Before(events[i-1].Time), "time goes back")
		switch e.Kind {
		case rollout.StepStarted:
			running[e.Host] = e.Step
		case rollout.StepProgress:
			assert.Equal(t, e.Step, running[e.Host], "progress of a step that does not run")
		case rollout.StepDone, rollout.StepFailed:
			assert.Equal(t, e.Step, running[e.Host], "end of a step that does not run")
			delete(running, e.Host)
		case rollout.StageStarted:
			assert.Empty(t, running, "stage %s overlaps the one before", e.Stage)
		}
	}
	assert.Empty(t, running)
}

func TestRandomFailures(t *testing.T) {
	t.Parallel()
	runs := 400
	if testing.Short() {
		runs = 50
	}
	seen := map[rollout.Result]int{}
	for seed := range runs {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 1)) //nolint:gosec // a test that can be repeated
			f := newFleet()
			r := randomRollout(f, rng)
			f.random(rng, rng.IntN(12))
			out := cancelled(t.Context(), f, r, rng.IntN(400)*rng.IntN(2), rng.IntN(4) == 0)
			seen[out.Result]++
			sound(t, f, r, out)
			require.False(t, t.Failed(), "seed %d", seed)
		})
	}
	for _, result := range []rollout.Result{rollout.OK, rollout.Partial, rollout.Failed, rollout.RolledBack, rollout.Stopped, rollout.Interrupted} {
		assert.NotZero(t, seen[result], "no run ended %s", result)
	}
}

func randomRollout(f *fleet, rng *rand.Rand) *rollout.Rollout {
	n := 1 + rng.IntN(30)
	r := f.rollout(n)
	r.Parallel = 1 + rng.IntN(10)
	r.Order = rolling([]string{"1", "4", "25%", "1,10%,50%,100%"}[rng.IntN(4)])
	r.Order.Canary = rng.IntN(3)
	r.Order.Pause = time.Duration(rng.IntN(2)) * time.Second
	r.Limits.MaxFailures = plan.Percent(rng.IntN(30))
	r.Limits.MaxUnreachable = plan.Percent(rng.IntN(60))
	r.Limits.OnFailure = []plan.OnFailure{plan.Rollback, plan.Stop, plan.Continue}[rng.IntN(3)]
	if rng.IntN(2) == 0 {
		later := append(hosts(n)[rng.IntN(n):], hosts(n + 3)[n:]...)
		r.Relist = func(context.Context) ([]inventory.Host, error) { return later, nil }
	}
	return r
}

func TestTenThousandHosts(t *testing.T) {
	t.Parallel()
	const n, parallel = 10_000, 64
	f := newFleet()
	var most atomic.Int64
	f.fails = func(context.Context, string, string) error {
		for now := int64(runtime.NumGoroutine()); ; {
			was := most.Load()
			if now <= was || most.CompareAndSwap(was, now) {
				return nil
			}
		}
	}
	before := runtime.NumGoroutine()
	r := f.rollout(n)
	r.Parallel = parallel
	r.Order = rolling("1,10%,50%,100%")
	out := r.Run(t.Context())

	require.Equal(t, rollout.OK, out.Result)
	assert.Equal(t, n, out.Count(rollout.HostOK))
	assert.LessOrEqual(t, f.most, parallel)
	// One goroutine takes a host through its steps, one does the step; other
	// tests of the package run beside this one.
	t.Logf("%d goroutines before, at most %d", before, most.Load())
	assert.Less(t, most.Load(), int64(2*parallel+before+500))
	soundEvents(t, f.events)
	assert.Equal(t, []string{"preflight", "ship", "switch 1/4", "switch 2/4", "switch 3/4", "switch 4/4", "verify"}, f.stages())
}

func TestTenThousandHostsAreTakenBack(t *testing.T) {
	t.Parallel()
	const n = 10_000
	f := newFleet()
	f.fails = failing("h9000 check")
	r := f.rollout(n)
	r.Order = rolling("10%")
	out := r.Run(t.Context())
	require.Equal(t, rollout.RolledBack, out.Result)
	untouched := out.Count(rollout.HostUntouched)
	assert.True(t, untouched >= 1000 && untouched < 2000, "the batch after it, and what of its own was not started: %d", untouched)
	assert.Contains(t, f.did("switch back")[:rollout.DefaultParallel], "h9000")
	for _, state := range f.runs {
		require.Equal(t, "old", state)
	}
}

func ExampleRollout() {
	f := newFleet()
	f.fails = failing("h2 check")
	r := f.rollout(3)
	r.Order = plan.Order{Mode: plan.Rolling}
	out := r.Run(context.Background())
	fmt.Println(out.Result)
	for _, h := range out.Hosts {
		fmt.Printf("%s: %s\n", h.Host, h.Result)
	}
	// Output:
	// rolled back
	// h1: rolled back
	// h2: rolled back
	// h3: untouched
}
