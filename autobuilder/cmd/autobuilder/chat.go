package main

import (
	"context"
	"net/http"
	"time"

	"autobuilder/build"
	"autobuilder/chat"
	"autobuilder/notify"
)

// chat answers what people say, with what the present config says.
func (c *conductor) chat() *chat.Desk {
	return chat.New(chat.Options{
		Projects: c.projects, Names: c.names, Work: c, Log: c.log,
		URL:  func() string { return c.setup.Load().cfg.URL },
		Hide: func(text string) string { return notify.NewRedactor(c.setup.Load().secrets).Text(text) },
	})
}

func (c *conductor) names() map[string]string { return c.setup.Load().cfg.Chat.People }
func (c *conductor) signing() string          { return c.setup.Load().signing }

// gateway answers a program that brings what people say in rooms.
func (c *conductor) gateway(w http.ResponseWriter, r *http.Request) {
	who, ok := c.desk().Who(r)
	switch {
	case !ok:
		w.Header().Set("WWW-Authenticate", `Bearer realm="autobuilder"`)
		http.Error(w, "this needs a token: Authorization: Bearer TOKEN", http.StatusUnauthorized)
	case !who.May(build.ScopeChat):
		http.Error(w, "the token "+who.Name+" lacks the scope chat", http.StatusForbidden)
	default:
		c.chat().Gateway(w, r, who.Name)
	}
}

// seen lets only those see it who may see the page.
func (c *conductor) seen(what http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := c.desk().Who(r)
		if c.desk().Private && (!ok || !who.May(build.ScopeRead)) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="autobuilder"`)
			http.Error(w, "this needs a token with the scope read: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		what.ServeHTTP(w, r)
	})
}

// What people ask for in a room is read from the ledger, and written into it.

// Ask keeps a wish, and has it decided on at once.
func (c *conductor) Ask(ctx context.Context, d build.Delivery) error {
	err := c.ledger.Store(ctx, d)
	c.wake()
	return err
}

// Fate says what became of a wish.
func (c *conductor) Fate(ctx context.Context, id string) (build.Fate, error) {
	return c.ledger.Fate(ctx, id)
}

// Before is what ran before the time, other than the commit.
func (c *conductor) Before(ctx context.Context, project, environment, commit string, at time.Time) (build.Live, error) {
	return c.ledger.Before(ctx, project, environment, commit, at)
}

// Open are the builds of a project that are not over.
func (c *conductor) Open(ctx context.Context, project string) ([]build.Build, error) {
	return c.ledger.Open(ctx, project)
}

// Builds are the newest of a project.
func (c *conductor) Builds(ctx context.Context, project string, limit int) ([]build.Build, error) {
	return c.ledger.Builds(ctx, project, limit)
}

// LockOf is the lock of a project, or nil.
func (c *conductor) LockOf(ctx context.Context, project string) (*build.Lock, error) {
	return c.ledger.LockOf(ctx, project)
}

// Lock keeps a project's builds waiting.
func (c *conductor) Lock(ctx context.Context, l build.Lock) error {
	return c.work.Load().Lock(ctx, l)
}

// Unlock lets them go.
func (c *conductor) Unlock(ctx context.Context, project, by, note string) error {
	return c.work.Load().Unlock(ctx, project, by, note)
}
