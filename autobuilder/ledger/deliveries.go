package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"autobuilder/build"
)

// The verdicts of a Fate.
const (
	Pending = "pending" // not decided yet; why says what it waits for
	Built   = "build"   // a build was made for it
	Joined  = "joined"  // a build that was there already is its
	Ignored = "ignored" // the rules want no build
)

// Store keeps a delivery; when it returns without error, the delivery is on
// disk. One with an ID that is there already changes nothing.
func (l *Ledger) Store(ctx context.Context, d build.Delivery) error {
	return l.store(ctx, d, Pending, "")
}

// Note keeps a delivery that asks for nothing: it is ignored from the start.
func (l *Ledger) Note(ctx context.Context, d build.Delivery, why string) error {
	return l.store(ctx, d, Ignored, why)
}

func (l *Ledger) store(ctx context.Context, d build.Delivery, verdict, why string) error {
	push, err := json.Marshal(d.Push)
	if err == nil {
		_, err = l.exec(ctx, `
			INSERT INTO deliveries (id, event, received, body, repo, ref, "commit", by, push, verdict, why)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			d.ID, d.Event, timeText(d.Received), append([]byte{}, d.Body...), d.Push.Repo, d.Push.Ref, d.Push.Commit, d.Push.Pusher, string(push),
			verdict, why)
	}
	if err != nil {
		return fmt.Errorf("store delivery %s: %w", d.ID, err)
	}
	return nil
}

const deliveryColumns = "id, event, received, push"

func scanDelivery(row interface{ Scan(...any) error }) (build.Delivery, error) {
	var d build.Delivery
	var received, push string
	if err := row.Scan(&d.ID, &d.Event, &received, &push); err != nil {
		return d, err
	}
	d.Received = parseTime(received)
	if err := json.Unmarshal([]byte(push), &d.Push); err != nil {
		return d, fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	return d, nil
}

// Pending are the undecided deliveries of a repository in the order in which
// they came, without their bodies.
func (l *Ledger) Pending(ctx context.Context, repo string) ([]build.Delivery, error) {
	return l.deliveries(ctx, `SELECT `+deliveryColumns+` FROM deliveries
		WHERE verdict = 'pending' AND repo = ? ORDER BY seq`, repo)
}

// PendingRepos are the repositories that have undecided deliveries; the name of
// what is about no repository is empty.
func (l *Ledger) PendingRepos(ctx context.Context) ([]string, error) {
	// From one to the next in the index: DISTINCT would read all that is pending.
	return l.names(ctx, `WITH RECURSIVE r (repo) AS (
		SELECT min(repo) FROM deliveries WHERE verdict = 'pending'
		UNION ALL SELECT (SELECT min(repo) FROM deliveries WHERE verdict = 'pending' AND repo > r.repo) FROM r WHERE r.repo IS NOT NULL
	) SELECT repo FROM r WHERE repo IS NOT NULL`)
}

// Undecided counts the deliveries that are pending.
func (l *Ledger) Undecided(ctx context.Context) (int, error) {
	n, err := l.newest(ctx, `SELECT count(*) FROM deliveries WHERE verdict = 'pending'`)
	return int(n), err
}

func (l *Ledger) names(ctx context.Context, text string, args ...any) ([]string, error) {
	found, err := query(ctx, l.read, func(rows *sql.Rows) (string, error) {
		var name string
		return name, rows.Scan(&name)
	}, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list names: %w", err)
	}
	return found, nil
}

// Delivery is one delivery with its body.
func (l *Ledger) Delivery(ctx context.Context, id string) (build.Delivery, error) {
	d, err := scanDelivery(l.read.QueryRowContext(ctx, `SELECT `+deliveryColumns+` FROM deliveries WHERE id = ?`, id))
	if err == nil {
		err = l.read.QueryRowContext(ctx, `SELECT body FROM deliveries WHERE id = ?`, id).Scan(&d.Body)
	}
	if err != nil {
		return d, fmt.Errorf("delivery %s: %w", id, notFound(err))
	}
	return d, nil
}

func (l *Ledger) deliveries(ctx context.Context, sql string, args ...any) ([]build.Delivery, error) {
	found, err := query(ctx, l.read, scanDeliveryRows, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return found, nil
}

func scanDeliveryRows(rows *sql.Rows) (build.Delivery, error) { return scanDelivery(rows) }

// Newest changes with every new delivery, whoever stored it.
func (l *Ledger) Newest(ctx context.Context) (int64, error) {
	return l.newest(ctx, `SELECT coalesce(max(seq), 0) FROM deliveries`)
}

// NewestAct changes with everything that is done about a hold or a lock, whoever
// does it.
func (l *Ledger) NewestAct(ctx context.Context) (int64, error) {
	return l.newest(ctx, `SELECT (SELECT coalesce(max(seq), 0) FROM acts)
		+ (SELECT coalesce(max(seq), 0) FROM events WHERE kind IN ('locked', 'unlocked'))`)
}

func (l *Ledger) newest(ctx context.Context, text string) (int64, error) {
	var seq int64
	if err := l.read.QueryRowContext(ctx, text).Scan(&seq); err != nil {
		return 0, fmt.Errorf("look for what is new: %w", err)
	}
	return seq, nil
}

// Heard says whether a delivery of the repository's ref at the commit was ever
// stored.
func (l *Ledger) Heard(ctx context.Context, repo, ref, commit string) (bool, error) {
	var heard bool
	err := l.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM deliveries
		WHERE repo = ? AND ref = ? AND "commit" = ?)`, repo, ref, commit).Scan(&heard)
	if err != nil {
		return false, fmt.Errorf("look whether %s was told of: %w", repo, err)
	}
	return heard, nil
}

// LastTold is the commit that the last delivery of the repository's ref was of,
// and the delivery's place among all; empty if it was deleted or never told of.
func (l *Ledger) LastTold(ctx context.Context, repo, ref string) (commit string, seq int64, err error) {
	err = l.read.QueryRowContext(ctx, `SELECT seq, "commit" FROM deliveries
		WHERE seq = (SELECT max(seq) FROM deliveries WHERE repo = ? AND ref = ?)`, repo, ref).Scan(&seq, &commit)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", 0, fmt.Errorf("look what was told of %s: %w", repo, err)
	}
	return commit, seq, nil
}

// Wait writes down why a delivery is not decided yet.
func (l *Ledger) Wait(ctx context.Context, id, why string) error {
	_, err := l.exec(ctx,
		`UPDATE deliveries SET why = ? WHERE id = ? AND verdict = 'pending' AND why <> ?`, why, id, why)
	if err != nil {
		return fmt.Errorf("write down why delivery %s waits: %w", id, err)
	}
	return nil
}

const fateColumns = `id, event, repo, ref, "commit", by, received, verdict, why, build`

func scanFate(row interface{ Scan(...any) error }) (build.Fate, error) {
	var f build.Fate
	var received string
	err := row.Scan(&f.Delivery, &f.Event, &f.Repo, &f.Ref, &f.Commit, &f.By, &received, &f.Verdict, &f.Why, &f.Build)
	f.Received = parseTime(received)
	return f, err
}

func scanFateRows(rows *sql.Rows) (build.Fate, error) { return scanFate(rows) }

// Fates say of the newest deliveries what became of them, newest first.
func (l *Ledger) Fates(ctx context.Context, limit int) ([]build.Fate, error) {
	found, err := query(ctx, l.read, scanFateRows,
		`SELECT `+fateColumns+` FROM deliveries ORDER BY seq DESC LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("list fates: %w", err)
	}
	return found, nil
}

// Fate is what became of one delivery.
func (l *Ledger) Fate(ctx context.Context, id string) (build.Fate, error) {
	f, err := scanFate(l.read.QueryRowContext(ctx, `SELECT `+fateColumns+` FROM deliveries WHERE id = ?`, id))
	if err != nil {
		return f, fmt.Errorf("delivery %s: %w", id, notFound(err))
	}
	return f, nil
}

// FatesOf are the deliveries that asked for the build, oldest first.
func (l *Ledger) FatesOf(ctx context.Context, buildID string) ([]build.Fate, error) {
	found, err := query(ctx, l.read, scanFateRows,
		`SELECT `+fateColumns+` FROM deliveries WHERE build = ? AND build <> '' ORDER BY seq`, buildID)
	if err != nil {
		return nil, fmt.Errorf("list fates: %w", err)
	}
	return found, nil
}

func query[T any](ctx context.Context, db *statements, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return all(rows, scan)
}

func all[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) ([]T, error) {
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var found []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return slices.Clip(found), rows.Err()
}
