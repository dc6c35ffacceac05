// Package ledger keeps every delivery and every build in SQLite, on disk before
// anybody is told that they are kept.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"

	"autobuilder/build"
)

// ErrMoved says that a delivery or build was no longer in the state that it was
// to be moved from; nothing was written.
var ErrMoved = errors.New("it has moved on in the ledger")

// Ledger is the database. What it has written survives the process and a
// power cut: each write is synced before it returns. Safe for concurrent use,
// also by several processes.
type Ledger struct {
	write *writer // one connection: writers wait for each other there, not in SQLite
	read  *statements
	watch *sql.DB // one connection: what it sees others write is counted
}

const readers = 4

// Open opens the ledger in the file, which is made if it isn't there.
func Open(ctx context.Context, path string) (*Ledger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	write, err := connect(path, 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), write.Close())
	}
	read, err := connect(path, readers, "query_only(true)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	watch, err := connect(path, 1, "query_only(true)")
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return &Ledger{write: newWriter(write), read: newStatements(read), watch: watch}, nil
}

func connect(path string, connections int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(true)",
	}, pragmas...)}
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}).String()
	// A commit waits for the data and the file's size, not for its times.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}

// Close ends the connections.
func (l *Ledger) Close() error {
	return errors.Join(l.watch.Close(), l.read.Close(), l.write.close())
}

// Version changes with every write to the ledger, whichever process makes it.
func (l *Ledger) Version(ctx context.Context) (int64, error) {
	var version int64
	if err := l.watch.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("look whether the ledger has changed: %w", err)
	}
	return version, nil
}

// inTx runs the writes as one: all of them or none. They are on disk when it
// returns.
func (l *Ledger) inTx(ctx context.Context, writes func(context.Context, *sql.Tx) error) error {
	return l.write.put(ctx, writes)
}

// exec is a write of one statement.
func (l *Ledger) exec(ctx context.Context, text string, args ...any) (result sql.Result, err error) {
	stmt, err := l.write.db.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	err = l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err = tx.StmtContext(ctx, stmt).ExecContext(ctx, args...) //nolint:sqlclosecheck // ends with the transaction
		return err
	})
	return result, err
}

// Times stand as text that sorts, so that a person with the sqlite3 program
// can read them.
const timeLayout = "2006-01-02T15:04:05.000000Z"

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeLayout)
}

func parseTime(text string) time.Time {
	t, err := time.Parse(timeLayout, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return build.ErrUnknown
	}
	return err
}
