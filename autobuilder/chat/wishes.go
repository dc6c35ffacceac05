package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"autobuilder/build"
)

func (t talk) deploy(ctx context.Context) (string, error) {
	p, err := t.project()
	switch {
	case err != nil:
		return "", err
	case t.Task != "" && !strings.EqualFold(t.Task, "deploy"):
		return "", say("there is no task %s: only lock and unlock. What else belongs to a release stands in its checklist", t.Task)
	}
	if err := t.mine(p.Chat.Deploy, p); err != nil {
		return "", err
	}
	ref := t.Ref
	if ref == "" {
		ref = "refs/heads/" + p.Branch
	}
	return t.ask(ctx, p, build.Push{Ref: ref, Again: t.Force, Only: t.Hosts})
}

// rollback asks for the release that was live before, or for one that is named.
func (t talk) rollback(ctx context.Context) (string, error) {
	p, err := t.project()
	if err == nil {
		err = t.mine(p.Chat.Rollback, p)
	}
	if err != nil {
		return "", err
	}
	if t.Ref != "" {
		return t.ask(ctx, p, build.Push{Ref: t.Ref, Back: true})
	}
	live, err := t.live(ctx, p)
	if err != nil {
		return "", err
	}
	before, err := t.Work.Before(ctx, p.Name, p.Environment(), live.Commit, time.Now())
	if err != nil {
		return "", err
	}
	if before.Commit == "" {
		return "", say("nothing ran before %s, as far as is known: say rollback %s to VERSION", version(live), p.Name)
	}
	return t.ask(ctx, p, build.Push{Ref: before.Commit, Back: true})
}

// ask stores a wish and waits a moment for what becomes of it.
func (t talk) ask(ctx context.Context, p build.Project, push build.Push) (string, error) {
	push.Repo, push.Project, push.Pusher = p.Repo, p.Name, t.by
	d := build.Delivery{ID: t.id, Event: build.Trigger, Received: time.Now(), Push: push}
	if err := t.Work.Ask(ctx, d); err != nil {
		return "", err
	}
	fate, err := t.fate(ctx)
	if err != nil || fate.Verdict == pending {
		return fmt.Sprintf("%s: it is decided in a moment", p.Name), err
	}
	text := p.Name + ": " + fate.Why
	if fate.Build == "" {
		return "", errSay(text)
	}
	if lock, err := t.Work.LockOf(ctx, p.Name); err == nil && lock != nil && !strings.EqualFold(lock.By, t.by) {
		text += "\nit waits: " + lock.Words()
	}
	return text + "\n" + t.page(fate.Build), nil
}

const (
	pending  = "pending"
	patience = 1500 * time.Millisecond // of a person; a room wants its answer in three seconds
	glance   = 25 * time.Millisecond
)

func (t talk) fate(ctx context.Context) (build.Fate, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		fate, err := t.Work.Fate(ctx, t.id)
		if err != nil || fate.Verdict != pending {
			return fate, err
		}
		select {
		case <-waiting.Done():
			return fate, nil
		case <-tick.C:
		}
	}
}

func (t talk) page(id string) string {
	return strings.TrimRight(t.URL(), "/") + "/builds/" + id
}

func (t talk) lock(ctx context.Context) (string, error) {
	p, err := t.project()
	if err == nil {
		err = t.mine(p.Chat.Lock, p)
	}
	if err != nil {
		return "", err
	}
	l := build.Lock{Project: p.Name, By: t.by, Reason: t.Note, Since: time.Now()}
	if t.For > 0 {
		l.Until = l.Since.Add(t.For)
	}
	if err := t.Work.Lock(ctx, l); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is %s; its builds wait, but for those of %s", p.Name, l.Words(), t.by), nil
}

func (t talk) unlock(ctx context.Context) (string, error) {
	p, err := t.project()
	if err == nil {
		err = t.mine(p.Chat.Lock, p)
	}
	if err == nil {
		err = t.Work.Unlock(ctx, p.Name, t.by, t.Note)
	}
	if errors.Is(err, build.ErrUnknown) {
		return "", say("%s is not locked", p.Name)
	}
	if err != nil {
		return "", err
	}
	return p.Name + " is unlocked: what waits goes", nil
}

// decide says yes or no to a release that is held.
func (t talk) decide(ctx context.Context) (string, error) {
	do := t.Work.Approve
	if t.Verb == Reject {
		do = t.Work.Reject
	}
	h, err := do(ctx, t.ID, t.by, t.Note)
	if errors.Is(err, build.ErrUnknown) {
		return "", t.nothingHeld(ctx)
	}
	if err != nil {
		return "", err
	}
	what := strings.TrimSuffix(h.Project+" "+h.Tag, " ")
	switch {
	case t.Verb == Reject:
		return fmt.Sprintf("%s is rejected", what), nil
	case h.State == build.Waiting:
		return fmt.Sprintf("%s: %d of %d approvals", what, len(h.Approvals()), h.Needed), nil
	case h.State == build.Approved:
		return fmt.Sprintf("%s is approved, and its checklist begins: %s", what, next(h)), nil
	}
	return what + " is approved and goes", nil
}

func next(h build.Hold) string {
	if step := h.Next(); step != nil {
		return step.Text
	}
	return "it has no step left"
}

func (t talk) nothingHeld(ctx context.Context) error {
	holds, err := t.Work.Holds(ctx, false)
	if err != nil {
		return err
	}
	var names []string
	for _, h := range holds {
		names = append(names, holdName(h))
	}
	if near, ok := nearest(t.ID, names); ok {
		return say("nothing of %s is held. Did you mean %s?", t.ID, near)
	}
	if len(names) == 0 {
		return say("nothing is held")
	}
	return say("nothing of %s is held: only %s", t.ID, strings.Join(names, ", "))
}

func holdName(h build.Hold) string {
	if h.Tag == "" {
		return h.Build
	}
	return h.Project + "@" + h.Tag
}
