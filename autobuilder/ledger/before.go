package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"autobuilder/build"
)

// Before is what one goes back to from a commit: what Replaced says, but for what
// a watch has withdrawn.
func (l *Ledger) Before(ctx context.Context, project, environment, commit string, at time.Time) (build.Live, error) {
	return l.ranBefore(ctx, build.Live{Project: project, Environment: environment}, commit, at, "withdrawn")
}

// Replaced is what ran in an environment of the project before the time, other
// than the commit: what deliver promoted last, or the last build that succeeded
// where it told of nothing.
func (l *Ledger) Replaced(ctx context.Context, project, environment, commit string, at time.Time) (build.Live, error) {
	return l.ranBefore(ctx, build.Live{Project: project, Environment: environment}, commit, at, "")
}

// ranBefore leaves out releases whose watch ended so.
func (l *Ledger) ranBefore(ctx context.Context, live build.Live, commit string, at time.Time, without string) (build.Live, error) {
	told, err := l.rollouts(ctx, `WHERE project = ? AND environment = ? AND result IN ('ok', 'partial') AND only = ''
		AND "commit" <> ? AND ended < ? AND build NOT IN (SELECT build FROM watches WHERE state = ?)
		ORDER BY ended DESC LIMIT 1`, live.Project, live.Environment, commit, timeText(at), without)
	if err != nil {
		return live, err
	}
	if len(told) == 1 {
		r := told[0]
		live.Release, live.Version, live.Commit, live.Since, live.By = r.Release, r.Version, r.Commit, r.Ended, r.By
	}
	untold, err := l.build(ctx, "last build of "+live.Project, `WHERE project = ? AND state = 'succeeded' AND command = '' AND only = '' AND "commit" <> ?
		AND ended > ? AND ended < ? AND NOT EXISTS (SELECT 1 FROM rollouts WHERE rollouts.build = builds.id)
		AND id NOT IN (SELECT build FROM watches WHERE state = ?) ORDER BY ended DESC, seq DESC LIMIT 1`,
		live.Project, commit, timeText(live.Since), timeText(at), without)
	if errors.Is(err, build.ErrUnknown) {
		return live, nil
	}
	if err != nil {
		return live, err
	}
	return l.assume(ctx, live, untold)
}

// RolloutOf is the run of deliver with that name.
func (l *Ledger) RolloutOf(ctx context.Context, run string) (build.Rollout, error) {
	found, err := l.rollouts(ctx, `WHERE run = ?`, run)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("rollout %s: %w", run, build.ErrUnknown)
	}
	if err != nil {
		return build.Rollout{}, err
	}
	return found[0], nil
}
