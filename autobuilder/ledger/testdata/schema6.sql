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
INSERT INTO deliveries VALUES(1,'d1','push','2026-11-23T12:00:00.123456Z',X'7b22726566223a22726566732f68656164732f6d6173746572227d','acme/shop','refs/heads/master','c-d1','ada','{"repo":"acme/shop","ref":"refs/heads/master","commit":"c-d1","pusher":"ada","message":"add a till"}','build','','b1');
INSERT INTO deliveries VALUES(2,'d2','push','2026-11-23T12:00:00.123456Z',X'7b22726566223a22726566732f68656164732f6d6173746572227d','acme/shop','refs/heads/master','c-d2','ada','{"repo":"acme/shop","ref":"refs/heads/master","commit":"c-d2","pusher":"ada","message":"add a till"}','build','','b2');
CREATE TABLE IF NOT EXISTS "builds" (
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
INSERT INTO builds VALUES(1,'b1','shop','shop','c1',1,'master','','','ada','add a till','succeeded','',0,0,7,'','2026-11-20T10:00:00.000000Z','2026-11-20T10:00:00.000000Z','','2026-11-20T10:01:00.000000Z','','','','');
INSERT INTO builds VALUES(2,'b2','shop','shop','c2',1,'master','','','ada','add a till','held','',0,0,0,'','2026-11-20T10:00:00.000000Z','','','','','','','');
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
INSERT INTO holds VALUES('b2','shop','a major','waiting',1,'','','2026-11-20T10:00:00.000000Z','','');
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
INSERT INTO acts VALUES(1,'b2',0,'hold','autobuilder','a major','2026-11-20T10:00:00.000000Z');
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
, sha256 TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0, hosts TEXT NOT NULL DEFAULT 'null') STRICT;
INSERT INTO rollouts VALUES('r1','b1','shop','','push','jenkins-shop-7','v1.2.0','c1','','ok','','2026-11-20T10:00:00.000000Z','2026-11-20T10:01:00.000000Z','',0,'null');
CREATE TABLE events (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z')),
	kind    TEXT NOT NULL,
	project TEXT NOT NULL,
	build   TEXT NOT NULL DEFAULT '',
	run     TEXT NOT NULL DEFAULT '',
	thread  TEXT NOT NULL,
	by      TEXT NOT NULL DEFAULT '',
	note    TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO events VALUES(1,'2026-11-26T02:50:12.660000Z','queued','shop','b1','','b1','ada','');
INSERT INTO events VALUES(2,'2026-11-26T02:50:12.661000Z','held','shop','b2','','b2','autobuilder','a major');
INSERT INTO events VALUES(3,'2026-11-26T02:50:12.662000Z','succeeded','shop','b1','','b1','ada','');
INSERT INTO events VALUES(4,'2026-11-26T02:50:12.663000Z','delivered','shop','b1','r1','b1','','');
CREATE TABLE notifiers (
	name    TEXT PRIMARY KEY,
	ordered TEXT NOT NULL CHECK (ordered IN ('thread', 'project'))
) STRICT;
CREATE TABLE outbox (
	notifier TEXT NOT NULL,
	event    INTEGER NOT NULL,
	lane     TEXT NOT NULL,
	tries    INTEGER NOT NULL DEFAULT 0,
	begun    TEXT NOT NULL DEFAULT '',
	due      TEXT NOT NULL DEFAULT '',
	error    TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (notifier, event)
) STRICT, WITHOUT ROWID;
CREATE TABLE threads (
	notifier TEXT NOT NULL,
	thread   TEXT NOT NULL,
	ref      TEXT NOT NULL,
	event    INTEGER NOT NULL,
	PRIMARY KEY (notifier, thread)
) STRICT, WITHOUT ROWID;
CREATE TABLE locks (
	project TEXT PRIMARY KEY,
	by      TEXT NOT NULL,
	reason  TEXT NOT NULL,
	since   TEXT NOT NULL,
	until   TEXT NOT NULL
) STRICT;
CREATE TABLE watches (
	build   TEXT PRIMARY KEY,
	project TEXT NOT NULL,
	since   TEXT NOT NULL,
	until   TEXT NOT NULL,
	asked   TEXT NOT NULL DEFAULT '',
	answers INTEGER NOT NULL DEFAULT 0,
	bad     INTEGER NOT NULL DEFAULT 0,
	state   TEXT NOT NULL DEFAULT 'open',
	why     TEXT NOT NULL DEFAULT ''
) STRICT;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('builds',2);
INSERT INTO sqlite_sequence VALUES('deliveries',2);
INSERT INTO sqlite_sequence VALUES('events',4);
INSERT INTO sqlite_sequence VALUES('acts',1);
CREATE INDEX deliveries_pending ON deliveries (repo, seq) WHERE verdict = 'pending';
CREATE INDEX deliveries_ref ON deliveries (repo, ref, "commit");
CREATE INDEX builds_open ON builds (project, seq) WHERE state IN ('queued', 'triggered', 'running');
CREATE INDEX builds_project ON builds (project, seq);
CREATE INDEX builds_tag ON builds (project, tag) WHERE tag <> '';
CREATE INDEX builds_tree ON builds (project, tree) WHERE tree <> '';
CREATE INDEX holds_open ON holds (project) WHERE state IN ('waiting', 'approved');
CREATE INDEX acts_build ON acts (build, seq);
CREATE UNIQUE INDEX acts_approvals ON acts (build, by COLLATE NOCASE) WHERE kind = 'approve';
CREATE INDEX rollouts_live ON rollouts (project, environment, ended) WHERE result IN ('ok', 'partial');
CREATE INDEX rollouts_commit ON rollouts (project, "commit");
CREATE INDEX rollouts_build ON rollouts (build);
CREATE INDEX deliveries_build ON deliveries (build, seq) WHERE build <> '';
CREATE INDEX builds_number ON builds (job, number) WHERE number <> 0;
CREATE INDEX deliveries_repo ON deliveries (repo, seq);
CREATE INDEX deliveries_name ON deliveries (ref, seq);
CREATE INDEX deliveries_commit ON deliveries ("commit", seq) WHERE "commit" <> '';
CREATE INDEX deliveries_by ON deliveries (by COLLATE NOCASE, seq);
CREATE INDEX builds_good ON builds (project, ended) WHERE state = 'succeeded' AND command = '';
CREATE INDEX events_locks ON events (seq) WHERE kind IN ('locked', 'unlocked');
CREATE INDEX outbox_lanes ON outbox (notifier, lane, event);
CREATE TRIGGER events_outbox AFTER INSERT ON events BEGIN
	INSERT INTO outbox (notifier, event, lane)
	SELECT name, NEW.seq, CASE ordered WHEN 'project' THEN NEW.project ELSE NEW.thread END FROM notifiers;
END;
CREATE INDEX watches_open ON watches (until) WHERE state = 'open';
CREATE TRIGGER builds_new AFTER INSERT ON builds WHEN NEW.command = '' AND NEW.state = 'queued' BEGIN
	INSERT INTO events (kind, project, build, thread, by, note) VALUES ('queued', NEW.project, NEW.id, NEW.id, NEW.by, NEW.why);
END;
CREATE TRIGGER builds_moved AFTER UPDATE OF state ON builds
	WHEN NEW.command = '' AND NEW.state <> OLD.state AND NEW.state NOT IN ('triggered', 'held', 'rejected')
	AND NOT (OLD.state = 'triggered' AND NEW.state = 'queued') BEGIN
	INSERT INTO events (kind, project, build, thread, by, note) VALUES (NEW.state, NEW.project, NEW.id, NEW.id, NEW.by, NEW.why);
END;
CREATE TRIGGER acts_new AFTER INSERT ON acts WHEN NEW.kind IN ('hold', 'approve', 'reject', 'expire', 'tick', 'fail') BEGIN
	INSERT INTO events (kind, project, build, thread, by, note)
	SELECT CASE NEW.kind WHEN 'hold' THEN 'held' WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected'
		WHEN 'expire' THEN 'expired' WHEN 'tick' THEN 'ticked' ELSE 'step_failed' END,
		b.project, b.id, b.id, NEW.by,
		CASE NEW.step WHEN 0 THEN NEW.note ELSE 'step ' || NEW.step || coalesce(': ' || s.text, '')
			|| CASE NEW.note WHEN '' THEN '' ELSE ' (' || NEW.note || ')' END END
	FROM builds b LEFT JOIN steps s ON s.build = b.id AND s.n = NEW.step WHERE b.id = NEW.build;
END;
CREATE TRIGGER rollouts_new AFTER INSERT ON rollouts BEGIN
	INSERT INTO events (kind, project, build, run, thread, by, note)
	VALUES (CASE WHEN NEW.result = '' THEN 'delivering' WHEN NEW.result IN ('ok', 'partial') THEN 'delivered' ELSE 'undone' END,
		NEW.project, NEW.build, NEW.run, CASE NEW.build WHEN '' THEN NEW.run ELSE NEW.build END, NEW.by, NEW.error);
END;
CREATE TRIGGER rollouts_ended AFTER UPDATE OF result ON rollouts WHEN OLD.result = '' AND NEW.result <> '' BEGIN
	INSERT INTO events (kind, project, build, run, thread, by, note)
	VALUES (CASE WHEN NEW.result IN ('ok', 'partial') THEN 'delivered' ELSE 'undone' END,
		NEW.project, NEW.build, NEW.run, CASE NEW.build WHEN '' THEN NEW.run ELSE NEW.build END, NEW.by, NEW.error);
END;
CREATE TRIGGER watches_new AFTER INSERT ON watches BEGIN
	INSERT INTO events (kind, project, build, thread, by, note)
	VALUES ('watched', NEW.project, NEW.build, NEW.build, 'autobuilder', 'until ' || substr(NEW.until, 1, 19) || 'Z');
END;
CREATE TRIGGER watches_ended AFTER UPDATE OF state ON watches WHEN NEW.state IN ('stays', 'withdrawn', 'unjudged', 'bad') BEGIN
	INSERT INTO events (kind, project, build, thread, by, note)
	VALUES (NEW.state, NEW.project, NEW.build, NEW.build, 'autobuilder', NEW.why);
END;
CREATE INDEX builds_version ON builds (project, ended) WHERE state = 'succeeded' AND version <> '';
PRAGMA user_version = 6;
