package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"autobuilder/build"
)

// Rollout keeps what deliver tells of a run. What came before is written over,
// but a run that has ended stays so: its messages may arrive in any order.
func (l *Ledger) Rollout(ctx context.Context, r build.Rollout) error {
	hosts, err := json.Marshal(r.Hosts)
	if err == nil {
		_, err = l.exec(ctx, `INSERT INTO rollouts
			(run, build, project, environment, action, release, version, "commit", by, result, error, started, ended, sha256, size, hosts, only)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (run) DO UPDATE SET result = excluded.result, error = excluded.error, ended = excluded.ended,
				hosts = excluded.hosts WHERE result = ''`,
			r.Run, r.Build, r.Project, r.Environment, r.Action, r.Release, r.Version, r.Commit, r.By, r.Result, r.Error,
			timeText(r.Started), timeText(r.Ended), r.SHA256, r.Size, string(hosts), r.Only)
	}
	if err != nil {
		return fmt.Errorf("store rollout %s: %w", r.Run, err)
	}
	return nil
}

const rolloutColumns = `run, build, project, environment, action, release, version, "commit", by, result, error, started, ended,
	sha256, size, hosts, only FROM rollouts`

func scanRollout(rows *sql.Rows) (build.Rollout, error) {
	var r build.Rollout
	var started, ended, hosts string
	err := rows.Scan(&r.Run, &r.Build, &r.Project, &r.Environment, &r.Action, &r.Release, &r.Version, &r.Commit, &r.By,
		&r.Result, &r.Error, &started, &ended, &r.SHA256, &r.Size, &hosts, &r.Only)
	if err != nil {
		return r, err
	}
	r.Started, r.Ended = parseTime(started), parseTime(ended)
	return r, json.Unmarshal([]byte(hosts), &r.Hosts)
}

func (l *Ledger) rollouts(ctx context.Context, where string, args ...any) ([]build.Rollout, error) {
	found, err := query(ctx, l.read, scanRollout, `SELECT `+rolloutColumns+` `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list rollouts: %w", err)
	}
	return found, nil
}

// RolloutsOf are the runs of deliver that a build made, oldest first.
func (l *Ledger) RolloutsOf(ctx context.Context, id string) ([]build.Rollout, error) {
	return l.rollouts(ctx, `WHERE build = ? ORDER BY started`, id)
}

// Environments are those of the project that deliver ever promoted a release in.
func (l *Ledger) Environments(ctx context.Context, project string) ([]string, error) {
	return l.names(ctx, `SELECT DISTINCT environment FROM rollouts WHERE project = ? AND result IN ('ok', 'partial') AND only = '' ORDER BY environment`, project)
}

// Stored is the release that the commit was last delivered as, and well; empty
// if deliver told of none.
func (l *Ledger) Stored(ctx context.Context, project, commit string) (string, error) {
	found, err := l.rollouts(ctx, `WHERE project = ? AND "commit" = ? AND result IN ('ok', 'partial') AND only = '' ORDER BY ended DESC LIMIT 1`, project, commit)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].Release, nil
}

// Live is what runs in an environment of the project: what deliver promoted
// last, or what was built with success since without a word from deliver.
func (l *Ledger) Live(ctx context.Context, project, environment string) (build.Live, error) {
	live, err := l.Promoted(ctx, project, environment)
	if err != nil {
		return live, err
	}
	untold, err := l.build(ctx, "last build of "+project, `WHERE project = ? AND state = 'succeeded' AND command = '' AND only = '' AND ended > ?
		AND NOT EXISTS (SELECT 1 FROM rollouts WHERE rollouts.build = builds.id) ORDER BY ended DESC, seq DESC LIMIT 1`,
		project, timeText(live.Since))
	if errors.Is(err, build.ErrUnknown) {
		return live, nil
	}
	if err != nil {
		return live, err
	}
	return l.assume(ctx, live, untold)
}

// Promoted is what deliver says that it promoted last in an environment.
func (l *Ledger) Promoted(ctx context.Context, project, environment string) (build.Live, error) {
	live := build.Live{Project: project, Environment: environment}
	told, err := l.rollouts(ctx, `WHERE project = ? AND environment = ? AND result IN ('ok', 'partial') AND only = '' ORDER BY ended DESC LIMIT 1`,
		project, environment)
	if err == nil && len(told) == 1 {
		r := told[0]
		live.Release, live.Version, live.Commit, live.Since, live.By = r.Release, r.Version, r.Commit, r.Ended, r.By
	}
	return live, err
}

// assume takes a build for live. One without a tag stands on the last that had one.
func (l *Ledger) assume(ctx context.Context, live build.Live, b build.Build) (build.Live, error) {
	version := b.Version
	if version == "" {
		row := l.read.QueryRowContext(ctx, `SELECT version FROM builds
			WHERE project = ? AND state = 'succeeded' AND only = '' AND version <> '' ORDER BY ended DESC, seq DESC LIMIT 1`, b.Project)
		if err := row.Scan(&version); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return live, fmt.Errorf("look for the last version of %s: %w", b.Project, err)
		}
	}
	if version == "" {
		version = live.Version
	}
	live.Release, live.Version, live.Commit = b.Release, version, b.Commit
	live.Since, live.By, live.Assumed = b.Ended, b.By, true
	return live, nil
}

// Tagged is the last build of a commit under the tag that was sent to Jenkins.
func (l *Ledger) Tagged(ctx context.Context, project, tag string) (build.Build, error) {
	return l.build(ctx, fmt.Sprintf("build of %s %s", project, tag), `WHERE project = ? AND tag = ? AND command = '' AND only = ''
		AND state NOT IN ('queued', 'held', 'superseded', 'rejected') ORDER BY seq DESC LIMIT 1`, project, tag)
}

// SameTree is the last build of the very same files that succeeded.
func (l *Ledger) SameTree(ctx context.Context, project, tree string) (build.Build, error) {
	return l.build(ctx, fmt.Sprintf("build of tree %s in %s", tree, project), `WHERE project = ? AND tree = ? AND tree <> ''
		AND state = 'succeeded' AND command = '' AND only = '' ORDER BY seq DESC LIMIT 1`, project, tree)
}

// Approved says whether people ever let a build of the commit go to all servers, or
// to just these.
func (l *Ledger) Approved(ctx context.Context, project, commit, only string) (bool, error) {
	var yes bool
	err := l.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM holds h JOIN builds b ON b.id = h.build
		WHERE b.project = ? AND b."commit" = ? AND h.state = 'released' AND b.only IN ('', ?))`, project, commit, only).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("look for approvals of %s: %w", commit, err)
	}
	return yes, nil
}

// NextAttempt is the number that the next run of a command at the commit gets, or
// the next build for these servers.
func (l *Ledger) NextAttempt(ctx context.Context, project, commit, command, only string) (int, error) {
	var last int
	err := l.read.QueryRowContext(ctx, `SELECT coalesce(max(attempt), 0) FROM builds
		WHERE project = ? AND "commit" = ? AND command = ? AND only = ?`, project, commit, command, only).Scan(&last)
	if err != nil {
		return 0, fmt.Errorf("count the attempts at %s: %w", commit, err)
	}
	return last + 1, nil
}
