package ledger

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// shelf writes deliveries that come at the same time with one sync of the
// disk: while one write is under way, what comes meanwhile gathers for the next.
// Nobody waits for company, and nobody is told before the disk has it.
type shelf struct {
	mu      sync.Mutex
	waiting []*row
	turn    sync.Mutex // held by who writes
}

// row is a delivery on its way to the disk.
type row struct {
	values []any
	done   bool
	err    error
}

// mostRows bounds a write, so that the first of a crowd doesn't wait for all.
const mostRows = 256

// put returns when the row is on disk.
func (s *shelf) put(db *sql.DB, values []any) error {
	r := &row{values: values}
	s.mu.Lock()
	s.waiting = append(s.waiting, r)
	s.mu.Unlock()
	s.turn.Lock()
	defer s.turn.Unlock()
	for !r.done { // another's write may have taken it along
		s.write(db, s.take())
	}
	return r.err
}

func (s *shelf) take() []*row {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), mostRows)
	rows := s.waiting[:n:n]
	if s.waiting = s.waiting[n:]; len(s.waiting) == 0 {
		s.waiting = nil // lets go of the bodies
	}
	return rows
}

// write has no context: the rows are of several callers, and one that goes away
// takes nothing from the others.
func (s *shelf) write(db *sql.DB, rows []*row) {
	err := insertRows(context.Background(), db, rows)
	for _, r := range rows {
		r.done, r.err = true, err
	}
}

func insertRows(ctx context.Context, db *sql.DB, rows []*row) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, r := range rows {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO deliveries (id, event, received, body, repo, ref, "commit", by, push, verdict, why)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`, r.values...)
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}
