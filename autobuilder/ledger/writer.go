package ledger

import (
	"context"
	"database/sql"
	"errors"
	"slices"
)

// writer lets writes that come at the same time share one sync of the disk:
// while one transaction is under way, what comes meanwhile gathers for the next.
// Nobody waits for company, and nobody is told before the disk has it.
type writer struct {
	db       *statements // one connection
	incoming chan *write
	closing  chan struct{}
	ended    chan struct{}
}

// write is one caller's part of a transaction: all of it or nothing, whatever
// becomes of the others'.
type write struct {
	do     func(context.Context, *sql.Tx) error // may be called again, in another transaction
	result chan error
}

func newWriter(db *sql.DB) *writer {
	w := &writer{db: newStatements(db), incoming: make(chan *write), closing: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

var errClosed = errors.New("the ledger is closed")

// put returns when the write is on disk, or was not done.
func (w *writer) put(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	mine := &write{do: do, result: make(chan error, 1)}
	select {
	case w.incoming <- mine:
		return <-mine.result // a caller that goes away does not take it back
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return errClosed
	}
}

// close ends the connection after the write that is under way.
func (w *writer) close() error {
	close(w.closing)
	<-w.ended
	return w.db.Close()
}

func (w *writer) run() {
	defer close(w.ended)
	for {
		select {
		case first := <-w.incoming:
			w.commit(w.gather(first))
		case <-w.closing:
			return
		}
	}
}

// mostWrites bounds a transaction, so that the first of a crowd doesn't wait for all.
const mostWrites = 256

// gather adds those who wait already.
func (w *writer) gather(first *write) []*write {
	writes := []*write{first}
	for len(writes) < mostWrites {
		select {
		case next := <-w.incoming:
			writes = append(writes, next)
		default:
			return writes
		}
	}
	return writes
}

// commit does the writes, but for those that fail: these know why, and the
// others are done without them.
func (w *writer) commit(writes []*write) {
	for len(writes) > 0 {
		failed, err := w.transact(context.Background(), writes)
		if failed >= 0 {
			writes[failed].result <- err
			writes = slices.Delete(writes, failed, failed+1)
			continue
		}
		for _, one := range writes {
			one.result <- err
		}
		return
	}
}

// transact has no caller's context: the writes are of several. If one of them
// fails, none is done, and its index is given.
func (w *writer) transact(ctx context.Context, writes []*write) (failed int, err error) {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return -1, err
	}
	for i, one := range writes {
		if err := one.do(ctx, tx); err != nil {
			return i, errors.Join(err, tx.Rollback())
		}
	}
	return -1, tx.Commit()
}
