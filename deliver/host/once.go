package host

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// OnceSuffix ends the names of hooks that run on one server of a fleet, and
// there once for a release.
const OnceSuffix = ".once"

// The results of such a hook, in Entries whose Action is its name.
const (
	OnceStarted = "started" // without a later one: it was cut
	OnceDone    = "done"
	OnceFailed  = "failed"
)

// logOf is the file that an entry belongs to: what ran once is no part of the
// history of what was live.
func (l *Local) logOf(e Entry) string {
	if strings.HasSuffix(e.Action, OnceSuffix) {
		return l.state("once.jsonl")
	}
	return l.state("history.jsonl")
}

// once runs a hook unless it is written down that it succeeded for this
// release, here or on another server. What it does is written down before and after.
func (l *Local) once(ctx context.Context, e Entry, run func() (string, error)) (string, error) {
	entries, err := l.entries("once.jsonl")
	if err != nil {
		return "", err
	}
	if RanOnce(entries, e.Action, e.Release) == OnceDone {
		return "", nil
	}
	if err := l.note(ctx, e, OnceStarted); err != nil {
		return "", err
	}
	output, hookErr := run()
	result := OnceDone
	if hookErr != nil {
		result = OnceFailed
	}
	// It ran, whether or not the caller still waits.
	if err := l.note(context.WithoutCancel(ctx), e, result); err != nil && hookErr == nil {
		return output, fmt.Errorf("hook %s succeeded, and will run again, for that could not be written down: %w", e.Action, err)
	}
	return output, hookErr
}

func (l *Local) note(ctx context.Context, e Entry, result string) error {
	e.Time, e.Result = time.Now().UTC(), result
	return l.append(ctx, e)
}

// append writes an entry to its file.
func (l *Local) append(ctx context.Context, e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode the history entry: %w", err)
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return l.wrap("write the history", appendLine(l.logOf(e), line))
}

// RanOnce is the latest that entries say of a hook for a release; empty: nothing.
func RanOnce(entries []Entry, hook, release string) string {
	latest := ""
	for _, e := range entries {
		if e.Action == hook && e.Release == release && latest != OnceDone {
			latest = e.Result
		}
	}
	return latest
}

// ranOnce is what Look shows of the hooks that ran once.
func (l *Local) ranOnce() ([]Entry, error) {
	entries, err := l.entries("once.jsonl")
	return entries[max(0, len(entries)-recentEntries):], err
}
