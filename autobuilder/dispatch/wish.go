package dispatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"autobuilder/build"
)

// Trigger writes down that somebody asks for a build, as a delivery of its own,
// whose ID it gives.
func (d *Dispatcher) Trigger(ctx context.Context, w build.Wish, by string) (id string, err error) {
	project, ok := d.project(w.Project)
	if !ok {
		return "", fmt.Errorf("project %s: %w", w.Project, build.ErrUnknown)
	}
	if w.Ref != "" && w.Tag != "" {
		return "", errMayNot("ref and tag are both given: keep one")
	}
	if w.Back && w.Ref == "" && w.Tag == "" {
		return "", errMayNot("it is not said what to go back to: give its tag or commit")
	}
	only, err := build.ParseOnly(w.Only)
	switch {
	case err != nil:
		return "", errMayNot(err.Error())
	case w.Back && only != "":
		return "", errMayNot("the way back is that of all servers: leave out the list of servers")
	}
	ref := w.Ref
	switch {
	case w.Tag != "":
		ref = "refs/tags/" + strings.TrimPrefix(w.Tag, "refs/tags/")
	case ref == "":
		ref = "refs/heads/" + project.Branch
	}
	return d.ask(ctx, build.Delivery{ID: "trigger-" + build.NewID(now()), Event: build.Trigger, Push: build.Push{
		Repo: project.Repo, Project: project.Name, Ref: ref, Pusher: by, Again: w.Again, Back: w.Back, Only: only,
	}})
}

// Replay lets a delivery be decided once more, by the rules of now, as a new one.
func (d *Dispatcher) Replay(ctx context.Context, id, by string) (string, error) {
	old, err := d.Ledger.Delivery(ctx, id)
	if err != nil {
		return "", err
	}
	if old.Push.Repo == "" || old.Push.Ref == "" {
		return "", errMayNot(fmt.Sprintf("delivery %s (%s) asks for no build", id, old.Event))
	}
	old.ID, old.Push.Replayed = "replay-"+build.NewID(now()), by
	return d.ask(ctx, old)
}

func (d *Dispatcher) ask(ctx context.Context, delivery build.Delivery) (string, error) {
	delivery.Received = time.Now()
	if err := d.Ledger.Store(ctx, delivery); err != nil {
		return "", err
	}
	d.Log.Info("asked by hand", "delivery", delivery.ID, "repo", delivery.Push.Repo, "ref", delivery.Push.Ref)
	d.Wake()
	return delivery.ID, nil
}

// Prospect says what would become of a delivery, and changes nothing.
func (d *Dispatcher) Prospect(ctx context.Context, delivery build.Delivery) (build.Prospect, error) {
	decision, err := d.Consider(ctx, delivery)
	return build.Prospect{Verdict: decision.Verdict, Why: decision.Why, Builds: decision.Add, Holds: decision.Hold}, err
}
