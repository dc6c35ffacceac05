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
INSERT INTO deliveries (id, event, received, body, repo, ref, "commit", by, push)
	VALUES ('d1', 'push', '2026-11-23T12:00:00.000000Z', x'7b7d', 'acme/shop', 'refs/heads/master', 'c1', 'ada', '{"repo":"acme/shop","commit":"c1"}');
INSERT INTO builds VALUES (1, 'b1', 'shop', 'shop', 'c1', 1, 'master', 'v1.0.0', 'v1.0.0', 'ada', 'one', 'succeeded', '', 1, 1, 7,
	'http://ci.test/7', '2026-11-23T12:00:00.000000Z', '2026-11-23T12:00:01.000000Z', '2026-11-23T12:00:02.000000Z', '2026-11-23T12:00:03.000000Z');
INSERT INTO builds VALUES (2, 'b2', 'shop', 'shop', 'c2', 1, 'master', '', '', 'ada', 'two', 'queued', '', 0, 0, 0,
	'', '2026-11-23T12:01:00.000000Z', '', '', '');
PRAGMA user_version = 1;
