package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/dispatch"
	"autobuilder/ledger"
	"autobuilder/webhook"
)

// local is access by the files here.
type local struct {
	cfg  *config.Config
	book *ledger.Ledger
	*dispatch.Dispatcher
	done func()
}

// openLocal opens the ledger only if there is one, as to look is not to make. But
// for a wish or a lock it is made, and to explain needs none.
func openLocal(c *cli.Context) (access, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	l := &local{cfg: cfg, done: func() {}}
	switch c.Command.Name {
	case "trigger", "lock":
		l.book, err = ledger.Open(c.Context, cfg.LedgerFile())
	case "explain":
		cfg, l.done, err = lookOnly(cfg)
		if err == nil {
			l.book, err = ledger.Open(c.Context, cfg.LedgerFile())
		}
	default:
		l.book, err = openExisting(c.Context, cfg)
	}
	if err != nil {
		return nil, err
	}
	l.Dispatcher = newDispatcher(&setup{cfg: cfg}, l.book, nil, slog.New(slog.DiscardHandler))
	return l, nil
}

func openExisting(ctx context.Context, cfg *config.Config) (*ledger.Ledger, error) {
	if _, err := os.Stat(cfg.LedgerFile()); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no ledger at %s yet: autobuilder serve makes it", cfg.LedgerFile())
	}
	return ledger.Open(ctx, cfg.LedgerFile())
}

// lookOnly is the config with a data directory that is thrown away, where there is
// no ledger yet: to look is not to make.
func lookOnly(cfg *config.Config) (*config.Config, func(), error) {
	if _, err := os.Stat(cfg.LedgerFile()); !errors.Is(err, os.ErrNotExist) {
		return cfg, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "autobuilder-explain-")
	if err != nil {
		return nil, nil, fmt.Errorf("make an empty ledger: %w", err)
	}
	elsewhere := *cfg
	elsewhere.Data = dir
	return &elsewhere, func() { os.RemoveAll(dir) }, nil //nolint:errcheck // a directory for temporary files
}

// Close ends the access.
func (l *local) Close() {
	l.book.Close() //nolint:errcheck // every write is on disk already
	l.done()
}

// Status is how far the projects of the config are.
func (l *local) Status(ctx context.Context) (standing, error) {
	var now standing
	var err error
	if now.Pending, err = l.book.Undecided(ctx); err != nil {
		return now, err
	}
	for _, p := range l.cfg.Projects {
		builds, err := l.book.Builds(ctx, p.Name, 100)
		if err != nil {
			return now, err
		}
		one := newest(p.Name, builds)
		if one.Lock, err = l.book.LockOf(ctx, p.Name); err != nil {
			return now, err
		}
		now.Projects = append(now.Projects, one)
	}
	if now.Outbox, err = l.book.Backlogs(ctx); err != nil {
		return now, err
	}
	now.address = l.cfg.Listen
	now.Server, now.Ready = askReady(ctx, "http://"+l.cfg.Listen)
	return now, nil
}

func newest(name string, builds []build.Build) project {
	p := project{Name: name}
	for i := range builds {
		if p.Last == nil {
			p.Last = &builds[i]
		}
		if builds[i].State == build.Succeeded && builds[i].Command == "" && builds[i].Only == "" {
			p.Good = &builds[i]
			break
		}
	}
	return p
}

// History is what the ledger has.
func (l *local) History(ctx context.Context, name string, n int) (past, error) {
	if name == "" {
		return pastOf(l.book.Builds(ctx, "", n))(l.book.Fates(ctx, n))
	}
	p, ok := l.cfg.Project(name)
	if !ok {
		return past{}, l.noProject(name)
	}
	return pastOf(l.book.Builds(ctx, p.Name, n))(l.book.Search(ctx, p.Repo, n))
}

// pastOf puts the two lists together; an empty one is [] in JSON, not null.
func pastOf(builds []build.Build, err error) func([]build.Fate, error) (past, error) {
	return func(fates []build.Fate, fatesErr error) (past, error) {
		return past{append([]build.Build{}, builds...), append([]build.Fate{}, fates...)}, errors.Join(err, fatesErr)
	}
}

func (l *local) noProject(name string) error {
	names := make([]string, 0, len(l.cfg.Projects))
	for _, p := range l.cfg.Projects {
		names = append(names, p.Name)
	}
	return wrongUsage("there is no project %q: %s has %s", name, l.cfg.Path, strings.Join(names, ", "))
}

// Approve says yes in the name of the machine's user.
func (l *local) Approve(ctx context.Context, name, note string) (build.Hold, error) {
	return l.Dispatcher.Approve(ctx, name, operator(), note)
}

// Reject says no in the name of the machine's user.
func (l *local) Reject(ctx context.Context, name, note string) (build.Hold, error) {
	return l.Dispatcher.Reject(ctx, name, operator(), note)
}

// Tick ticks in the name of the machine's user.
func (l *local) Tick(ctx context.Context, name string, t build.Tick) (build.Hold, error) {
	t.By = operator()
	return l.Dispatcher.Tick(ctx, name, t)
}

// Lock locks in the name of the machine's user.
func (l *local) Lock(ctx context.Context, name string, w build.LockWish) (build.Lock, error) {
	if _, ok := l.cfg.Project(name); !ok {
		return build.Lock{}, l.noProject(name)
	}
	made, err := w.Lock(name, operator(), time.Now())
	if err != nil {
		return made, usageError{err}
	}
	return made, l.Dispatcher.Lock(ctx, made)
}

// Unlock unlocks in the name of the machine's user.
func (l *local) Unlock(ctx context.Context, name, note string) error {
	if _, ok := l.cfg.Project(name); !ok {
		return l.noProject(name)
	}
	err := l.Dispatcher.Unlock(ctx, name, operator(), note)
	if errors.Is(err, build.ErrUnknown) {
		return fmt.Errorf("%s is not locked", name)
	}
	return err
}

// Trigger asks in the name of the machine's user.
func (l *local) Trigger(ctx context.Context, w build.Wish) (string, error) {
	if _, ok := l.cfg.Project(w.Project); !ok {
		return "", l.noProject(w.Project)
	}
	return l.Dispatcher.Trigger(ctx, w, operator())
}

// Replay asks in the name of the machine's user.
func (l *local) Replay(ctx context.Context, delivery string) (string, error) {
	return l.Dispatcher.Replay(ctx, delivery, operator())
}

// Explain asks the repository, and writes nothing.
func (l *local) Explain(ctx context.Context, event string, payload []byte) (build.Prospect, error) {
	push, err := webhook.Parse(event, payload)
	if err != nil {
		return build.Prospect{}, usageError{err}
	}
	return l.Prospect(ctx, build.Delivery{ID: "explain", Event: event, Received: time.Now(), Push: push})
}

// operator is who asks, for the ledger.
func operator() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}
