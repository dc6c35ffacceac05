package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"deliver/release"
)

// Latest is latest.json: the newest release that a rollout found good. A new
// server installs this one.
type Latest struct {
	Release  string    `json:"release"`
	App      string    `json:"app,omitempty"`
	Version  string    `json:"version,omitempty"`
	Commit   string    `json:"commit,omitempty"`
	Branch   string    `json:"branch,omitempty"`
	Job      string    `json:"job,omitempty"`
	Sequence int64     `json:"sequence,omitempty"` // among the builds of Job
	SHA256   string    `json:"sha256"`
	Size     int64     `json:"size"`
	Action   string    `json:"action"` // push or rollback: what made it the newest good one
	Promoted time.Time `json:"promoted"`
	By       string    `json:"by,omitempty"`
}

// ActionRollback is the action of Promote that may move back.
const ActionRollback = "rollback"

// promoteAttempts bounds how often a lost conditional write is tried again.
const promoteAttempts = 60

// ParseLatest reads latest.json and refuses one that nobody can install from.
func ParseLatest(data []byte) (Latest, error) {
	var l Latest
	if err := json.Unmarshal(data, &l); err != nil {
		return Latest{}, &Error{Kind: KindInvalid, Message: "read latest.json", Err: err}
	}
	if err := checkRecord(release.Record{ID: l.Release, SHA256: l.SHA256, Size: l.Size}); err != nil {
		return Latest{}, &Error{Kind: KindInvalid, Message: "read latest.json", Err: err, Hint: "promote a release again: `deliver push` or `deliver rollback`"}
	}
	return l, nil
}

// Latest reads which release is the newest good one; where nothing was
// promoted yet the error is of KindMissing.
func (s *Store) Latest(ctx context.Context) (Latest, error) {
	l, _, err := s.latest(ctx)
	return l, err
}

// Promote makes a release of the store the newest good one and reports which
// one is so now: it stays as it was where a later build of the same job has
// been promoted meanwhile, unless action is a rollback. Of many at the same
// time, each sees the one before it.
func (s *Store) Promote(ctx context.Context, rec release.Record, action string) (Latest, error) {
	there, err := s.Record(ctx, rec.ID)
	if err != nil {
		return Latest{}, err
	}
	if err := s.sameBuild(there, rec); err != nil {
		return Latest{}, err
	}
	there.By = rec.By
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = 20 * time.Millisecond
	pauses.MaxInterval = time.Second
	return backoff.Retry(ctx, func() (Latest, error) {
		l, err := s.promote(ctx, there, action)
		if err != nil && !changedMeanwhile(err) {
			return l, backoff.Permanent(s.wrap("promote "+rec.ID, err))
		}
		return l, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(promoteAttempts))
}

func (s *Store) promote(ctx context.Context, rec release.Record, action string) (Latest, error) {
	now, etag, err := s.latest(ctx)
	if err != nil && !IsKind(err, KindMissing) {
		return Latest{}, err
	}
	if err == nil && stays(now, rec, action) {
		return now, nil
	}
	next := Latest{
		Release: rec.ID, App: rec.App, Version: rec.Version, Commit: rec.Commit, Branch: rec.Branch,
		Job: rec.Job, Sequence: rec.Sequence, SHA256: rec.SHA256, Size: rec.Size,
		Action: action, Promoted: time.Now().UTC().Truncate(time.Second), By: rec.By,
	}
	return next, s.writeDocument(ctx, s.loc.latest(), etag, next)
}

// stays says that what is promoted needs no change: it is this release, or a
// later build that an earlier one must not replace. Numbers of two jobs, or of
// none, say nothing about each other: then the push that ends last counts, as
// it does on the servers.
func stays(now Latest, rec release.Record, action string) bool {
	if now.Release == rec.ID && now.SHA256 == rec.SHA256 {
		return true
	}
	older := rec.Job != "" && rec.Job == now.Job && rec.Sequence != 0 && rec.Sequence < now.Sequence
	return older && action != ActionRollback
}

func (s *Store) latest(ctx context.Context) (Latest, string, error) {
	data, etag, err := s.readDocument(ctx, s.loc.latest())
	if err != nil {
		return Latest{}, "", s.nothingYet(s.wrap("read latest.json of "+s.loc.String(), err))
	}
	l, err := ParseLatest(data)
	return l, etag, err
}

func (s *Store) nothingYet(err error) error {
	if !IsKind(err, KindMissing) {
		return err
	}
	return &Error{
		Kind: KindMissing, Message: fmt.Sprintf("no release of %s was promoted yet", s.loc),
		Hint: "a push that ends well promotes its release",
	}
}
