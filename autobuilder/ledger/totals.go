package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"autobuilder/build"
)

// Totals sum up all builds by project and state.
func (l *Ledger) Totals(ctx context.Context) ([]build.Total, error) {
	found, err := query(ctx, l.read, scanTotal, `SELECT project, state, count(*),
			coalesce(sum(CASE WHEN started <> '' AND ended <> '' THEN max(0, julianday(ended) - julianday(started)) * 86400 END), 0.0),
			max(ended)
		FROM builds WHERE command = '' GROUP BY project, state`)
	if err != nil {
		return nil, fmt.Errorf("sum up builds: %w", err)
	}
	return found, nil
}

func scanTotal(rows *sql.Rows) (build.Total, error) {
	var t build.Total
	var last string
	err := rows.Scan(&t.Project, &t.State, &t.Builds, &t.Seconds, &last)
	t.Last = parseTime(last)
	return t, err
}

// Traffic is what came, and what of it is not decided yet.
func (l *Ledger) Traffic(ctx context.Context) (build.Traffic, error) {
	found, err := query(ctx, l.read, func(rows *sql.Rows) (build.Traffic, error) {
		var t build.Traffic
		var oldest string
		err := rows.Scan(&t.Deliveries, &t.Pending, &oldest)
		t.Oldest = parseTime(oldest)
		return t, err
	}, `SELECT (SELECT coalesce(max(seq), 0) FROM deliveries), count(*), coalesce(min(received), '') FROM deliveries WHERE verdict = 'pending'`)
	if err != nil {
		return build.Traffic{}, fmt.Errorf("count deliveries: %w", err)
	}
	return found[0], nil
}
