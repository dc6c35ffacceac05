// Package watch looks after a release that is out: for a while a query of a
// monitor decides whether it stays, or what ran before it comes back.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"autobuilder/build"
	"autobuilder/notify"
)

// Book is the part of the ledger that watches need.
type Book interface {
	Watch(ctx context.Context, w build.Watching) error
	Watched(ctx context.Context) ([]build.Watching, error)
	Watching(ctx context.Context, w build.Watching) error
	Judge(ctx context.Context, id string, verdict build.EventKind, why string) error
	// Withdraw ends a watch and asks for the release before, both or neither.
	Withdraw(ctx context.Context, id, why string, back build.Delivery) error
	Outwatch(ctx context.Context, id string) error
	Build(ctx context.Context, id string) (build.Build, error)
	Live(ctx context.Context, project, environment string) (build.Live, error)
	// Before is what ran before the time, other than the commit.
	Before(ctx context.Context, project, environment, commit string, at time.Time) (build.Live, error)
}

// Options are what a Watcher works with.
type Options struct {
	Book     Book
	Projects []build.Project
	Wake     func() // lets what was asked for be decided at once
	Log      *slog.Logger
	Look     time.Duration // how often it is looked what is to be asked; 0 means 1 s
}

// Watcher watches.
type Watcher struct{ Options }

// New makes a Watcher.
func New(o Options) *Watcher {
	if o.Look == 0 {
		o.Look = time.Second
	}
	return &Watcher{o}
}

// Watches says whether a project is watched at all.
func (w *Watcher) Watches() bool {
	for _, p := range w.Projects {
		if p.Watch.For > 0 {
			return true
		}
	}
	return false
}

// Order is that of the project.
func (w *Watcher) Order() build.Order { return build.ByProject }

// Send begins to watch a release when it is told that it is out: the outbox
// tells it of every one, also after a crash. What went out before is not
// watched again, nor what went to some servers: its way back would be that of all.
func (w *Watcher) Send(ctx context.Context, m notify.Message) (string, error) {
	p, ok := w.project(m.Project.Name)
	if !ok || p.Watch.For == 0 || m.Kind != build.EventSucceeded || m.About.Release != "" || m.About.Only != "" || m.About.By == build.Itself {
		return "", nil
	}
	now := time.Now()
	return "", w.Book.Watch(ctx, build.Watching{Build: m.Build, Project: p.Name, Since: now, Until: now.Add(p.Watch.For)})
}

func (w *Watcher) project(name string) (build.Project, bool) {
	for _, p := range w.Projects {
		if p.Name == name {
			return p, true
		}
	}
	return build.Project{}, false
}

// Run asks until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(w.Look)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("releases not watched", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *Watcher) look(ctx context.Context) error {
	open, err := w.Book.Watched(ctx)
	for _, one := range open {
		p, _ := w.project(one.Project)
		if time.Since(one.Asked) < p.Watch.Every {
			continue
		}
		err = errors.Join(err, w.ask(ctx, one, p))
	}
	return err
}

// ask asks once, and judges if there is enough to judge by.
func (w *Watcher) ask(ctx context.Context, one build.Watching, p build.Project) error {
	if p.Watch.For == 0 { // it is not in the config any more
		return w.Book.Outwatch(ctx, one.Build)
	}
	b, err := w.Book.Build(ctx, one.Build)
	if err != nil {
		return err
	}
	live, err := w.Book.Live(ctx, p.Name, p.Environment())
	if err != nil {
		return err
	}
	if live.Commit != b.Commit {
		return w.Book.Outwatch(ctx, one.Build)
	}
	bad, err := query(ctx, p.Watch)
	one.Asked = time.Now()
	switch {
	case err != nil:
		w.Log.Warn("monitor not asked", "project", p.Name, "build", b.ID, "error", err)
	case bad == "":
		one.Answers, one.Bad = one.Answers+1, 0
	default:
		one.Answers, one.Bad = one.Answers+1, one.Bad+1
		w.Log.Warn("a release looks bad", "project", p.Name, "build", b.ID, "answer", bad, "times", one.Bad)
	}
	if err := w.Book.Watching(ctx, one); err != nil {
		return err
	}
	return w.judge(ctx, one, p, b, verdict{bad, err})
}

// verdict is what the monitor said: why the release is bad, or why it said nothing.
type verdict struct {
	bad string
	err error
}

func (w *Watcher) judge(ctx context.Context, one build.Watching, p build.Project, b build.Build, v verdict) error {
	switch {
	case one.Bad >= p.Watch.Failures:
		return w.withdraw(ctx, p, b, v.bad)
	case one.Asked.Before(one.Until):
		return nil
	case one.Answers == 0:
		return w.Book.Judge(ctx, b.ID, build.EventUnjudged, fmt.Sprintf("the monitor did not answer in %s: %v", p.Watch.For, v.err))
	}
	return w.Book.Judge(ctx, b.ID, build.EventStays, fmt.Sprintf("nothing bad in %s, asked %d times", p.Watch.For, one.Answers))
}

// withdraw takes a release back: what ran before it goes out again.
func (w *Watcher) withdraw(ctx context.Context, p build.Project, b build.Build, why string) error {
	before, err := w.Book.Before(ctx, p.Name, p.Environment(), b.Commit, time.Now())
	if err != nil {
		return err
	}
	if before.Commit == "" {
		return w.Book.Judge(ctx, b.ID, build.EventBad, why+"; it stays, as nothing ran before it")
	}
	name := before.Version
	if name == "" {
		name = before.Commit[:min(len(before.Commit), 10)]
	}
	back := build.Delivery{
		ID: "watch-" + b.ID, Event: build.Trigger, Received: time.Now(),
		Push: build.Push{Repo: p.Repo, Project: p.Name, Ref: before.Commit, Pusher: build.Itself, Back: true},
	}
	if err := w.Book.Withdraw(ctx, b.ID, fmt.Sprintf("%s; back to %s", why, name), back); err != nil {
		return err
	}
	w.Log.Warn("release taken back", "project", p.Name, "build", b.ID, "why", why, "to", name)
	w.Wake()
	return nil
}
