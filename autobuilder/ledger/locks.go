package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"autobuilder/build"
)

// Lock locks a project. ErrMoved if somebody else has locked it; who did so
// themselves changes the reason and the end.
func (l *Ledger) Lock(ctx context.Context, lock build.Lock) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := oneRow(tx.ExecContext(ctx, `INSERT INTO locks (project, by, reason, since, until) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET reason = excluded.reason, since = excluded.since, until = excluded.until
			WHERE locks.by = excluded.by COLLATE NOCASE`,
			lock.Project, lock.By, lock.Reason, timeText(lock.Since), timeText(lock.Until)))
		if err != nil {
			return err
		}
		return tell(ctx, tx, build.Event{Kind: build.EventLocked, Project: lock.Project, By: lock.By, Note: lock.Reason})
	})
	if err != nil {
		return fmt.Errorf("lock %s: %w", lock.Project, err)
	}
	return nil
}

// Unlock ends the lock of a project; build.ErrUnknown if it has none.
func (l *Ledger) Unlock(ctx context.Context, project, by, note string) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := oneRow(tx.ExecContext(ctx, `DELETE FROM locks WHERE project = ?`, project))
		if errors.Is(err, ErrMoved) {
			return build.ErrUnknown
		}
		if err != nil {
			return err
		}
		return tell(ctx, tx, build.Event{Kind: build.EventUnlocked, Project: project, By: by, Note: note})
	})
	if err != nil {
		return fmt.Errorf("unlock %s: %w", project, err)
	}
	return nil
}

// tell writes an event of a lock; those of builds are written by triggers.
func tell(ctx context.Context, tx *sql.Tx, e build.Event) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO events (kind, project, thread, by, note) VALUES (?, ?, ?, ?, ?)`,
		e.Kind, e.Project, "lock "+e.Project, e.By, e.Note)
	return err
}

// Locks are those of all projects.
func (l *Ledger) Locks(ctx context.Context) ([]build.Lock, error) {
	found, err := query(ctx, l.read, scanLock, `SELECT project, by, reason, since, until FROM locks ORDER BY project`)
	if err != nil {
		return nil, fmt.Errorf("list locks: %w", err)
	}
	return found, nil
}

// LockOf is the lock of a project, or nil.
func (l *Ledger) LockOf(ctx context.Context, project string) (*build.Lock, error) {
	found, err := query(ctx, l.read, scanLock, `SELECT project, by, reason, since, until FROM locks WHERE project = ?`, project)
	if err != nil {
		return nil, fmt.Errorf("look for a lock of %s: %w", project, err)
	}
	if len(found) == 0 {
		return nil, nil //nolint:nilnil // that there is none is no error
	}
	return &found[0], nil
}

func scanLock(rows *sql.Rows) (build.Lock, error) {
	var l build.Lock
	var since, until string
	err := rows.Scan(&l.Project, &l.By, &l.Reason, &since, &until)
	l.Since, l.Until = parseTime(since), parseTime(until)
	return l, err
}

// Expired ends the locks whose time is over.
func (l *Ledger) Expired(ctx context.Context, now time.Time) error {
	locks, err := l.Locks(ctx)
	for _, lock := range locks {
		if !lock.Until.IsZero() && !now.Before(lock.Until) {
			err = errors.Join(err, l.Unlock(ctx, lock.Project, build.Itself, "its time is over"))
		}
	}
	return err
}
