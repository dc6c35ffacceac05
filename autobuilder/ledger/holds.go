package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"autobuilder/build"
)

// hold writes a release that waits, with its steps.
func hold(ctx context.Context, tx *sql.Tx, h build.Hold) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO holds (build, project, why, state, needed, checklist, problem, since, deadline, ended)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')`,
		h.Build, h.Project, h.Why, build.Waiting, h.Needed, h.Checklist, h.Problem, timeText(h.Since), timeText(h.Deadline))
	for _, s := range h.Steps {
		err = errors.Join(err, addStep(ctx, tx, h.Build, s))
	}
	return errors.Join(err, note(ctx, tx, build.Act{
		Build: h.Build, Kind: build.ActHold, By: build.Itself, Note: h.Why, At: h.Since,
	}))
}

func addStep(ctx context.Context, tx *sql.Tx, id string, s build.Item) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO steps (build, n, line, kind, text, project, version, command, wait,
		state, why, child, by, started, due, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', '', '', '')`,
		id, s.N, s.Line, s.Kind, s.Text, s.Project, s.Version, s.Command, int64(s.Wait), build.ItemTodo)
	return err
}

func note(ctx context.Context, tx *sql.Tx, a build.Act) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO acts (build, step, kind, by, note, at) VALUES (?, ?, ?, ?, ?, ?)`,
		a.Build, a.Step, a.Kind, a.By, a.Note, timeText(a.At))
	return err
}

// Approve writes an approval. The one that makes them enough lets the release
// go: to its checklist, or to Jenkins if it has none. Who approved already
// changes nothing by doing so again; ErrMoved if the hold waits no more.
func (l *Ledger) Approve(ctx context.Context, act build.Act) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var needed, have int
		err := tx.QueryRowContext(ctx, `SELECT needed FROM holds WHERE build = ? AND state = 'waiting'`, act.Build).Scan(&needed)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrMoved
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO acts (build, step, kind, by, note, at) VALUES (?, 0, 'approve', ?, ?, ?)
			ON CONFLICT DO NOTHING`, act.Build, act.By, act.Note, timeText(act.At))
		if err != nil {
			return err
		}
		row := tx.QueryRowContext(ctx, `SELECT count(*) FROM acts WHERE build = ? AND kind = 'approve'`, act.Build)
		if err := row.Scan(&have); err != nil || have < needed {
			return err
		}
		return approved(ctx, tx, act)
	})
	if err != nil {
		return fmt.Errorf("approve %s: %w", act.Build, err)
	}
	return nil
}

func approved(ctx context.Context, tx *sql.Tx, act build.Act) error {
	var steps int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM steps WHERE build = ?`, act.Build).Scan(&steps); err != nil {
		return err
	}
	if steps == 0 {
		return errors.Join(queueHeld(ctx, tx, act.Build, ""), release(ctx, tx, act))
	}
	return oneRow(tx.ExecContext(ctx, `UPDATE holds SET state = 'approved' WHERE build = ?`, act.Build))
}

// queueHeld gives the held build to the queue.
func queueHeld(ctx context.Context, tx *sql.Tx, id, step string) error {
	return oneRow(tx.ExecContext(ctx,
		`UPDATE builds SET state = 'queued', why = '', step = ? WHERE id = ? AND state = 'held'`, step, id))
}

// release ends a hold well.
func release(ctx context.Context, tx *sql.Tx, act build.Act) error {
	err := oneRow(tx.ExecContext(ctx, `UPDATE holds SET state = 'released', ended = ?
		WHERE build = ? AND state IN ('waiting', 'approved')`, timeText(act.At), act.Build))
	return errors.Join(err, note(ctx, tx, build.Act{Build: act.Build, Kind: build.ActRelease, By: act.By, At: act.At}))
}

// Reject ends a hold, and its build with it if it still waits. ErrMoved if
// the hold is not open.
func (l *Ledger) Reject(ctx context.Context, act build.Act) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error { return end(ctx, tx, act, build.Refused, build.Rejected) })
	if err != nil {
		return fmt.Errorf("reject %s: %w", act.Build, err)
	}
	return nil
}

// Expire ends a hold that nobody approved in time.
func (l *Ledger) Expire(ctx context.Context, act build.Act) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error { return end(ctx, tx, act, build.Expired, build.Rejected) })
	if err != nil {
		return fmt.Errorf("expire %s: %w", act.Build, err)
	}
	return nil
}

func end(ctx context.Context, tx *sql.Tx, act build.Act, as build.HoldState, held build.State) error {
	err := oneRow(tx.ExecContext(ctx, `UPDATE holds SET state = ?, why = ?, ended = ?
		WHERE build = ? AND state IN ('waiting', 'approved')`, as, act.Note, timeText(act.At), act.Build))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE builds SET state = ?, why = ?, ended = ? WHERE id = ? AND state = 'held'`,
		held, act.Note, timeText(act.At), act.Build)
	return errors.Join(err, note(ctx, tx, act))
}

// outdate ends the holds of a project that still wait for approvals, as a
// newer release came. One whose checklist has begun goes on.
func outdate(ctx context.Context, tx *sql.Tx, project, why string) error {
	rows, err := tx.QueryContext(ctx, `SELECT build FROM holds WHERE project = ? AND state = 'waiting'`, project)
	if err != nil {
		return err
	}
	ids, err := all(rows, func(rows *sql.Rows) (string, error) {
		var id string
		return id, rows.Scan(&id)
	})
	for _, id := range ids {
		act := build.Act{Build: id, Kind: build.ActExpire, By: build.Itself, Note: why, At: time.Now()}
		err = errors.Join(err, end(ctx, tx, act, build.Expired, build.Superseded))
	}
	return err
}

const holdColumns = `h.build, h.project, b."commit", b.tag, b.by, b.message, h.why, h.state, h.needed, h.checklist, h.problem,
	h.since, h.deadline, h.ended, b.only FROM holds h JOIN builds b ON b.id = h.build`

func scanHold(rows *sql.Rows) (build.Hold, error) {
	var h build.Hold
	var since, deadline, ended string
	err := rows.Scan(&h.Build, &h.Project, &h.Commit, &h.Tag, &h.By, &h.Message, &h.Why, &h.State, &h.Needed, &h.Checklist,
		&h.Problem, &since, &deadline, &ended, &h.Only)
	h.Since, h.Deadline, h.Ended = parseTime(since), parseTime(deadline), parseTime(ended)
	return h, err
}

// Hold is one hold with its steps and what was done about it.
func (l *Ledger) Hold(ctx context.Context, id string) (build.Hold, error) {
	found, err := l.holds(ctx, `WHERE h.build = ?`, id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("hold %s: %w", id, build.ErrUnknown)
	}
	if err != nil {
		return build.Hold{}, err
	}
	return found[0], nil
}

// OpenHolds are those that wait or whose checklist is worked through, oldest first.
func (l *Ledger) OpenHolds(ctx context.Context) ([]build.Hold, error) {
	return l.holds(ctx, `WHERE h.state IN ('waiting', 'approved') ORDER BY b.seq`)
}

// Holds are the newest holds, newest first.
func (l *Ledger) Holds(ctx context.Context, limit int) ([]build.Hold, error) {
	return l.holds(ctx, `ORDER BY b.seq DESC LIMIT ?`, limit)
}

func (l *Ledger) holds(ctx context.Context, where string, args ...any) ([]build.Hold, error) {
	found, err := query(ctx, l.read, scanHold, `SELECT `+holdColumns+` `+where, args...)
	for i := range found {
		if err == nil {
			found[i].Steps, err = query(ctx, l.read, scanStep, `SELECT `+stepColumns+` FROM steps WHERE build = ? ORDER BY n`, found[i].Build)
		}
		if err == nil {
			found[i].Acts, err = query(ctx, l.read, scanAct, `SELECT build, step, kind, by, note, at FROM acts WHERE build = ? ORDER BY seq`, found[i].Build)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return found, nil
}

func scanAct(rows *sql.Rows) (build.Act, error) {
	var a build.Act
	var at string
	err := rows.Scan(&a.Build, &a.Step, &a.Kind, &a.By, &a.Note, &at)
	a.At = parseTime(at)
	return a, err
}
