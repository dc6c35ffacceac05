package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"deliver/host"
)

func unlockCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "unlock",
		Usage: "take the servers away from a delivery that is under way",
		Description: "Hardly ever needed: a delivery that dies loses its lease by itself within LEASE_TTL. Takes the lease from one that " +
			"hangs, so that the next can begin; what is taken from it changes nothing any more. The reason goes into the servers' history.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "reason", Usage: "why, for the history; it must be given"}},
		Action: func(c *cli.Context) error {
			reason := c.String("reason")
			if reason == "" {
				return usage(errors.New("unlock needs a --reason, for the history"))
			}
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			return e.changeAll(c.Context, settings, func(ctx context.Context, server host.Server, claim host.Claim) (string, error) {
				return unlock(ctx, server, claim, reason)
			})
		},
	}
}

func unlock(ctx context.Context, server host.Server, claim host.Claim, reason string) (string, error) {
	state, err := server.Look(ctx, host.Service{Manager: noService})
	if err != nil {
		return "", err
	}
	if !state.Lease.Held() {
		return "nobody holds it", nil
	}
	claim.Over = state.Lease.Token
	err = holding(ctx, server, claim, func() error {
		return server.Record(ctx, host.Entry{
			Time: time.Now().UTC(), Run: claim.Run, Action: "unlock", Result: "unlocked", By: claim.By,
			Why: fmt.Sprintf("%s (from run %s)", reason, state.Lease.Run),
		})
	})
	return fmt.Sprintf("taken from run %s of %s", state.Lease.Run, state.Lease.By), err
}
