package ledger

// telling adds what people are told: events, who is to hear of them, and the
// letters that are still to be sent. Triggers write them, so that no change is
// without its event, whichever function or process makes it, and none is told
// of that was not made. Also locks and watches, which are told of too.
const telling = `
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
CREATE INDEX events_locks ON events (seq) WHERE kind IN ('locked', 'unlocked');
-- In the order of projects are told those whose one message undoes another's
-- of the project, in that of threads all others.
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
CREATE INDEX outbox_lanes ON outbox (notifier, lane, event);
CREATE TABLE threads (
	notifier TEXT NOT NULL,
	thread   TEXT NOT NULL,
	ref      TEXT NOT NULL,
	event    INTEGER NOT NULL,
	PRIMARY KEY (notifier, thread)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER events_outbox AFTER INSERT ON events BEGIN
	INSERT INTO outbox (notifier, event, lane)
	SELECT name, NEW.seq, CASE ordered WHEN 'project' THEN NEW.project ELSE NEW.thread END FROM notifiers;
END;

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
CREATE INDEX watches_open ON watches (until) WHERE state = 'open';

` + buildsTold + `CREATE TRIGGER rollouts_new AFTER INSERT ON rollouts BEGIN
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
`

// buildsTold are the triggers that know the table of builds. Whoever makes that
// table anew drops them before and makes them again after.
const buildsTold = `
-- What a checklist runs is told of as a step of it.
CREATE TRIGGER builds_new AFTER INSERT ON builds WHEN NEW.command = '' AND NEW.state = 'queued' BEGIN
	INSERT INTO events (kind, project, build, thread, by, note) VALUES ('queued', NEW.project, NEW.id, NEW.id, NEW.by, NEW.why);
END;
-- One that Jenkins did not take is queued again, and nobody wants to hear of it.
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
`
