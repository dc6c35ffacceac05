package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"autobuilder/build"
)

// Person is who speaks.
type Person struct {
	Account string // as the room's service knows them for certain; empty: it does not
	Name    string // as they are shown
	Service string // slack, hubot
	Room    string
}

// Sentence is what somebody said.
type Sentence struct {
	By   Person
	Text string
	ID   string // of the message: one that comes again changes nothing. Empty: it has none
}

// Reply is the answer.
type Reply struct {
	Text   string
	Public bool // it is of interest to all in the room
}

// Work is what is done about what people say. Errors are build.ErrUnknown and
// build.ErrNotAllowed, whose text says why.
type Work interface {
	// Ask keeps a wish, which is decided on as a push is; Fate says how.
	Ask(ctx context.Context, d build.Delivery) error
	Fate(ctx context.Context, id string) (build.Fate, error)
	Approve(ctx context.Context, hold, by, note string) (build.Hold, error)
	Reject(ctx context.Context, hold, by, note string) (build.Hold, error)
	// Holds are those that wait, oldest first, or all, newest first.
	Holds(ctx context.Context, all bool) ([]build.Hold, error)
	// Live is what runs, per project.
	Live(ctx context.Context) ([]build.Live, error)
	// Before is what ran before the time, other than the commit.
	Before(ctx context.Context, project, environment, commit string, at time.Time) (build.Live, error)
	// Open are the builds of a project that are not over, oldest first.
	Open(ctx context.Context, project string) ([]build.Build, error)
	// Builds are the newest of a project, newest first.
	Builds(ctx context.Context, project string, limit int) ([]build.Build, error)
	// LockOf is the lock of a project, or nil.
	LockOf(ctx context.Context, project string) (*build.Lock, error)
	Lock(ctx context.Context, l build.Lock) error
	Unlock(ctx context.Context, project, by, note string) error
}

// Options are what a Desk works with.
type Options struct {
	Projects func() []build.Project
	Names    func() map[string]string // of accounts: who people are elsewhere
	Work     Work
	URL      func() string            // of autobuilder
	Hide     func(text string) string // takes secrets out of an answer
	Log      *slog.Logger
}

// Desk answers what people say.
type Desk struct{ Options }

// New makes a Desk.
func New(o Options) *Desk { return &Desk{o} }

// talk is one sentence that is being answered.
type talk struct {
	*Desk
	Command
	by   string // who speaks, for the ledger
	room string
	id   string
}

// errSay is an answer to what can't be done.
type errSay string

// Error is the answer.
func (e errSay) Error() string { return string(e) }

func say(format string, args ...any) error { return errSay(fmt.Sprintf(format, args...)) }

// Answer does what somebody says, and tells what came of it.
func (d *Desk) Answer(ctx context.Context, s Sentence) Reply {
	reply := d.answer(ctx, s)
	reply.Text = d.Hide(reply.Text)
	return reply
}

func (d *Desk) answer(ctx context.Context, s Sentence) Reply {
	c, err := Parse(s.Text)
	if err != nil {
		return Reply{Text: err.Error()}
	}
	t := talk{Desk: d, Command: c, by: d.name(s.By), room: s.By.Room, id: wishID(s)}
	text, err := t.do(ctx)
	var words errSay
	switch {
	case err == nil:
		return Reply{Text: text, Public: c.acts()}
	case errors.As(err, &words) || errors.Is(err, build.ErrNotAllowed) || errors.Is(err, build.ErrUnknown):
		return Reply{Text: err.Error()}
	}
	d.Log.Error("not answered", "said", c.String(), "by", t.by, "error", err)
	return Reply{Text: "that did not work: autobuilder's log says why"}
}

// acts says whether the sentence changes something.
func (c Command) acts() bool {
	return slices.Contains([]Verb{Deploy, Rollback, Lock, Unlock, Approve, Reject}, c.Verb)
}

// name is who a person is for the ledger and for approvers. Whom the config does
// not name is not taken for somebody of the same name.
func (d *Desk) name(p Person) string {
	if name := d.Names()[p.Account]; name != "" && p.Account != "" {
		return name
	}
	if p.Name == "" {
		p.Name = p.Account
	}
	if p.Name == "" {
		p.Name = "somebody"
	}
	return fmt.Sprintf("%s (%s)", p.Name, p.Service)
}

// wishID makes one wish of a message that comes twice.
func wishID(s Sentence) string {
	if s.ID == "" {
		return "chat-" + build.NewID(time.Now())
	}
	sum := sha256.Sum256([]byte(s.By.Service + "\x00" + s.ID + "\x00" + s.Text))
	return "chat-" + hex.EncodeToString(sum[:12])
}

func (t talk) do(ctx context.Context) (string, error) {
	switch t.Verb {
	case Deploy:
		return t.deploy(ctx)
	case Rollback:
		return t.rollback(ctx)
	case Lock:
		return t.lock(ctx)
	case Unlock:
		return t.unlock(ctx)
	case Approve, Reject:
		return t.decide(ctx)
	case Status:
		return t.status(ctx)
	case Queue:
		return t.queue(ctx)
	case Deploys:
		return t.deploys(ctx)
	case Where:
		return t.where()
	case Version:
		return "autobuilder, which speaks hubot-deploy's grammar too: say help", nil
	}
	return Usage(), nil
}

// project is the one that the sentence is about.
func (t talk) project() (build.Project, error) {
	named, err := t.named()
	if err != nil || t.Environment == "" {
		return named, err
	}
	for _, p := range t.siblings(named) {
		if environment(p) == strings.ToLower(t.Environment) {
			return p, nil
		}
	}
	return named, say("%s has no environment %s: it has %s", named.Name, t.Environment, strings.Join(t.environments(named), ", "))
}

// named is the project with the name.
func (t talk) named() (build.Project, error) {
	var names []string
	for _, p := range t.Projects() {
		if strings.EqualFold(p.Name, t.App) {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if near, ok := nearest(t.App, names); ok {
		return build.Project{}, say("%s? never heard of it. Did you mean %s?", t.App, near)
	}
	return build.Project{}, say("%s? never heard of it. There is %s", t.App, strings.Join(names, ", "))
}

// siblings are the projects of the same repository, the named one first: each is
// an environment of it.
func (t talk) siblings(named build.Project) []build.Project {
	found := []build.Project{named}
	for _, p := range t.Projects() {
		if strings.EqualFold(p.Repo, named.Repo) && p.Name != named.Name {
			found = append(found, p)
		}
	}
	return found
}

func (t talk) environments(named build.Project) []string {
	var names []string
	for _, p := range t.siblings(named) {
		names = append(names, environment(p))
	}
	return names
}

// environment is the name of where a project goes; production, if it has none.
func environment(p build.Project) string {
	if name := p.Environment(); name != "" {
		return strings.ToLower(name)
	}
	return "production"
}

// mine is the project, if the person may do with it what they want to.
func (t talk) mine(may []string, p build.Project) error {
	if rooms := p.Chat.Rooms; len(rooms) > 0 && !contains(rooms, t.room) {
		return say("%s is not steered from this room", p.Name)
	}
	if why := build.MayNot(may, t.by, string(t.Verb), p.Name); why != "" {
		return errSay(why)
	}
	return nil
}

func contains(list []string, name string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(one, name) })
}
