package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"deliver/host"
)

func unpinCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "unpin",
		Usage: "let pushes go again after a rollback",
		Description: "A rollback pins the servers to what it went back to, so that the next push does not bring the bad release again. " +
			"A push of a newer version takes the pin away by itself; this does so for any. Changes nothing that runs.",
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			return e.changeAll(c.Context, settings, unpin)
		},
	}
}

func unpin(ctx context.Context, server host.Server, claim host.Claim) (string, error) {
	state, err := server.Look(ctx, host.Service{Manager: noService})
	if err != nil {
		return "", err
	}
	if state.Pin == nil {
		return "was not pinned", nil
	}
	err = holding(ctx, server, claim, func() error {
		if err := server.Pin(ctx, nil); err != nil {
			return err
		}
		return server.Record(ctx, host.Entry{Time: time.Now().UTC(), Run: claim.Run, Action: "unpin", Result: "unpinned", By: claim.By})
	})
	return "not pinned to " + state.Pin.Release + " any more", err
}

// noService is the manager of one who does not ask for the service.
const noService = "none"
