package rollout_test

import (
	"context"
	"errors"
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

func TestAStepHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(host, step string) time.Duration {
			if host == "h2" && step == "check" {
				return time.Hour
			}
			return time.Second
		}
		out := f.rollout(2).Run(t.Context())
		assert.Equal(t, rollout.RolledBack, out.Result)
		assert.EqualError(t, out.Hosts[1].Err, "not done after 1m0s: context deadline exceeded")
		assert.ErrorIs(t, out.Hosts[1].Err, context.DeadlineExceeded)
		assert.Less(t, out.Ended.Sub(out.Started), 2*time.Minute)
	})
}

func TestAStepWithoutATimeoutHasTheDefaultOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(string, string) time.Duration { return 24 * time.Hour }
		r := f.rollout(1)
		r.Prepare[0].Steps[0].Timeout = 0
		out := r.Run(t.Context())
		assert.Equal(t, rollout.Failed, out.Result)
		assert.Equal(t, rollout.DefaultTimeout, out.Ended.Sub(out.Started))
	})
}

func TestAStuckStepIsLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newFleet()
		f.fails = func(_ context.Context, host, step string) error {
			if host == "h2" && step == "restart" {
				<-release // whatever its context says
			}
			return nil
		}
		out := f.rollout(3).Run(t.Context())

		assert.Equal(t, rollout.Failed, out.Result, "h2 could not be put back")
		assert.Equal(t, rollout.HostFailed, out.Hosts[1].Result)
		require.ErrorIs(t, out.Hosts[1].Err, rollout.ErrStuck)
		assert.EqualError(t, out.Hosts[1].Err, "not done after 1m0s: it does not end")
		assert.Equal(t, time.Minute+rollout.DefaultGrace, out.Ended.Sub(out.Started))
		assert.NotContains(t, f.did("switch back"), "h2", "nobody else works on h2 meanwhile")
		assert.Equal(t, rollout.HostRolledBack, out.Hosts[0].Result)
		close(release)
	})
}

func TestAStuckStepThatEndsInTimeIsTakenBackWithTheFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(host, step string) time.Duration { return time.Second }
		f.fails = func(_ context.Context, host, step string) error {
			switch host + " " + step {
			case "h1 restart":
				<-time.After(90 * time.Second) // its deadline is one minute
			case "h2 restart":
				<-time.After(50 * time.Second)
			case "h2 switch back":
				<-time.After(40 * time.Second)
			case "h2 check":
				return errors.New("no")
			}
			return nil
		}
		out := f.rollout(2).Run(t.Context())
		assert.Equal(t, rollout.RolledBack, out.Result)
		assert.Equal(t, map[string]string{"h1": "old", "h2": "old"}, f.runs)
		assert.Empty(t, f.clashes)
	})
}

func TestAStuckStepIsNotHeardOfAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release, gone := make(chan struct{}), make(chan struct{})
		f := newFleet()
		r := f.rollout(2)
		stuck := stubborn(release, gone)
		r.Prepare = []rollout.Phase{{Name: "ship", Steps: []rollout.Step{{
			Name: "receive", Timeout: time.Minute, Do: func(ctx context.Context, h inventory.Host, tell *rollout.Teller) error {
				if h.Name == "h1" {
					return stuck(ctx, h, tell)
				}
				return nil
			},
		}, {
			Name: "release h1", Timeout: time.Hour, Do: func(context.Context, inventory.Host, *rollout.Teller) error {
				<-time.After(10 * time.Minute) // h1 was left behind long ago; the run goes on
				close(release)
				<-gone
				return nil
			},
		}}}}
		out := r.Run(t.Context())
		require.ErrorIs(t, out.Hosts[0].Err, rollout.ErrStuck)
		soundEvents(t, f.events)
		for _, e := range f.events {
			assert.NotEqual(t, "still here", e.Text)
		}
	})
}

func TestAStepOfTheRunItselfIsInterrupted(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*rollout.Rollout, []rollout.Step){
		"before a phase":    func(r *rollout.Rollout, s []rollout.Step) { r.Prepare[0].Before = s },
		"after a phase":     func(r *rollout.Rollout, s []rollout.Step) { r.Prepare[0].After = s },
		"before the switch": func(r *rollout.Rollout, s []rollout.Step) { r.Switch.Before = s },
	}
	for name, put := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				f := newFleet()
				f.takes = func(_, step string) time.Duration {
					return map[string]time.Duration{"hook": 50 * time.Second}[step]
				}
				r := f.rollout(2)
				put(r, f.steps("hook"))
				out := r.Run(ctx)
				assert.Equal(t, rollout.Interrupted, out.Result)
				assert.Equal(t, 2, out.Count(rollout.HostUntouched))
			})
		})
	}
}

func TestTheEndOfTheContextEndsHostsInFlightComplete(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		onFailure plan.OnFailure
		hosts     []rollout.HostResult
		runs      map[string]string
	}{
		"rollback: they are undone": {
			plan.Rollback,
			[]rollout.HostResult{rollout.HostOK, rollout.HostRolledBack, rollout.HostUntouched},
			map[string]string{"h1": "new", "h2": "old"},
		},
		"stop: they finish": {
			plan.Stop,
			[]rollout.HostResult{rollout.HostOK, rollout.HostOK, rollout.HostUntouched},
			map[string]string{"h1": "new", "h2": "new"},
		},
		"continue: they finish": {
			plan.Continue,
			[]rollout.HostResult{rollout.HostOK, rollout.HostOK, rollout.HostUntouched},
			map[string]string{"h1": "new", "h2": "new"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := newFleet()
			f.fails = func(ctx context.Context, host, step string) error {
				if host == "h2" && step == "restart" {
					cancel()
				}
				return ctx.Err()
			}
			r := f.rollout(3)
			r.Order, r.Limits.OnFailure = rolling("1"), test.onFailure
			out := r.Run(ctx)
			assert.Equal(t, rollout.Interrupted, out.Result)
			require.ErrorIs(t, out.Err, context.Canceled)
			for i, want := range test.hosts {
				assert.Equal(t, want, out.Hosts[i].Result)
			}
			assert.Equal(t, test.runs, f.runs)
		})
	}
}

func TestTheCauseOfAnInterruptionIsTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("SIGTERM"))
	f := newFleet()
	out := f.rollout(2).Run(ctx)
	assert.EqualError(t, out.Err, "interrupted: SIGTERM")
	assert.Empty(t, f.did("receive"))
}

func TestPrepareIsCancelledAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		f := newFleet()
		f.takes = func(_, step string) time.Duration {
			return map[string]time.Duration{"receive": 50 * time.Second}[step]
		}
		out := f.rollout(2).Run(ctx)
		assert.Equal(t, rollout.Interrupted, out.Result)
		assert.Equal(t, 2, out.Count(rollout.HostUntouched), "an interrupted host has not failed")
		assert.Equal(t, 10*time.Second, out.Ended.Sub(out.Started))
	})
}

func TestAPauseIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		f := newFleet()
		r := f.rollout(2)
		r.Order = rolling("1")
		r.Order.Pause = time.Hour
		out := r.Run(ctx)
		assert.Equal(t, rollout.Interrupted, out.Result)
		assert.Equal(t, 10*time.Second, out.Ended.Sub(out.Started))
		assert.Equal(t, rollout.HostOK, out.Hosts[0].Result)
	})
}

func TestAFailedReleaseIsTakenBackThoughInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := newFleet()
	f.fails = func(_ context.Context, host, step string) error {
		if host == "h3" && step == "check" {
			cancel()
			return errors.New("bad answer")
		}
		return nil
	}
	r := f.rollout(4)
	r.Order = rolling("1")
	out := r.Run(ctx)
	assert.Equal(t, rollout.Interrupted, out.Result)
	assert.Equal(t, map[string]string{"h1": "old", "h2": "old", "h3": "old"}, f.runs)
}

func TestAbortStopsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		abort := make(chan struct{})
		time.AfterFunc(2500*time.Millisecond, func() { close(abort) })
		f := newFleet()
		f.takes = func(string, string) time.Duration { return time.Second }
		r := f.rollout(3)
		r.Order, r.Abort = rolling("1"), abort
		out := r.Run(t.Context())
		assert.Equal(t, rollout.Interrupted, out.Result)
		assert.Equal(t, 2500*time.Millisecond, out.Ended.Sub(out.Started))
		assert.Equal(t, rollout.HostFailed, out.Hosts[0].Result)
		assert.Equal(t, "switch", out.Hosts[0].Step)
		assert.EqualError(t, out.Hosts[0].Err, "stopped at once: context canceled")
		assert.Empty(t, f.did("switch back"), "no undo is started")
	})
}

func TestAbortLeavesAStuckStepAndABlockedListenerBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		abort, release := make(chan struct{}), make(chan struct{})
		time.AfterFunc(time.Second, func() { close(abort) })
		f := newFleet()
		f.fails = func(context.Context, string, string) error { <-release; return nil }
		r := f.rollout(1)
		r.Abort = abort
		r.Listen = func(rollout.Event) { <-release }
		began := time.Now()
		out := r.Run(t.Context())
		assert.Equal(t, rollout.Interrupted, out.Result)
		assert.Equal(t, time.Second+2*rollout.DefaultGrace, time.Since(began))
		close(release)
	})
}

// cancelled runs a random rollout that is interrupted, and perhaps aborted,
// when the event of number n is heard.
func cancelled(ctx context.Context, f *fleet, r *rollout.Rollout, n int, hard bool) rollout.Outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	abort := make(chan struct{})
	r.Abort = abort
	r.Listen = func(e rollout.Event) {
		f.listen(e)
		if len(f.events) != n {
			return
		}
		cancel()
		if hard {
			close(abort)
		}
	}
	return r.Run(ctx)
}

func TestInterruptedAtEveryEvent(t *testing.T) {
	t.Parallel()
	for _, onFailure := range []plan.OnFailure{plan.Rollback, plan.Stop, plan.Continue} {
		for _, hard := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s abort=%v", onFailure, hard), func(t *testing.T) {
				t.Parallel()
				for n, ended := 1, false; !ended; n++ {
					ended = interruptedAt(t, n, onFailure, hard)
				}
			})
		}
	}
}

func interruptedAt(t *testing.T, n int, onFailure plan.OnFailure, hard bool) (ended bool) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.takes = func(host, step string) time.Duration {
			return time.Duration(len(step)*10+int(host[1])) * time.Millisecond
		}
		r := f.rollout(5)
		r.Order, r.Limits.OnFailure = rolling("2"), onFailure
		out := cancelled(t.Context(), f, r, n, hard)
		ended = len(f.events) < n
		if out.Result == rollout.OK {
			assert.Equal(t, 5, out.Count(rollout.HostOK))
			return
		}
		assert.Equal(t, rollout.Interrupted, out.Result, "event %d", n)
		if !hard {
			for host, state := range f.runs {
				assert.NotEqual(t, "half", state, "%s after event %d", host, n)
			}
		}
		sound(t, f, r, out)
	})
	return ended
}
