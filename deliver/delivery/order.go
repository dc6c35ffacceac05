package delivery

import (
	"context"
	"fmt"
	"time"

	"deliver/host"
	"deliver/release"
	"deliver/rollout"
)

// Ancestry tells how two commits are related, as the repository has them.
type Ancestry int

// The ways in which one commit can be related to another.
const (
	Unrelated Ancestry = iota // on different branches, or not known here
	Older                     // an ancestor of the other
	Newer                     // a descendant of the other
)

// mayReplace refuses a release that is older than what a server runs, and a
// push to a server that is pinned. Both forbid the whole run: to go on with
// the other servers would leave the fleet mixed.
func (f *fleet) mayReplace(ctx context.Context, v *visit) error {
	v.over = ""
	if f.Record.ID == "" {
		return nil
	}
	if err := f.pinned(v); err != nil {
		return refusedBy(err)
	}
	now := recordOf(v.state, v.state.Current)
	if f.Action != Push || f.AllowOlder || now.ID == f.Record.ID {
		v.over = v.state.Current
		return nil
	}
	switch f.ancestry(ctx, now) {
	case Newer:
		v.over = v.state.Current
	case Older:
		return refusedBy(older(now, f.Record, "; its commit is an ancestor"))
	case Unrelated:
		if f.Record.OlderThan(now) {
			return refusedBy(older(now, f.Record, ""))
		}
	}
	return nil
}

func refusedBy(err error) error { return fmt.Errorf("%w: %w", rollout.ErrRefused, err) }

func older(now, next release.Record, why string) *host.Error {
	return &host.Error{
		Kind:    host.KindOrder,
		Message: fmt.Sprintf("%s runs there, which is newer than %s%s", now.Describe(), next.Describe(), why),
		Hint:    host.OrderHint,
	}
}

func (f *fleet) ancestry(ctx context.Context, now release.Record) Ancestry {
	if f.Ancestry == nil || now.Commit == "" || f.Record.Commit == "" || now.Commit == f.Record.Commit {
		return Unrelated
	}
	return f.Ancestry(ctx, f.Record.Commit, now.Commit)
}

func recordOf(s host.State, id string) release.Record {
	for _, rec := range s.Releases {
		if rec.ID == id {
			return rec
		}
	}
	return release.Record{}
}

// pinned refuses a push to a server that was rolled back, unless it brings a
// newer version or what the server is pinned to.
func (f *fleet) pinned(v *visit) error {
	pin := v.state.Pin
	if f.Action != Push || pin == nil || pin.Release == f.Record.ID || release.Newer(f.Record.Version, pin.Version) {
		return nil
	}
	return &host.Error{
		Kind: host.KindPinned,
		Message: fmt.Sprintf("it is pinned to %s since %s rolled back from %s at %s",
			pin.Release, who(pin.By), pin.From, pin.Since.Local().Format(time.DateTime)),
		Hint: "a newer version goes by itself; deliver unpin lets any release go",
	}
}

func who(by string) string {
	if by == "" {
		return "somebody"
	}
	return by
}

// pin pins a server that was rolled back, and takes the pin of one away that a
// push has brought past it.
func (f *fleet) pin(ctx context.Context, v *visit, tell *rollout.Teller) {
	var err error
	switch {
	case f.Action == Rollback && !f.pinnedAlready(v):
		err = v.server.Pin(ctx, &host.Pin{
			Release: f.Record.ID, From: f.From.ID, Version: f.From.Version, By: f.By, Since: time.Now().UTC().Truncate(time.Second),
		})
	case f.Action == Push && v.state.Pin != nil && v.state.Pin.Release != f.Record.ID:
		err = v.server.Pin(ctx, nil)
	}
	if err != nil {
		v.say(tell, "the pin could not be changed: %v", err)
	}
}

// pinnedAlready says that an earlier run of this rollback has pinned the server.
func (f *fleet) pinnedAlready(v *visit) bool {
	return v.state.Pin != nil && v.state.Pin.Release == f.Record.ID && f.From.ID == ""
}
