package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"autobuilder/build"
)

const stepColumns = `n, line, kind, text, project, version, command, wait, state, why, child, by, started, due, ended`

func scanStep(rows *sql.Rows) (build.Item, error) {
	var s build.Item
	var wait int64
	var started, due, ended string
	err := rows.Scan(&s.N, &s.Line, &s.Kind, &s.Text, &s.Project, &s.Version, &s.Command, &wait, &s.State, &s.Why, &s.Child,
		&s.By, &started, &due, &ended)
	s.Wait = time.Duration(wait)
	s.Started, s.Due, s.Ended = parseTime(started), parseTime(due), parseTime(ended)
	return s, err
}

// Advance is one move of a checklist, with what it brings about. It is written
// whole or not at all, so that no step is begun twice.
type Advance struct {
	Act   build.Act       // of the step Act.Step
	From  build.ItemState // the step's state until now: if it is another one, ErrMoved
	To    build.Item      // the step from now on
	Add   *build.Build    // a build that does the step; ErrMoved if the ledger has one of its name
	Queue string          // a held build that does it
}

// Advance moves a step of a hold that is approved.
func (l *Ledger) Advance(ctx context.Context, a Advance) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := errors.Join(stillApproved(ctx, tx, a.Act.Build), moveStep(ctx, tx, a))
		if err == nil && a.Add != nil {
			err = insert(ctx, tx, *a.Add)
		}
		if err == nil && a.Queue != "" {
			err = a.queue(ctx, tx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("write step %d of %s as %s: %w", a.Act.Step, a.Act.Build, a.To.State, err)
	}
	return nil
}

func stillApproved(ctx context.Context, tx *sql.Tx, id string) error {
	var open bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM holds WHERE build = ? AND state = 'approved')`, id).Scan(&open)
	if err == nil && !open {
		err = ErrMoved
	}
	return err
}

func moveStep(ctx context.Context, tx *sql.Tx, a Advance) error {
	s := a.To
	err := oneRow(tx.ExecContext(ctx, `UPDATE steps SET state = ?, why = ?, child = ?, by = ?, started = ?, due = ?, ended = ?
		WHERE build = ? AND n = ? AND state = ?`,
		s.State, s.Why, s.Child, s.By, timeText(s.Started), timeText(s.Due), timeText(s.Ended), a.Act.Build, a.Act.Step, a.From))
	if err != nil || a.Act.Kind == "" {
		return err
	}
	return note(ctx, tx, a.Act)
}

// queue lets a held build go. One of another project had its own hold: the
// checklist names its version, so that whoever approved the one approved it too.
func (a Advance) queue(ctx context.Context, tx *sql.Tx) error {
	if err := queueHeld(ctx, tx, a.Queue, fmt.Sprintf("%s/%d", a.Act.Build, a.Act.Step)); err != nil || a.Queue == a.Act.Build {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE holds SET state = 'released', why = ?, ended = ? WHERE build = ? AND state IN ('waiting', 'approved')`,
		"a step of "+a.Act.Build, timeText(a.Act.At), a.Queue)
	return errors.Join(err, note(ctx, tx, build.Act{
		Build: a.Queue, Kind: build.ActRelease, By: a.Act.By, Note: "a step of " + a.Act.Build, At: a.Act.At,
	}))
}

// Complete ends a hold whose steps are all done. Its build goes to Jenkins if no
// step has sent it there.
func (l *Ledger) Complete(ctx context.Context, act build.Act) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := errors.Join(stillApproved(ctx, tx, act.Build), release(ctx, tx, act))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE builds SET state = 'queued', why = '' WHERE id = ? AND state = 'held'`, act.Build)
		return err
	})
	if err != nil {
		return fmt.Errorf("complete %s: %w", act.Build, err)
	}
	return nil
}
