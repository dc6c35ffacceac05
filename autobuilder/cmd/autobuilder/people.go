package main

import (
	"context"
	"os"
	"path/filepath"

	"autobuilder/build"
	"autobuilder/config"
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

func deliverToken(cfg *config.Config) string {
	return filepath.Join(cfg.Data, "deliver.token")
}

// Hold, Holds, Approve, Reject, Tick, Live and Told are those of the present
// config's dispatcher.

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

func (c *conductor) Live(ctx context.Context) ([]build.Live, error) {
	return c.work.Load().Live(ctx)
}

func (c *conductor) Told(ctx context.Context, r build.Rollout, job string) error {
	return c.work.Load().Told(ctx, r, job)
}
