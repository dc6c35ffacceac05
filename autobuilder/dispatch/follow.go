package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"autobuilder/build"
	"autobuilder/ledger"
)

// follower is the lane of one project's builds.
type follower struct {
	*Dispatcher
	project    build.Project
	configured bool
	retry      *backoff.ExponentialBackOff
	missed     map[string]absence // by build
}

// absence is how long Jenkins has lacked a build, and how often it said so.
type absence struct {
	since time.Time
	looks int
}

const enoughLooks = 3

func (d *Dispatcher) builder(project build.Project, configured bool) func(context.Context) time.Duration {
	f := &follower{
		Dispatcher: d, project: project, configured: configured,
		retry: newBackOff(), missed: map[string]absence{},
	}
	return f.step
}

// step moves every open build as far as it goes now.
func (f *follower) step(ctx context.Context) time.Duration {
	open, err := f.Ledger.Open(ctx, f.project.Name)
	lock, lockErr := f.lock(ctx)
	err = errors.Join(err, lockErr)
	following, unnumbered := 0, false
	for _, b := range inOrder(open) {
		if b.State == build.Queued && !f.mayStart(following) {
			continue
		}
		if b.State == build.Queued && (lockErr != nil || f.kept(ctx, lock, b)) {
			continue
		}
		after, moveErr := f.advance(ctx, b)
		err = errors.Join(err, moveErr)
		if !after.State.Final() {
			following++
			unnumbered = unnumbered || after.Number == 0
		}
	}
	wait := min(f.next(ctx, err, following), left(lock))
	if err == nil && unnumbered {
		return min(wait, f.Poll/4) // it may start at any moment
	}
	return wait
}

// inOrder puts first what Jenkins may have.
func inOrder(open []build.Build) []build.Build {
	var sent, queued []build.Build
	for _, b := range open {
		if b.State == build.Queued {
			queued = append(queued, b)
			continue
		}
		sent = append(sent, b)
	}
	return append(sent, queued...)
}

// mostSent bounds what a project has in Jenkins at a time: a long queue there is
// slow to ask, and lost when Jenkins is killed.
const mostSent = 10

// mayStart keeps all but one build out of Jenkins' queue: what waits here can
// still be superseded or get its tag. Where each is built, a few go ahead.
func (f *follower) mayStart(following int) bool {
	return following == 0 || f.project.Queue == build.QueueEach && following < mostSent
}

func (f *follower) next(ctx context.Context, err error, following int) time.Duration {
	if err != nil && ctx.Err() == nil {
		wait := f.retry.NextBackOff()
		f.Log.Warn("builds not followed", "project", f.project.Name, "error", err, "again_in", wait)
		return wait
	}
	f.retry.Reset()
	if following > 0 {
		return f.Poll
	}
	return idle
}

func (f *follower) advance(ctx context.Context, b build.Build) (build.Build, error) {
	switch {
	case b.State == build.Queued:
		return f.start(ctx, b)
	case b.Number == 0:
		return f.find(ctx, b)
	}
	return f.poll(ctx, b)
}

// start sends a queued build. That it is sent is written first: whatever
// happens from there on, it is looked for before it is sent once more.
func (f *follower) start(ctx context.Context, b build.Build) (build.Build, error) {
	if !f.configured {
		after := b
		after.State, after.Ended = build.Aborted, now()
		after.Why = "project " + b.Project + " is not in the config any more"
		return f.move(ctx, b, after)
	}
	begun, err := f.Ledger.Begin(ctx, b.ID, now())
	if errors.Is(err, ledger.ErrMoved) {
		b.State = build.Superseded
		return b, nil
	}
	if err != nil {
		return b, err
	}
	return f.send(ctx, begun)
}

func (f *follower) send(ctx context.Context, b build.Build) (build.Build, error) {
	err := f.Jenkins.Trigger(ctx, b.Job, b.Params())
	after := b
	switch {
	case err == nil:
		after.Accepted, after.Why = true, ""
		after.Taken++
	case errors.Is(err, build.ErrNoJob) || errors.Is(err, build.ErrRefused):
		after.State, after.Triggered, after.Why = build.Queued, time.Time{}, "not sent: "+err.Error()
	default:
		after.Why = "jenkins may have it or not: " + err.Error()
	}
	after, moveErr := f.move(ctx, b, after)
	return after, errors.Join(err, moveErr)
}

// find looks for a build that was sent and has no number yet.
func (f *follower) find(ctx context.Context, b build.Build) (build.Build, error) {
	run, err := f.Jenkins.Find(ctx, b.Job, b.ID)
	switch {
	case errors.Is(err, build.ErrNoRun) || errors.Is(err, build.ErrNoJob):
		if f.gone(b) {
			return f.again(ctx, b)
		}
		return b, nil
	case err != nil:
		return f.unanswered(ctx, b, err)
	}
	if !b.Accepted {
		b.Taken++
	}
	return f.take(ctx, b, run)
}

// again sends a build that Jenkins certainly doesn't have. What it had in its
// queue and has no more was lost in a crash of Jenkins, or a person
// cancelled it there: sent once more it stands again, cancelled again it stays so.
func (f *follower) again(ctx context.Context, b build.Build) (build.Build, error) {
	after := b
	if b.Accepted && b.Taken > 1 {
		after.State, after.Ended = build.Aborted, now()
		after.Why = "gone from jenkins' queue for the second time: taken as cancelled there"
		return f.move(ctx, b, after)
	}
	after.Accepted, after.Triggered = false, now()
	after, err := f.move(ctx, b, after)
	if err != nil {
		return after, err
	}
	return f.send(ctx, after)
}

// poll asks how far a build is that has a number.
func (f *follower) poll(ctx context.Context, b build.Build) (build.Build, error) {
	run, err := f.Jenkins.Build(ctx, b.Job, b.Number)
	switch {
	case errors.Is(err, build.ErrNoRun) || errors.Is(err, build.ErrNoJob):
		if !f.gone(b) {
			return b, nil
		}
		after := b
		after.State, after.Ended = build.Lost, now()
		after.Why = fmt.Sprintf("jenkins does not know #%d any more", b.Number)
		return f.move(ctx, b, after)
	case err != nil:
		return f.unanswered(ctx, b, err)
	}
	after, err := f.take(ctx, b, run)
	if err == nil && run.Building && f.overtime(time.Since(run.Started)) {
		f.Log.Warn("build stopped, its time is over", "project", b.Project, "build", b.ID, "timeout", f.project.Timeout)
		err = f.Jenkins.Stop(ctx, b.Job, b.Number)
	}
	return after, err
}

func (f *follower) overtime(took time.Duration) bool {
	return f.project.Timeout > 0 && took > f.project.Timeout
}

// gone says whether Jenkins has lacked the build for long enough. A request
// that broke off may still be under way, and a run that leaves the queue is
// for a moment in neither list.
func (f *follower) gone(b build.Build) bool {
	a, ok := f.missed[b.ID]
	if !ok {
		a.since = time.Now()
	}
	a.looks++
	f.missed[b.ID] = a
	if a.looks < enoughLooks || time.Since(a.since) < f.Doubt {
		return false
	}
	delete(f.missed, b.ID)
	return true
}

// unanswered notes that Jenkins said nothing of use; the build stays as it is.
func (f *follower) unanswered(ctx context.Context, b build.Build, err error) (build.Build, error) {
	delete(f.missed, b.ID) // a Jenkins that restarts proves nothing by what it lacked before
	after := b
	after.Why = "jenkins is asked again: " + err.Error()
	after, moveErr := f.move(ctx, b, after)
	return after, errors.Join(err, moveErr)
}

// take writes what Jenkins says of the build.
func (f *follower) take(ctx context.Context, b build.Build, run build.Run) (build.Build, error) {
	delete(f.missed, b.ID)
	after := b
	after.Accepted, after.State, after.Why = true, run.State(), run.Why
	if run.Number != 0 {
		after.Number, after.URL, after.Started = run.Number, run.URL, stamp(run.Started)
	}
	if after.State.Final() {
		after.Ended = now()
		if run.Duration > 0 {
			after.Ended = stamp(run.Started.Add(run.Duration))
		}
		if after.State == build.Aborted && after.Number != 0 && f.overtime(after.Ended.Sub(after.Started)) {
			after.Why = fmt.Sprintf("it ran longer than the project's timeout, %s, and was stopped", f.project.Timeout)
		}
	}
	if after.State == build.Failed && after.Why == "" {
		var err error
		if after.Why, err = f.explain(ctx, b); err != nil {
			return b, err
		}
	}
	return f.move(ctx, b, after)
}

// move writes a change, if it is one.
func (f *follower) move(ctx context.Context, before, after build.Build) (build.Build, error) {
	if after == before {
		return before, nil
	}
	if err := f.Ledger.Move(ctx, before.State, after); err != nil {
		return before, err
	}
	if after.State != before.State && after.State != build.Queued || after.Number != before.Number {
		f.Log.Info("build", "project", after.Project, "build", after.ID, "state", after.State,
			"number", after.Number, "why", after.Why)
	}
	return after, nil
}

func now() time.Time { return stamp(time.Now()) }

// stamp is a time as it comes back from the ledger.
func stamp(t time.Time) time.Time {
	return t.UTC().Truncate(time.Microsecond)
}
