package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/signin"
	"autobuilder/webhook"
)

// readTokens are those of the config, and the one that the embedded Jenkins'
// builds tell of their rollouts with.
func readTokens(cfg *config.Config) ([]build.Token, error) {
	var tokens []build.Token
	for _, t := range cfg.Tokens {
		secret, err := t.Reveal(os.Getenv)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, build.Token{Name: t.Name, Scopes: t.Scopes, Secret: []byte(secret.Reveal())})
	}
	if !cfg.Jenkins.Embedded() {
		return tokens, nil
	}
	own, err := ownToken(deliverToken(cfg))
	return append(tokens, build.Token{Name: "deliver", Scopes: []build.Scope{build.ScopeDeploy}, Secret: []byte(own)}), err
}

// newDesk knows people by what the config says.
func newDesk(cfg *config.Config, tokens []build.Token) (*signin.Desk, error) {
	key, err := ownToken(filepath.Join(cfg.Data, "session.key"))
	if err != nil {
		return nil, err
	}
	secret, err := cfg.SignIn.GitHub.Secret(os.Getenv)
	if err != nil {
		return nil, usageError{err}
	}
	from, err := cfg.SignIn.Proxy.Networks()
	if err != nil {
		return nil, usageError{err}
	}
	github := cfg.SignIn.GitHub
	return signin.New(signin.Options{
		URL: cfg.URL, Key: []byte(key), Session: cfg.SignIn.Session, Private: cfg.SignIn.Private,
		Tokens: func() []build.Token { return tokens },
		Proxy:  signin.Proxy{Header: cfg.SignIn.Proxy.Header, From: from},
		GitHub: signin.GitHub{
			ClientID: github.ClientID, Secret: secret.Reveal(), URL: github.URL, API: cfg.GitHub.API,
			Users: github.Users, Organization: github.Organization,
		},
	}), nil
}

func deliverToken(cfg *config.Config) string {
	return filepath.Join(cfg.Data, "deliver.token")
}

// What follows is done by the present config's dispatcher.

func (c *conductor) Hold(ctx context.Context, name string) (build.Hold, error) {
	return c.work.Load().Hold(ctx, name)
}

func (c *conductor) Holds(ctx context.Context, all bool) ([]build.Hold, error) {
	return c.work.Load().Holds(ctx, all)
}

func (c *conductor) Approve(ctx context.Context, name, by, note string) (build.Hold, error) {
	return c.work.Load().Approve(ctx, name, by, note)
}

func (c *conductor) Reject(ctx context.Context, name, by, note string) (build.Hold, error) {
	return c.work.Load().Reject(ctx, name, by, note)
}

func (c *conductor) Tick(ctx context.Context, name string, t build.Tick) (build.Hold, error) {
	return c.work.Load().Tick(ctx, name, t)
}

func (c *conductor) MayApprove(h build.Hold, by string) string {
	return c.work.Load().MayApprove(h, by)
}

func (c *conductor) Commits(ctx context.Context, project, from, to string) ([]build.Commit, error) {
	return c.work.Load().Commits(ctx, project, from, to)
}

func (c *conductor) Trigger(ctx context.Context, w build.Wish, by string) (string, error) {
	return c.work.Load().Trigger(ctx, w, by)
}

func (c *conductor) Replay(ctx context.Context, delivery, by string) (string, error) {
	return c.work.Load().Replay(ctx, delivery, by)
}

// wrongPayload is a webhook's JSON that is none.
type wrongPayload struct{ error }

func (wrongPayload) Is(target error) bool { return target == build.ErrNotAllowed }

func (c *conductor) Explain(ctx context.Context, event string, body []byte) (build.Prospect, error) {
	push, err := webhook.Parse(event, body)
	if err != nil {
		return build.Prospect{}, wrongPayload{err}
	}
	return c.work.Load().Prospect(ctx, build.Delivery{ID: "explain", Event: event, Received: time.Now(), Push: push})
}

func (c *conductor) Live(ctx context.Context) ([]build.Live, error) {
	return c.work.Load().Live(ctx)
}

func (c *conductor) Told(ctx context.Context, r build.Rollout, job string) error {
	return c.work.Load().Told(ctx, r, job)
}
