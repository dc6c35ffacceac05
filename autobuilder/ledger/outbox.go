package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"autobuilder/build"
)

// Tell says who hears of events from now on, and in which order. What is still
// to be sent to others is dropped: nobody sends it any more.
func (l *Ledger) Tell(ctx context.Context, notifiers map[string]build.Order) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM notifiers`); err != nil {
			return err
		}
		for name, order := range notifiers {
			if _, err := tx.ExecContext(ctx, `INSERT INTO notifiers (name, ordered) VALUES (?, ?)`, name, order); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE notifier NOT IN (SELECT name FROM notifiers)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("write down who is told: %w", err)
	}
	return nil
}

// Outbox are the letters that a notifier is to send next: of each thread (or
// project) the oldest, if its time has come. Oldest first, at most limit.
func (l *Ledger) Outbox(ctx context.Context, notifier string, now time.Time, limit int) ([]build.Letter, error) {
	found, err := query(ctx, l.read, scanLetter, `SELECT e.seq, e.at, e.kind, e.project, e.build, e.run, e.thread, e.by, e.note,
			o.notifier, coalesce(t.ref, ''), o.tries, o.begun
		FROM (SELECT notifier, min(event) AS event FROM outbox WHERE notifier = ? GROUP BY lane) AS first
		JOIN outbox o USING (notifier, event) JOIN events e ON e.seq = o.event
		LEFT JOIN threads t ON t.notifier = o.notifier AND t.thread = e.thread
		WHERE o.due <= ? ORDER BY o.event LIMIT ?`, notifier, timeText(now), limit)
	if err != nil {
		return nil, fmt.Errorf("list what is to be told: %w", err)
	}
	return found, nil
}

func scanLetter(rows *sql.Rows) (build.Letter, error) {
	var r build.Letter
	var at, begun string
	err := rows.Scan(&r.Seq, &at, &r.Kind, &r.Project, &r.Build, &r.Run, &r.Thread, &r.By, &r.Note,
		&r.Notifier, &r.Ref, &r.Tries, &begun)
	r.At, r.Begun = parseTime(at), parseTime(begun)
	return r, err
}

// Try writes down that a letter is about to be sent: from here on it may have
// arrived.
func (l *Ledger) Try(ctx context.Context, r build.Letter, now time.Time) error {
	return l.letter(ctx, r, `UPDATE outbox SET tries = tries + 1, begun = CASE begun WHEN '' THEN ? ELSE begun END
		WHERE notifier = ? AND event = ?`, timeText(now), r.Notifier, r.Seq)
}

// Delay writes down that a letter was not taken, and when to try again.
func (l *Ledger) Delay(ctx context.Context, r build.Letter, until time.Time, why string) error {
	return l.letter(ctx, r, `UPDATE outbox SET due = ?, error = ? WHERE notifier = ? AND event = ?`, timeText(until), why, r.Notifier, r.Seq)
}

func (l *Ledger) letter(ctx context.Context, r build.Letter, text string, args ...any) error {
	if _, err := l.exec(ctx, text, args...); err != nil {
		return fmt.Errorf("write letter %d to %s: %w", r.Seq, r.Notifier, err)
	}
	return nil
}

// Sent takes a letter out of the outbox, and keeps what the notifier calls its
// thread.
func (l *Ledger) Sent(ctx context.Context, r build.Letter, ref string) error {
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE notifier = ? AND event = ?`, r.Notifier, r.Seq)
		if err != nil || ref == r.Ref {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO threads (notifier, thread, ref, event) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET ref = excluded.ref, event = excluded.event`, r.Notifier, r.Thread, ref, r.Seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("write letter %d to %s as sent: %w", r.Seq, r.Notifier, err)
	}
	return nil
}

// Forget removes events from before the time that everybody has heard of.
func (l *Ledger) Forget(ctx context.Context, before time.Time) error {
	_, err := l.exec(ctx, `DELETE FROM events WHERE at < ? AND seq NOT IN (SELECT event FROM outbox)`, timeText(before))
	if err == nil {
		_, err = l.exec(ctx, `DELETE FROM threads WHERE event < (SELECT coalesce(min(seq), 0) FROM events)`)
	}
	if err != nil {
		return fmt.Errorf("forget old events: %w", err)
	}
	return nil
}

// NewestEvent changes with every new event, whoever wrote it.
func (l *Ledger) NewestEvent(ctx context.Context) (int64, error) {
	return l.newest(ctx, `SELECT coalesce(max(seq), 0) FROM events`)
}

// Events are the newest of a project (empty: of all), newest first.
func (l *Ledger) Events(ctx context.Context, project string, limit int) ([]build.Event, error) {
	found, err := query(ctx, l.read, scanEvent, `SELECT seq, at, kind, project, build, run, thread, by, note FROM events
		WHERE ? IN ('', project) ORDER BY seq DESC LIMIT ?`, project, limit)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return found, nil
}

func scanEvent(rows *sql.Rows) (build.Event, error) {
	var e build.Event
	var at string
	err := rows.Scan(&e.Seq, &at, &e.Kind, &e.Project, &e.Build, &e.Run, &e.Thread, &e.By, &e.Note)
	e.At = parseTime(at)
	return e, err
}

// Backlogs are those of all notifiers, by name.
func (l *Ledger) Backlogs(ctx context.Context) ([]build.Backlog, error) {
	found, err := query(ctx, l.read, scanBacklog, `SELECT n.name, count(o.event), coalesce(min(e.at), ''),
			coalesce(f.tries, 0), coalesce(f.error, ''), coalesce(f.due, '')
		FROM notifiers n LEFT JOIN outbox o ON o.notifier = n.name LEFT JOIN events e ON e.seq = o.event
		LEFT JOIN outbox f ON f.notifier = n.name
			AND f.event = (SELECT min(event) FROM outbox WHERE notifier = n.name AND error <> '')
		GROUP BY n.name ORDER BY n.name`)
	if err != nil {
		return nil, fmt.Errorf("count what is to be told: %w", err)
	}
	return found, nil
}

func scanBacklog(rows *sql.Rows) (build.Backlog, error) {
	var b build.Backlog
	var oldest, next string
	err := rows.Scan(&b.Notifier, &b.Letters, &oldest, &b.Tries, &b.Error, &next)
	b.Oldest, b.Next = parseTime(oldest), parseTime(next)
	return b, err
}
