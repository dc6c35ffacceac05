package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"autobuilder/build"
	"autobuilder/ledger"
	"autobuilder/rules"
)

// holder is the lane of what waits for people: it ends what nobody approved in
// time, and works through the checklists of what was approved. Each move is one
// write; killed between any two, the next Run goes on where they stand.
func (d *Dispatcher) holder() func(context.Context) time.Duration {
	retry := newBackOff()
	return func(ctx context.Context) time.Duration {
		open, err := d.Ledger.OpenHolds(ctx)
		wait := idle
		for _, h := range open {
			next, stepErr := d.attend(ctx, h)
			if errors.Is(stepErr, ledger.ErrMoved) {
				next, stepErr = 0, nil // a person was quicker: look again
			}
			wait, err = min(wait, next), errors.Join(err, stepErr)
		}
		if err != nil && ctx.Err() == nil {
			wait = retry.NextBackOff()
			d.Log.Warn("checklists not followed", "error", err, "again_in", wait)
			return wait
		}
		retry.Reset()
		return wait
	}
}

// attend does what there is to do about a hold now, and says when to look again.
func (d *Dispatcher) attend(ctx context.Context, h build.Hold) (time.Duration, error) {
	if h.State == build.Waiting {
		return d.expire(ctx, h)
	}
	step := h.Next()
	if step == nil {
		err := d.Ledger.Complete(ctx, build.Act{Build: h.Build, By: build.Itself, At: now()})
		wake(d.build)
		return idle, err
	}
	project, ok := d.project(h.Project)
	if !ok {
		return idle, nil // it is rejected, or the project comes back into the config
	}
	w := walk{Dispatcher: d, hold: h, step: *step, project: project}
	if step.State == build.ItemFailed {
		return idle, nil
	}
	if step.State == build.ItemDoing {
		return w.watch(ctx)
	}
	return w.begin(ctx)
}

func (d *Dispatcher) expire(ctx context.Context, h build.Hold) (time.Duration, error) {
	if h.Deadline.IsZero() {
		return idle, nil
	}
	if left := time.Until(h.Deadline); left > 0 {
		return left, nil
	}
	return 0, d.Ledger.Expire(ctx, build.Act{Build: h.Build, Kind: build.ActExpire, By: build.Itself, Note: expired(h), At: now()})
}

// walk is one step of a checklist, as it stands.
type walk struct {
	*Dispatcher
	hold    build.Hold
	step    build.Item
	project build.Project
}

// begin starts a step that autobuilder does itself.
func (w walk) begin(ctx context.Context) (time.Duration, error) {
	switch w.step.Kind {
	case build.ItemWait:
		to := w.started("")
		to.Due = to.Started.Add(w.step.Wait)
		return w.step.Wait, w.write(ctx, ledger.Advance{Act: w.act(build.ActStart, ""), To: to})
	case build.ItemRun:
		return w.run(ctx)
	case build.ItemDeploy:
		return w.deploy(ctx)
	}
	return idle, nil // a person's
}

// run lets the project's job carry out the command, in the release's checkout.
func (w walk) run(ctx context.Context) (time.Duration, error) {
	attempt, err := w.Ledger.NextAttempt(ctx, w.project.Name, w.hold.Commit, w.step.Command, "")
	if err != nil {
		return 0, err
	}
	b := w.child(w.project, w.hold.Commit, w.hold.Tag)
	b.Command, b.Attempt = w.step.Command, attempt
	return w.send(ctx, b)
}

// deploy sends a project's tag to its servers: by the build that is held for
// it, by the one that is under way, from its stored archive, or by a new build.
func (w walk) deploy(ctx context.Context) (time.Duration, error) {
	target, _ := w.Dispatcher.project(w.step.Project) // there was one when the checklist was read
	refs, err := w.Git.Refs(ctx, target.CloneURL)
	if err != nil {
		return 0, err
	}
	commit := refs.Tags[w.step.Version]
	if commit == "" {
		return w.later(ctx, fmt.Sprintf("%s has no tag %s yet", target.Name, w.step.Version))
	}
	earlier, err := known(w.Ledger.Of(ctx, target.Name, commit, w.only(target, commit)))
	if err != nil {
		return 0, err
	}
	switch {
	case earlier == nil:
		return w.send(ctx, w.child(target, commit, w.step.Version))
	case earlier.State == build.Held:
		return w.let(ctx, *earlier)
	case !earlier.State.Final():
		return w.Poll, w.write(ctx, ledger.Advance{Act: w.act(build.ActStart, earlier.ID), To: w.started(earlier.ID)})
	}
	return w.redeploy(ctx, target, *earlier)
}

// only are the servers that a step sends a commit to: those of the release that is
// held, and all for any other.
func (w walk) only(target build.Project, commit string) string {
	if target.Name == w.hold.Project && commit == w.hold.Commit {
		return w.hold.Only
	}
	return ""
}

// redeploy sends out a commit that was built before, unless it is live.
func (w walk) redeploy(ctx context.Context, target build.Project, earlier build.Build) (time.Duration, error) {
	live, err := w.Ledger.Live(ctx, target.Name, target.Environment())
	if err != nil {
		return 0, err
	}
	if live.Commit == earlier.Commit {
		return 0, w.done(ctx, w.step.Version+" is live already")
	}
	stored, err := w.Ledger.Stored(ctx, target.Name, earlier.Commit)
	if err != nil {
		return 0, err
	}
	b := w.child(target, earlier.Commit, w.step.Version)
	b.Attempt, b.Release, b.Only = earlier.Attempt+1, stored, earlier.Only
	return w.send(ctx, b)
}

// child is a build that does the step.
func (w walk) child(p build.Project, commit, tag string) build.Build {
	tag, version := rules.Release("*", []string{tag})
	return build.Build{
		ID: build.NewID(time.Now()), Project: p.Name, Job: p.Job, Commit: commit, Attempt: 1, Branch: p.Branch,
		Tag: tag, Version: version, By: w.hold.By, Message: fmt.Sprintf("step %d of %s %s", w.step.N, w.hold.Project, w.hold.Tag),
		State: build.Queued, Created: now(), Step: fmt.Sprintf("%s/%d", w.hold.Build, w.step.N),
	}
}

func (w walk) send(ctx context.Context, b build.Build) (time.Duration, error) {
	err := w.write(ctx, ledger.Advance{Act: w.act(build.ActStart, b.ID), To: w.started(b.ID), Add: &b})
	wake(w.build)
	return w.Poll, err
}

// let frees a held build: the hold's own, or another project's.
func (w walk) let(ctx context.Context, held build.Build) (time.Duration, error) {
	err := w.write(ctx, ledger.Advance{Act: w.act(build.ActStart, held.ID), To: w.started(held.ID), Queue: held.ID})
	wake(w.build)
	return w.Poll, err
}

// watch looks how far a step is that has begun.
func (w walk) watch(ctx context.Context) (time.Duration, error) {
	if w.step.Kind == build.ItemWait {
		if left := time.Until(w.step.Due); left > 0 {
			return left, nil
		}
		return 0, w.done(ctx, "")
	}
	b, err := w.Ledger.Build(ctx, w.step.Child)
	if err != nil || !b.State.Final() {
		return w.Poll, err
	}
	if b.State == build.Succeeded {
		return 0, w.done(ctx, "")
	}
	to := w.step
	to.State, to.Ended = build.ItemFailed, now()
	to.Why = fmt.Sprintf("build %s was not good: %s", b.ID, b.State)
	if b.Why != "" {
		to.Why += ": " + b.Why
	}
	w.Log.Warn("step of a checklist failed", "project", w.hold.Project, "tag", w.hold.Tag, "step", w.step.N, "why", to.Why)
	return idle, w.write(ctx, ledger.Advance{Act: w.act(build.ActFail, to.Why), To: to})
}

func (w walk) done(ctx context.Context, why string) error {
	to := w.step
	to.State, to.Why, to.By, to.Ended = build.ItemDone, why, build.Itself, now()
	return w.write(ctx, ledger.Advance{Act: w.act(build.ActTick, why), To: to})
}

// later notes what a step waits for, and tries again in a while.
func (w walk) later(ctx context.Context, why string) (time.Duration, error) {
	if w.step.Why == why {
		return w.Search, nil
	}
	to := w.step
	to.Why = why
	return w.Search, w.write(ctx, ledger.Advance{Act: build.Act{Build: w.hold.Build, Step: w.step.N}, To: to})
}

func (w walk) started(child string) build.Item {
	to := w.step
	to.State, to.Why, to.Child, to.Started = build.ItemDoing, "", child, now()
	return to
}

func (w walk) act(kind, note string) build.Act {
	return build.Act{Build: w.hold.Build, Step: w.step.N, Kind: kind, By: build.Itself, Note: note, At: now()}
}

func (w walk) write(ctx context.Context, a ledger.Advance) error {
	a.From = w.step.State
	return w.Ledger.Advance(ctx, a)
}
