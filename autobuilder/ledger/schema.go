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
`, people, lookups, pages, telling, versions, some}
}

// some adds builds and rollouts that go to some servers only. Each list of servers
// has its own attempts at a commit, and the table's key has the list in it: so
// that what goes to all servers is counted, and kept from being made twice, as before.
const some = `
DROP TRIGGER builds_new;
DROP TRIGGER builds_moved;
DROP TRIGGER acts_new;
CREATE TABLE builds_some (
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
	tree      TEXT NOT NULL,
	release   TEXT NOT NULL,
	command   TEXT NOT NULL,
	step      TEXT NOT NULL,
	only      TEXT NOT NULL,
	UNIQUE (project, "commit", command, only, attempt)
) STRICT;
INSERT INTO builds_some SELECT seq, id, project, job, "commit", attempt, branch, tag, version, by, message, state, why,
	accepted, taken, number, url, created, triggered, started, ended, tree, release, command, step, '' FROM builds;
DROP TABLE builds;
ALTER TABLE builds_some RENAME TO builds;
CREATE INDEX builds_open ON builds (project, seq) WHERE state IN ('queued', 'triggered', 'running');
CREATE INDEX builds_project ON builds (project, seq);
CREATE INDEX builds_tag ON builds (project, tag) WHERE tag <> '';
CREATE INDEX builds_tree ON builds (project, tree) WHERE tree <> '';
CREATE INDEX builds_number ON builds (job, number) WHERE number <> 0;
CREATE INDEX builds_good ON builds (project, ended) WHERE state = 'succeeded' AND command = '' AND only = '';
CREATE INDEX builds_version ON builds (project, ended) WHERE state = 'succeeded' AND only = '' AND version <> '';
ALTER TABLE rollouts ADD COLUMN only TEXT NOT NULL DEFAULT '';
DROP INDEX rollouts_live;
CREATE INDEX rollouts_live ON rollouts (project, environment, ended) WHERE result IN ('ok', 'partial') AND only = '';
` + buildsTold

// versions finds the last version of a project without reading its history.
const versions = `
CREATE INDEX builds_version ON builds (project, ended) WHERE state = 'succeeded' AND version <> '';
`

// pages adds what the page shows of a rollout, and lets it look for a push and
// for what is live without reading a month's history.
const pages = `
ALTER TABLE rollouts ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE rollouts ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollouts ADD COLUMN hosts TEXT NOT NULL DEFAULT 'null';
CREATE INDEX deliveries_repo ON deliveries (repo, seq);
CREATE INDEX deliveries_name ON deliveries (ref, seq);
CREATE INDEX deliveries_commit ON deliveries ("commit", seq) WHERE "commit" <> '';
CREATE INDEX deliveries_by ON deliveries (by COLLATE NOCASE, seq);
CREATE INDEX builds_good ON builds (project, ended) WHERE state = 'succeeded' AND command = '';
`

// lookups keep a month's history from being read as a whole.
const lookups = `
CREATE INDEX deliveries_build ON deliveries (build, seq) WHERE build <> '';
CREATE INDEX builds_number ON builds (job, number) WHERE number <> 0;
`

// people adds what releases wait for: holds, their checklists, who did what, and
// the rollouts that deliver tells of. A build may now be one that builds nothing:
// the table is made anew, as its key has the command in it.
const people = `
CREATE TABLE builds_new (
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
	tree      TEXT NOT NULL DEFAULT '',
	release   TEXT NOT NULL DEFAULT '',
	command   TEXT NOT NULL DEFAULT '',
	step      TEXT NOT NULL DEFAULT '',
	UNIQUE (project, "commit", command, attempt)
) STRICT;
INSERT INTO builds_new SELECT seq, id, project, job, "commit", attempt, branch, tag, version, by, message, state, why,
	accepted, taken, number, url, created, triggered, started, ended, '', '', '', '' FROM builds;
DROP TABLE builds;
ALTER TABLE builds_new RENAME TO builds;
CREATE INDEX builds_open ON builds (project, seq) WHERE state IN ('queued', 'triggered', 'running');
CREATE INDEX builds_project ON builds (project, seq);
CREATE INDEX builds_tag ON builds (project, tag) WHERE tag <> '';
CREATE INDEX builds_tree ON builds (project, tree) WHERE tree <> '';
CREATE TABLE holds (
	build     TEXT PRIMARY KEY,
	project   TEXT NOT NULL,
	why       TEXT NOT NULL,
	state     TEXT NOT NULL,
	needed    INTEGER NOT NULL,
	checklist TEXT NOT NULL,
	problem   TEXT NOT NULL,
	since     TEXT NOT NULL,
	deadline  TEXT NOT NULL,
	ended     TEXT NOT NULL
) STRICT;
CREATE INDEX holds_open ON holds (project) WHERE state IN ('waiting', 'approved');
CREATE TABLE steps (
	build   TEXT NOT NULL,
	n       INTEGER NOT NULL,
	line    INTEGER NOT NULL,
	kind    TEXT NOT NULL,
	text    TEXT NOT NULL,
	project TEXT NOT NULL,
	version TEXT NOT NULL,
	command TEXT NOT NULL,
	wait    INTEGER NOT NULL,
	state   TEXT NOT NULL,
	why     TEXT NOT NULL,
	child   TEXT NOT NULL,
	by      TEXT NOT NULL,
	started TEXT NOT NULL,
	due     TEXT NOT NULL,
	ended   TEXT NOT NULL,
	PRIMARY KEY (build, n)
) STRICT;
CREATE TABLE acts (
	seq   INTEGER PRIMARY KEY AUTOINCREMENT,
	build TEXT NOT NULL,
	step  INTEGER NOT NULL,
	kind  TEXT NOT NULL,
	by    TEXT NOT NULL,
	note  TEXT NOT NULL,
	at    TEXT NOT NULL
) STRICT;
CREATE INDEX acts_build ON acts (build, seq);
CREATE UNIQUE INDEX acts_approvals ON acts (build, by COLLATE NOCASE) WHERE kind = 'approve';
CREATE TABLE rollouts (
	run         TEXT PRIMARY KEY,
	build       TEXT NOT NULL,
	project     TEXT NOT NULL,
	environment TEXT NOT NULL,
	action      TEXT NOT NULL,
	release     TEXT NOT NULL,
	version     TEXT NOT NULL,
	"commit"    TEXT NOT NULL,
	by          TEXT NOT NULL,
	result      TEXT NOT NULL,
	error       TEXT NOT NULL,
	started     TEXT NOT NULL,
	ended       TEXT NOT NULL
) STRICT;
CREATE INDEX rollouts_live ON rollouts (project, environment, ended) WHERE result IN ('ok', 'partial');
CREATE INDEX rollouts_commit ON rollouts (project, "commit");
CREATE INDEX rollouts_build ON rollouts (build);
`

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
