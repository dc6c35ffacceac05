package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"autobuilder/config"
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
	first, err := prepare(cfg)
	if err != nil {
		return err
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
	ci, err := openJenkins(ctx, cfg, config.PublicURL(listener.Addr().String()), log)
	if err != nil {
		return err
	}
	defer ci.close()
	work := newConductor(first, book, ci.client, log)
	surface, err := routes(ctx, work, ci.client, log)
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "jenkins", ci.url, "projects", len(cfg.Projects))
	all, ctx := errgroup.WithContext(ctx)
	ci.run(ctx, all)
	all.Go(func() error { return serveHTTP(ctx, listener, surface) })
	all.Go(func() error { return work.run(ctx) })
	err = all.Wait()
	log.Info("stopped")
	return err
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
