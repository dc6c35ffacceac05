package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/dispatch"
	"autobuilder/jenkins"
	"autobuilder/jobs"
	"autobuilder/ledger"
	"autobuilder/notify"
	"autobuilder/promoted"
	"autobuilder/signin"
	"autobuilder/slack"
	"autobuilder/webhook"
)

// setup is a config with all that was read and made for it: nothing in it can
// fail any more.
type setup struct {
	cfg    *config.Config
	keys   []webhook.Key
	wanted []jobs.Config // none: the jobs are left as they are
	sent   dispatch.Sent // nil: GitHub is not asked
	desk   *signin.Desk

	promoted dispatch.Promoted // nil: stores are not asked

	sinks   map[string]notify.Sink // who is told of what happens
	secrets []string               // values that nobody is told
	signing string                 // secret of Slack's app; empty: there is none
}

func prepare(cfg *config.Config) (*setup, error) {
	s := &setup{cfg: cfg, promoted: promoted.New().Last}
	secrets, err := cfg.Keys(os.Getenv)
	if err != nil {
		return nil, usageError{err}
	}
	for _, key := range secrets {
		s.keys = append(s.keys, webhook.Key{Secret: []byte(key.Secret.Reveal()), Repo: key.Repo})
	}
	if s.sent, err = askGitHub(cfg); err != nil {
		return nil, usageError{err}
	}
	tokens, err := readTokens(cfg)
	if err != nil {
		return nil, usageError{err}
	}
	if s.desk, err = newDesk(cfg, tokens); err != nil {
		return nil, err
	}
	if err := s.prepareTelling(tokens); err != nil {
		return nil, usageError{err}
	}
	if cfg.SyncJobs() {
		s.wanted, err = renderAll(cfg)
	}
	return s, err
}

func (s *setup) prepareTelling(tokens []build.Token) error {
	sinks, theirs, err := readNotifiers(s.cfg)
	if err != nil {
		return err
	}
	signing, err := s.cfg.Chat.Slack.Secret(os.Getenv)
	if err != nil {
		return err
	}
	s.signing = signing.Reveal()
	ours, err := ownSecrets(s.cfg)
	s.sinks, s.secrets = sinks, secretsOf(s, tokens, append(theirs, ours...))
	return err
}

// webhookPath is where GitHub sends to.
const webhookPath = "/webhooks/github"

func askGitHub(cfg *config.Config) (dispatch.Sent, error) {
	token, err := cfg.GitHub.Token(os.Getenv)
	if err != nil || token == "" {
		return nil, err
	}
	return webhook.NewSent(cfg.GitHub.API, token.Reveal(), strings.TrimRight(cfg.URL, "/")+webhookPath)
}

// conductor runs the dispatcher of the present config, and with SIGHUP that of
// the next one. What the old dispatcher had not done is in the ledger, and is
// the new one's.
type conductor struct {
	ledger  *ledger.Ledger
	jenkins *jenkins.Client
	log     *slog.Logger
	hangUp  chan os.Signal
	room    *slack.Endpoint
	setup   atomic.Pointer[setup]
	work    atomic.Pointer[dispatch.Dispatcher]
}

func newConductor(first *setup, book *ledger.Ledger, client *jenkins.Client, log *slog.Logger) *conductor {
	c := &conductor{ledger: book, jenkins: client, log: log, hangUp: make(chan os.Signal, 1)}
	signal.Notify(c.hangUp, syscall.SIGHUP) // before anybody is told that it runs: without, the signal ends the process
	c.adopt(first)
	c.room = &slack.Endpoint{Secret: c.signing, Answer: c.chat().Answer, Log: log}
	return c
}

func (c *conductor) adopt(s *setup) {
	c.setup.Store(s)
	c.work.Store(newDispatcher(s, c.ledger, c.jenkins, c.log))
}

func newDispatcher(s *setup, book *ledger.Ledger, ci dispatch.Jenkins, log *slog.Logger) *dispatch.Dispatcher {
	cfg := s.cfg
	return dispatch.New(dispatch.Options{
		Ledger: book, Jenkins: ci, Git: dispatch.Git{Dir: gitDir(cfg)}, Sent: s.sent, Promoted: s.promoted,
		Projects: cfg.Projects, Settle: cfg.Settle, Poll: cfg.Poll, Search: cfg.Search, Log: log,
	})
}

func (c *conductor) keys() []webhook.Key       { return c.setup.Load().keys }
func (c *conductor) projects() []build.Project { return c.setup.Load().cfg.Projects }
func (c *conductor) desk() *signin.Desk        { return c.setup.Load().desk }
func (c *conductor) wake()                     { c.work.Load().Wake() }

// run works until ctx ends.
func (c *conductor) run(ctx context.Context) error {
	defer signal.Stop(c.hangUp)
	defer c.room.Wait()
	for ctx.Err() == nil {
		if err := c.runOne(ctx); err != nil {
			return err
		}
	}
	return nil
}

// runOne works with one config until ctx ends or another one takes its place.
func (c *conductor) runOne(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	failed := make(chan error, 3)
	run := func(part func(context.Context) error) {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				failed <- err
			}
		})
	}
	run(func(ctx context.Context) error { return c.dispatch(ctx, &parts) })
	run(c.notify)
	run(c.watcher().Run)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-c.hangUp:
		}
		next, err := c.reload()
		if err == nil {
			stop()
			parts.Wait()
			c.adopt(next)
			c.log.Info("config reloaded", "file", next.cfg.Path, "projects", len(next.cfg.Projects))
			return nil
		}
		c.log.Error("config not reloaded, the old one holds", "error", err)
	}
}

func (c *conductor) dispatch(ctx context.Context, parts *sync.WaitGroup) error {
	// The jobs come first, but a Jenkins that is away holds no decision up.
	k := &keeper{jenkins: c.jenkins, wanted: c.setup.Load().wanted, log: c.log}
	if err := k.sync(ctx); err != nil {
		parts.Go(func() { k.keepTrying(ctx) })
	}
	return c.work.Load().Run(ctx)
}

// reload reads the config anew. One that is wrong, or that asks for what only a
// start can do, is an error.
func (c *conductor) reload() (*setup, error) {
	now := c.setup.Load().cfg
	next, err := config.Load(now.Path)
	if err != nil {
		return nil, err
	}
	if fixed := changedAtStart(now, next); len(fixed) > 0 {
		return nil, fmt.Errorf("%s: only a restart changes %s", now.Path, strings.Join(fixed, ", "))
	}
	s, err := prepare(next)
	if err != nil {
		return nil, errors.Join(errors.New("prepare "+now.Path), err)
	}
	return s, nil
}

// changedAtStart are the fields that differ and that a running server keeps.
func changedAtStart(now, next *config.Config) []string {
	var fields []string
	for field, same := range map[string]bool{
		"listen": now.Listen == next.Listen, "data": now.Data == next.Data, "jenkins": now.Jenkins == next.Jenkins,
	} {
		if !same {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	return fields
}
