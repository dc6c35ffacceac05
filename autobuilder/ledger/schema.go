package ledger

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations lead from each version of the schema to the next. What has been
// released is never changed: add another.
func migrations() []string {
	return []string{`
CREATE TABLE deliveries (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT NOT NULL UNIQUE,
	event    TEXT NOT NULL,
	received TEXT NOT NULL,
	body     BLOB NOT NULL,
	repo     TEXT NOT NULL COLLATE NOCASE,
	ref      TEXT NOT NULL,
	"commit" TEXT NOT NULL,
	by       TEXT NOT NULL,
	push     TEXT NOT NULL,
	verdict  TEXT NOT NULL DEFAULT 'pending',
	why      TEXT NOT NULL DEFAULT '',
	build    TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX deliveries_pending ON deliveries (repo, seq) WHERE verdict = 'pending';
CREATE INDEX deliveries_ref ON deliveries (repo, ref, "commit");
CREATE TABLE builds (
	seq       INTEGER PRIMARY KEY AUTOINCREMENT,
	id        TEXT NOT NULL UNIQUE,
	project   TEXT NOT NULL,
	job       TEXT NOT NULL,
	"commit"  TEXT NOT NULL,
	attempt   INTEGER NOT NULL,
	branch    TEXT NOT NULL,
	tag       TEXT NOT NULL,
	version   TEXT NOT NULL,
	by        TEXT NOT NULL,
	message   TEXT NOT NULL,
	state     TEXT NOT NULL,
	why       TEXT NOT NULL,
	accepted  INTEGER NOT NULL,
	taken     INTEGER NOT NULL,
	number    INTEGER NOT NULL,
	url       TEXT NOT NULL,
	created   TEXT NOT NULL,
	triggered TEXT NOT NULL,
	started   TEXT NOT NULL,
	ended     TEXT NOT NULL,
	UNIQUE (project, "commit", attempt)
) STRICT;
CREATE INDEX builds_open ON builds (project, seq) WHERE state IN ('queued', 'triggered', 'running');
CREATE INDEX builds_project ON builds (project, seq);
`}
}

func migrate(ctx context.Context, db *sql.DB) error {
	steps := migrations()
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("a newer autobuilder made it (schema %d, this program knows %d): run that one", version, len(steps))
	}
	for i := version; i < len(steps); i++ {
		if err := migrateOne(ctx, db, steps[i], i+1); err != nil {
			return fmt.Errorf("migrate to schema %d: %w", i+1, err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, db *sql.DB, step string, version int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to undo
	// Another process may have been here first.
	var now int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now); err != nil || now >= version {
		return err
	}
	if _, err := tx.ExecContext(ctx, step+fmt.Sprintf("; PRAGMA user_version = %d", version)); err != nil {
		return err
	}
	return tx.Commit()
}
