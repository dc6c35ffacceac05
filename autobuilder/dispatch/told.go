package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"autobuilder/build"
)

// Told keeps what deliver tells of a run. Whose it is says the build, else the
// job, else the app.
func (d *Dispatcher) Told(ctx context.Context, r build.Rollout, job string) error {
	project, only, err := d.toldOf(ctx, r, job)
	if err != nil {
		return err
	}
	r.Project, r.Only = project, cmp.Or(r.Only, only)
	if err := d.Ledger.Rollout(ctx, r); err != nil {
		return err
	}
	if r.Result == "" && len(r.Hosts) > 0 { // it goes on
		return nil
	}
	d.Log.Info("rollout", "project", r.Project, "environment", r.Environment, "release", r.Release, "action", r.Action,
		"result", r.Result, "error", r.Error)
	return nil
}

// toldOf is the project of a run, and the servers that its build is for.
func (d *Dispatcher) toldOf(ctx context.Context, r build.Rollout, job string) (project, only string, err error) {
	if r.Build != "" {
		b, err := d.Ledger.Build(ctx, r.Build)
		if err == nil || !errors.Is(err, build.ErrUnknown) {
			return b.Project, b.Only, err
		}
	}
	for _, p := range d.Projects {
		if p.Job == job || job == "" && p.Name == r.Project {
			return p.Name, "", nil
		}
	}
	return "", "", fmt.Errorf("no project has the job %q or the app %q: %w", job, r.Project, build.ErrUnknown)
}

// Live is what runs in the environments of each project: first in the one that
// its job delivers to, then in those that deliver told of besides.
func (d *Dispatcher) Live(ctx context.Context) ([]build.Live, error) {
	var all []build.Live
	for _, p := range d.Projects {
		live, err := d.Ledger.Live(ctx, p.Name, p.Environment())
		if err != nil {
			return nil, err
		}
		all = append(all, live)
		others, err := d.Ledger.Environments(ctx, p.Name)
		if err != nil {
			return nil, err
		}
		for _, environment := range others {
			if environment == p.Environment() {
				continue
			}
			if live, err = d.Ledger.Promoted(ctx, p.Name, environment); err != nil {
				return nil, err
			}
			all = append(all, live)
		}
	}
	return all, nil
}

// Holds are those that wait, oldest first, or all, newest first.
func (d *Dispatcher) Holds(ctx context.Context, all bool) ([]build.Hold, error) {
	if all {
		return d.Ledger.Holds(ctx, mostHolds)
	}
	return d.Ledger.OpenHolds(ctx)
}

const mostHolds = 100

// explain says why a build failed, where deliver told of it: Jenkins knows the
// exit code of a step only.
func (f *follower) explain(ctx context.Context, b build.Build) (string, error) {
	told, err := f.Ledger.RolloutsOf(ctx, b.ID)
	if err != nil || len(told) == 0 {
		return "", err
	}
	last := told[len(told)-1]
	switch {
	case last.Result == "refused":
		return "deliver refused it, and nothing was changed: " + last.Error, nil
	case last.Result != "" && last.Error != "":
		return "deliver: " + last.Result + ": " + last.Error, nil
	}
	return "", nil
}
