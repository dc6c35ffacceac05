package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
	"autobuilder/jenkins"
	"autobuilder/ledger"
	"autobuilder/metrics"
	"autobuilder/web"
	"autobuilder/webhook"
)

// routes is the whole HTTP surface.
func routes(ctx context.Context, now *conductor, client *jenkins.Client, log *slog.Logger) (http.Handler, error) {
	book := now.ledger
	page, err := web.New(ctx, web.Options{
		Projects: now.projects, Ledger: book, People: now, Desk: now.desk, Console: client.Console, Log: log,
	})
	if err != nil {
		return nil, err
	}
	keep := func(ctx context.Context, d build.Delivery) error {
		err := book.Store(ctx, d)
		now.wake()
		return err
	}
	r := chi.NewRouter()
	r.Method(http.MethodPost, webhookPath, &webhook.Handler{Keys: now.keys, Store: keep, Log: log})
	r.Get("/healthz", answerFor(map[string]check{"ledger": aliveLedger(book)}))
	r.Get("/readyz", answerFor(map[string]check{"ledger": aliveLedger(book), "jenkins": client.Ping}))
	r.Method(http.MethodGet, "/metrics", now.seen(metrics.New(metrics.Options{Ledger: book, Live: now.Live, Log: log})))
	r.Post("/slack/commands", now.room.Command)
	r.Post("/slack/interactions", now.room.Interaction)
	r.Post("/api/v1/chat", now.gateway)
	r.Mount("/", page)
	return r, nil
}

// check says whether a part works.
type check func(context.Context) error

func aliveLedger(book *ledger.Ledger) check {
	return func(ctx context.Context) error {
		_, err := book.Newest(ctx)
		return err
	}
}

// ownHeader tells check that it is an autobuilder which has the address.
const ownHeader = "X-Autobuilder"

const checkTime = 5 * time.Second

// answerFor answers 200 when all parts work, else 503 and which doesn't.
func answerFor(parts map[string]check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTime)
		defer cancel()
		status, text := http.StatusOK, "ok\n"
		for name, works := range parts {
			if err := works(ctx); err != nil {
				status, text = http.StatusServiceUnavailable, fmt.Sprintf("%s: %s\n", name, err)
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set(ownHeader, "1")
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}
