package dispatch

import (
	"context"
	"errors"
	"time"

	"autobuilder/build"
)

// Promoted is what the store of a project says was promoted last;
// build.ErrUnknown if nothing was.
type Promoted func(context.Context, build.Project) (build.Rollout, error)

// telling is how long deliver has to tell of a promotion itself.
const telling = 30 * time.Second

// learn takes over what the project's store says is live, where deliver did not
// tell of it: an engineer's delivery, or one while autobuilder was down. A store
// that does not answer holds nothing up: then the ledger is what is known.
func (d *Dispatcher) learn(ctx context.Context, project build.Project) error {
	if project.Store == "" || d.Promoted == nil {
		return nil
	}
	last, err := d.Promoted(ctx, project)
	switch {
	case errors.Is(err, build.ErrUnknown):
		return nil
	case err != nil:
		d.Log.Warn("store not read, what is live may be out of date", "project", project.Name, "store", project.Store, "error", err)
		return nil
	case time.Since(last.Ended) < telling:
		return nil
	}
	live, err := d.Ledger.Live(ctx, project.Name, project.Environment())
	if err != nil || live.Release == last.Release || !last.Ended.After(live.Since) {
		return err
	}
	d.Log.Info("live release read from the store", "project", project.Name, "release", last.Release, "version", last.Version)
	return d.Ledger.Rollout(ctx, last)
}
