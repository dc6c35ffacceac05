package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"autobuilder/build"
)

// The ends of a watch that people are told of are named as their events; of one
// that ends since another release is live, nobody is told.
const watchOver = "over"

// Watch begins to watch a release; one that was watched before is not again.
func (l *Ledger) Watch(ctx context.Context, w build.Watching) error {
	_, err := l.exec(ctx, `INSERT INTO watches (build, project, since, until) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		w.Build, w.Project, timeText(w.Since), timeText(w.Until))
	if err != nil {
		return fmt.Errorf("watch build %s: %w", w.Build, err)
	}
	return nil
}

// Watched are the releases that are watched now, oldest first.
func (l *Ledger) Watched(ctx context.Context) ([]build.Watching, error) {
	found, err := query(ctx, l.read, scanWatching, `SELECT build, project, since, until, asked, answers, bad FROM watches
		WHERE state = 'open' ORDER BY since`)
	if err != nil {
		return nil, fmt.Errorf("list watches: %w", err)
	}
	return found, nil
}

func scanWatching(rows *sql.Rows) (build.Watching, error) {
	var w build.Watching
	var since, until, asked string
	err := rows.Scan(&w.Build, &w.Project, &since, &until, &asked, &w.Answers, &w.Bad)
	w.Since, w.Until, w.Asked = parseTime(since), parseTime(until), parseTime(asked)
	return w, err
}

// Watching writes down how far a watch is.
func (l *Ledger) Watching(ctx context.Context, w build.Watching) error {
	_, err := l.exec(ctx, `UPDATE watches SET asked = ?, answers = ?, bad = ? WHERE build = ? AND state = 'open'`,
		timeText(w.Asked), w.Answers, w.Bad, w.Build)
	if err != nil {
		return fmt.Errorf("write watch of %s: %w", w.Build, err)
	}
	return nil
}

// Judge ends a watch, and has its event told.
func (l *Ledger) Judge(ctx context.Context, id string, verdict build.EventKind, why string) error {
	return l.endWatch(ctx, id, string(verdict), why, nil)
}

// Withdraw ends the watch of a bad release, and asks for the one before it: both
// or neither.
func (l *Ledger) Withdraw(ctx context.Context, id, why string, back build.Delivery) error {
	return l.endWatch(ctx, id, string(build.EventWithdrawn), why, &back)
}

// Outwatch ends a watch whose release is not live any more.
func (l *Ledger) Outwatch(ctx context.Context, id string) error {
	return l.endWatch(ctx, id, watchOver, "", nil)
}

// endWatch writes beside the build what became of it: the history has it when the
// event is long forgotten.
func (l *Ledger) endWatch(ctx context.Context, id, state, why string, back *build.Delivery) error {
	said := map[string]string{string(build.EventWithdrawn): "taken back: ", string(build.EventBad): "bad: "}
	err := l.inTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := oneRow(tx.ExecContext(ctx, `UPDATE watches SET state = ?, why = ? WHERE build = ? AND state = 'open'`, state, why, id))
		if err == nil && said[state] != "" {
			_, err = tx.ExecContext(ctx, `UPDATE builds SET why = ? WHERE id = ?`, said[state]+why, id)
		}
		if err != nil || back == nil {
			return err
		}
		push, err := json.Marshal(back.Push)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO deliveries (id, event, received, body, repo, ref, "commit", by, push)
			VALUES (?, ?, ?, x'', ?, ?, '', ?, ?) ON CONFLICT (id) DO NOTHING`,
			back.ID, back.Event, timeText(back.Received), back.Push.Repo, back.Push.Ref, back.Push.Pusher, string(push))
		return err
	})
	if err != nil {
		return fmt.Errorf("end watch of %s as %s: %w", id, state, err)
	}
	return nil
}
