package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"autobuilder/build"
)

// Decision is what becomes of a delivery. It is written whole or not at all.
type Decision struct {
	Delivery     string
	Verdict      string // Built, Joined or Ignored
	Why          string
	Build        string        // the build's ID, if there is one
	Commit       string        // if it was only now found
	Add          []build.Build // new
	Retag        []build.Build // got a tag, and may be Held for it; only while they are Queued
	Hold         []build.Hold  // of builds in Add or Retag that are Held
	Supersede    []string      // projects whose older queued builds are not to be sent any more
	Outdate      []string      // projects whose older holds wait for nothing any more
	SupersededBy string        // the words for them
	Early        bool          // it may read otherwise in a moment; not written
}

// Plain says whether the decision changes nothing but its delivery.
func (d Decision) Plain() bool {
	return len(d.Add)+len(d.Retag)+len(d.Hold)+len(d.Supersede)+len(d.Outdate) == 0
}

// Decide writes decisions, all of them or none. A delivery that is decided
// already stays as it is, and nothing is written: ErrMoved. The same if a build
// to be retagged is no longer queued, or one to be added is there.
func (l *Ledger) Decide(ctx context.Context, decisions ...Decision) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return each(decisions, func(d Decision) error { return d.write(ctx, tx) })
	})
	if err != nil {
		return fmt.Errorf("decide delivery %s: %w", decisions[len(decisions)-1].Delivery, err)
	}
	return nil
}

func (d Decision) write(ctx context.Context, tx *sql.Tx) error {
	return errors.Join(
		decide(ctx, tx, d),
		supersede(ctx, tx, d),
		each(d.Outdate, func(project string) error { return outdate(ctx, tx, project, d.SupersededBy) }),
		each(d.Add, func(b build.Build) error { return insert(ctx, tx, b) }),
		each(d.Retag, func(b build.Build) error { return retag(ctx, tx, b) }),
		each(d.Hold, func(h build.Hold) error { return hold(ctx, tx, h) }),
	)
}

func each[T any](list []T, do func(T) error) error {
	for _, one := range list {
		if err := do(one); err != nil {
			return err
		}
	}
	return nil
}

func decide(ctx context.Context, tx *sql.Tx, d Decision) error {
	return oneRow(tx.ExecContext(ctx, `UPDATE deliveries
		SET verdict = ?, why = ?, build = ?, "commit" = CASE WHEN ? = '' THEN "commit" ELSE ? END
		WHERE id = ? AND verdict = 'pending'`,
		d.Verdict, d.Why, d.Build, d.Commit, d.Commit, d.Delivery))
}

// oneRow makes a write that hit no row an error.
func oneRow(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return ErrMoved
}

func supersede(ctx context.Context, tx *sql.Tx, d Decision) error {
	for _, project := range d.Supersede {
		_, err := tx.ExecContext(ctx, `UPDATE builds SET state = 'superseded', why = ?
			WHERE project = ? AND state = 'queued' AND step = ''`, d.SupersededBy, project)
		if err != nil {
			return err
		}
	}
	return nil
}

const buildColumns = `id, project, job, "commit", attempt, branch, tag, version, by, message,
	state, why, accepted, taken, number, url, created, triggered, started, ended, tree, release, command, step, only`

func insert(ctx context.Context, tx *sql.Tx, b build.Build) error {
	return oneRow(tx.ExecContext(ctx, `INSERT INTO builds (`+buildColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (project, "commit", command, only, attempt) DO NOTHING`,
		b.ID, b.Project, b.Job, b.Commit, b.Attempt, b.Branch, b.Tag, b.Version, b.By, b.Message,
		b.State, b.Why, b.Accepted, b.Taken, b.Number, b.URL,
		timeText(b.Created), timeText(b.Triggered), timeText(b.Started), timeText(b.Ended),
		b.Tree, b.Release, b.Command, b.Step, b.Only))
}

func retag(ctx context.Context, tx *sql.Tx, b build.Build) error {
	return oneRow(tx.ExecContext(ctx,
		`UPDATE builds SET tag = ?, version = ?, state = ?, why = ? WHERE id = ? AND state = 'queued'`,
		b.Tag, b.Version, b.State, b.Why, b.ID))
}

// Move writes how far a build is, if it is still in the state from; otherwise
// ErrMoved.
func (l *Ledger) Move(ctx context.Context, from build.State, b build.Build) error {
	err := oneRow(l.exec(ctx, `UPDATE builds
		SET state = ?, why = ?, accepted = ?, taken = ?, number = ?, url = ?, triggered = ?, started = ?, ended = ?
		WHERE id = ? AND state = ?`,
		b.State, b.Why, b.Accepted, b.Taken, b.Number, b.URL,
		timeText(b.Triggered), timeText(b.Started), timeText(b.Ended), b.ID, from))
	if err != nil {
		return fmt.Errorf("write build %s as %s: %w", b.ID, b.State, err)
	}
	return nil
}

// Begin moves a queued build to Triggered, and gives it as it stands then: with
// a tag that came at the last moment. ErrMoved if it isn't queued any more.
func (l *Ledger) Begin(ctx context.Context, id string, now time.Time) (build.Build, error) {
	var b build.Build
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		b, err = scanBuild(tx.QueryRowContext(ctx, `UPDATE builds SET state = 'triggered', why = '', triggered = ?
			WHERE id = ? AND state = 'queued' RETURNING `+buildColumns, timeText(now), id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrMoved
		}
		return err
	})
	if err != nil {
		return b, fmt.Errorf("write build %s as triggered: %w", id, err)
	}
	return b, nil
}

func scanBuild(row interface{ Scan(...any) error }) (build.Build, error) {
	var b build.Build
	var created, triggered, started, ended string
	err := row.Scan(&b.ID, &b.Project, &b.Job, &b.Commit, &b.Attempt, &b.Branch, &b.Tag, &b.Version, &b.By, &b.Message,
		&b.State, &b.Why, &b.Accepted, &b.Taken, &b.Number, &b.URL, &created, &triggered, &started, &ended,
		&b.Tree, &b.Release, &b.Command, &b.Step, &b.Only)
	b.Created, b.Triggered = parseTime(created), parseTime(triggered)
	b.Started, b.Ended = parseTime(started), parseTime(ended)
	return b, err
}

func scanBuildRows(rows *sql.Rows) (build.Build, error) { return scanBuild(rows) }

// Open are the builds of a project that are not over, oldest first.
func (l *Ledger) Open(ctx context.Context, project string) ([]build.Build, error) {
	return l.builds(ctx, `SELECT `+buildColumns+` FROM builds
		WHERE project = ? AND state IN ('queued', 'triggered', 'running') ORDER BY seq`, project)
}

// OpenProjects are the projects that have builds which are not over.
func (l *Ledger) OpenProjects(ctx context.Context) ([]string, error) {
	return l.names(ctx, `SELECT DISTINCT project FROM builds WHERE state IN ('queued', 'triggered', 'running')`)
}

// Builds are the newest builds of a project (empty: of all), newest first.
func (l *Ledger) Builds(ctx context.Context, project string, limit int) ([]build.Build, error) {
	if project == "" {
		return l.builds(ctx, `SELECT `+buildColumns+` FROM builds ORDER BY seq DESC LIMIT ?`, limit)
	}
	return l.builds(ctx, `SELECT `+buildColumns+` FROM builds
		WHERE project = ? ORDER BY seq DESC LIMIT ?`, project, limit)
}

// Older are the builds of a project that were made before the given one, newest first.
func (l *Ledger) Older(ctx context.Context, project, before string, limit int) ([]build.Build, error) {
	return l.builds(ctx, `SELECT `+buildColumns+` FROM builds
		WHERE project = ? AND seq < (SELECT seq FROM builds WHERE id = ?) ORDER BY seq DESC LIMIT ?`, project, before, limit)
}

func (l *Ledger) builds(ctx context.Context, text string, args ...any) ([]build.Build, error) {
	found, err := query(ctx, l.read, scanBuildRows, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list builds: %w", err)
	}
	return found, nil
}

// Build is the build with the ID.
func (l *Ledger) Build(ctx context.Context, id string) (build.Build, error) {
	return l.build(ctx, "build "+id, `WHERE id = ?`, id)
}

// Numbered is the build of a job that Jenkins gave the number.
func (l *Ledger) Numbered(ctx context.Context, job string, number int64) (build.Build, error) {
	return l.build(ctx, fmt.Sprintf("build %s #%d", job, number),
		`WHERE job = ? AND number = ? AND number <> 0 ORDER BY seq DESC LIMIT 1`, job, number)
}

// Of is the last attempt to build the commit for just these servers, as Build.Only
// names them; empty: for all. Commands that a checklist ran there are none.
func (l *Ledger) Of(ctx context.Context, project, commit, only string) (build.Build, error) {
	return l.build(ctx, fmt.Sprintf("build of %s in %s", commit, project),
		`WHERE project = ? AND "commit" = ? AND command = '' AND only = ? ORDER BY attempt DESC LIMIT 1`, project, commit, only)
}

func (l *Ledger) build(ctx context.Context, what, where string, args ...any) (build.Build, error) {
	b, err := scanBuild(l.read.QueryRowContext(ctx, `SELECT `+buildColumns+` FROM builds `+where, args...))
	if err != nil {
		return b, fmt.Errorf("%s: %w", what, notFound(err))
	}
	return b, nil
}
