package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"autobuilder/config"
	"autobuilder/dispatch"
	"autobuilder/ledger"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "receive webhooks, build, show the page; runs until SIGINT or SIGTERM",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			return serve(c.Context, cfg, newLog(c))
		},
	}
}

// serve starts everything, and ends it in good order when ctx ends or a part fails.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	secrets, err := cfg.GitHub.Secrets(os.Getenv)
	if err != nil {
		return usageError{err}
	}
	unlock, err := lockData(cfg.Data)
	if err != nil {
		return err
	}
	defer unlock()
	book, err := ledger.Open(ctx, cfg.LedgerFile())
	if err != nil {
		return err
	}
	defer book.Close() //nolint:errcheck // every write is on disk already
	listener, err := listen(ctx, cfg.Listen, "listen")
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // only if a later step fails
	ci, err := openJenkins(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer ci.close()
	dispatcher := newDispatcher(cfg, book, ci.client, log)
	jobs, err := newKeeper(cfg, ci.client, log)
	if err != nil {
		return err
	}
	surface, err := routes(cfg, secrets, dispatcher, ci.client, log)
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "jenkins", ci.url, "projects", len(cfg.Projects))
	return work(ctx, parts{dispatcher: dispatcher, jobs: jobs, jenkins: ci, listener: listener, surface: surface, log: log})
}

// parts are what serve has put together.
type parts struct {
	dispatcher *dispatch.Dispatcher
	jobs       *keeper
	jenkins    *ci
	listener   net.Listener
	surface    http.Handler
	log        *slog.Logger
}

func work(ctx context.Context, p parts) error {
	all, ctx := errgroup.WithContext(ctx)
	p.jenkins.run(ctx, all)
	all.Go(func() error { return serveHTTP(ctx, p.listener, p.surface) })
	all.Go(func() error {
		// The jobs come first, but a Jenkins that is away holds no decision up.
		if err := p.jobs.sync(ctx); err != nil {
			all.Go(func() error {
				p.jobs.keepTrying(ctx)
				return nil
			})
		}
		return p.dispatcher.Run(ctx)
	})
	err := all.Wait()
	p.log.Info("stopped")
	return err
}

func newDispatcher(cfg *config.Config, book *ledger.Ledger, jenkins dispatch.Jenkins, log *slog.Logger) *dispatch.Dispatcher {
	return dispatch.New(dispatch.Options{
		Ledger: book, Jenkins: jenkins, Git: dispatch.Git{Dir: gitDir(cfg)},
		Projects: cfg.Projects, Settle: cfg.Settle, Poll: cfg.Poll, Search: cfg.Search, Log: log,
	})
}

func listen(ctx context.Context, address, field string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (does another autobuilder run? the address stands in the config as %s)", address, err, field)
	}
	return listener, nil
}

const shutdownTime = 10 * time.Second

// serveHTTP serves until ctx ends, then lets the requests that came in finish.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return streams },
	}
	server.RegisterOnShutdown(endStreams)
	down := make(chan error, 1)
	stopWatching := context.AfterFunc(ctx, func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		down <- server.Shutdown(late)
	})
	err := server.Serve(listener)
	if stopWatching() { // Serve failed by itself
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	if err := <-down; errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return nil
}
