package dispatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"autobuilder/build"
	"autobuilder/checklist"
	"autobuilder/ledger"
	"autobuilder/rules"
)

// hold adds to the decision that a build waits for people, and for what.
func (d *Dispatcher) hold(ctx context.Context, b build.Build, project build.Project, v rules.Verdict, decision *ledger.Decision) error {
	if v.Hold == "" {
		return nil
	}
	h := build.Hold{Build: b.ID, Project: project.Name, Why: v.Hold, Needed: project.Hold.Approvals, Since: now()}
	if project.Hold.Within > 0 {
		h.Deadline = h.Since.Add(project.Hold.Within)
	}
	if err := d.attach(ctx, &h, project, b.Commit); err != nil {
		return err
	}
	decision.Hold = append(decision.Hold, h)
	return nil
}

// attach reads the checklist. What is wrong with it is no error here: people
// see it, and the release is not approved.
func (d *Dispatcher) attach(ctx context.Context, h *build.Hold, project build.Project, commit string) error {
	text := project.Checklist
	h.Checklist = "checklist of " + project.Name
	if text == "" {
		var found bool
		var err error
		if text, found, err = d.Git.File(ctx, project, commit, checklist.File); err != nil {
			return fmt.Errorf("read %s: %w", checklist.File, err)
		}
		if !found {
			h.Checklist = ""
			return nil
		}
		h.Checklist = checklist.File
	}
	steps, err := checklist.Parse(text)
	if err == nil {
		err = d.strangersIn(steps)
	}
	if err != nil {
		h.Problem = h.Checklist + ": " + strings.ReplaceAll(err.Error(), "\n", "; ")
		return nil
	}
	h.Steps = steps
	return nil
}

// strangersIn refuses steps for projects that there are not.
func (d *Dispatcher) strangersIn(steps []build.Item) error {
	for _, step := range steps {
		if _, ok := d.project(step.Project); step.Kind == build.ItemDeploy && !ok {
			return &checklist.Mistake{Line: step.Line, What: fmt.Sprintf("there is no project %s", step.Project)}
		}
	}
	return nil
}

func (d *Dispatcher) project(name string) (build.Project, bool) {
	for _, p := range d.Projects {
		if p.Name == name {
			return p, true
		}
	}
	return build.Project{}, false
}

// errMayNot says why somebody may not do what they asked for.
type errMayNot string

// Error is the reason.
func (e errMayNot) Error() string { return string(e) }

// Is makes it the error that callers look for.
func (e errMayNot) Is(target error) bool { return target == build.ErrNotAllowed }

// Approve says yes to a hold.
func (d *Dispatcher) Approve(ctx context.Context, name, by, note string) (build.Hold, error) {
	h, err := d.Hold(ctx, name)
	if err != nil {
		return h, err
	}
	if why := d.MayApprove(h, by); why != "" {
		return h, errMayNot(why)
	}
	err = d.Ledger.Approve(ctx, build.Act{Build: h.Build, Kind: build.ActApprove, By: by, Note: note, At: now()})
	return d.after(ctx, h, err)
}

// Reject says no to a hold, also in the midst of its checklist.
func (d *Dispatcher) Reject(ctx context.Context, name, by, note string) (build.Hold, error) {
	h, err := d.Hold(ctx, name)
	if err != nil {
		return h, err
	}
	if why := rules.MayReject(h, by); why != "" {
		return h, errMayNot(why)
	}
	words := "rejected by " + by
	if note != "" {
		words += ": " + note
	}
	err = d.Ledger.Reject(ctx, build.Act{Build: h.Build, Kind: build.ActReject, By: by, Note: words, At: now()})
	return d.after(ctx, h, err)
}

// Tick moves a step of a hold by hand.
func (d *Dispatcher) Tick(ctx context.Context, name string, t build.Tick) (build.Hold, error) {
	h, err := d.Hold(ctx, name)
	if err != nil {
		return h, err
	}
	if why := rules.MayTick(h, t.Step, t.By, t.Again); why != "" {
		return h, errMayNot(why)
	}
	step := *h.Next()
	from := step.State
	act := build.Act{Build: h.Build, Step: step.N, Kind: build.ActTick, By: t.By, Note: t.Note, At: now()}
	if t.Again {
		act.Kind = build.ActAgain
		step.State, step.Why, step.Child = build.ItemTodo, "", ""
	} else {
		step.State, step.Why, step.By, step.Ended = build.ItemDone, t.Note, t.By, act.At
	}
	return d.after(ctx, h, d.Ledger.Advance(ctx, ledger.Advance{Act: act, From: from, To: step}))
}

// after is the hold as it is now.
func (d *Dispatcher) after(ctx context.Context, h build.Hold, err error) (build.Hold, error) {
	if err != nil {
		return h, err
	}
	d.Log.Info("hold", "project", h.Project, "tag", h.Tag, "build", h.Build)
	d.Wake()
	return d.Ledger.Hold(ctx, h.Build)
}

// Hold is the hold that a person means, by its build's ID, its project or
// PROJECT@TAG.
func (d *Dispatcher) Hold(ctx context.Context, name string) (build.Hold, error) {
	h, err := d.Ledger.Hold(ctx, name)
	if err == nil {
		return h, nil
	}
	open, listErr := d.Ledger.OpenHolds(ctx)
	if listErr != nil {
		return h, listErr
	}
	var fitting []build.Hold
	for _, one := range open {
		if one.Project == name || one.Project+"@"+one.Tag == name {
			fitting = append(fitting, one)
		}
	}
	switch len(fitting) {
	case 0:
		return h, fmt.Errorf("nothing of %q is held: %w", name, build.ErrUnknown)
	case 1:
		return fitting[0], nil
	}
	return h, errMayNot(fmt.Sprintf("%s has %d releases that are held: name one of them by PROJECT@TAG or ID", name, len(fitting)))
}

// expired are the words for a hold that nobody approved in time.
func expired(h build.Hold) string {
	return fmt.Sprintf("nobody approved it within %s: %d of %d did", h.Deadline.Sub(h.Since).Round(time.Second), len(h.Approvals()), h.Needed)
}

// MayApprove says why somebody may not approve a hold; empty: they may.
func (d *Dispatcher) MayApprove(h build.Hold, by string) string {
	project, ok := d.project(h.Project)
	if !ok {
		return "project " + h.Project + " is not in the config any more"
	}
	return rules.MayApprove(project.Hold, h, by)
}
