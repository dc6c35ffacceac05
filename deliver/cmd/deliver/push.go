package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"deliver/config"
	"deliver/delivery"
	"deliver/rollout"
	"deliver/store"
)

func pushCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "push",
		Usage: "put a release on all servers, switch them to it and prove them healthy",
		Description: "Builds what --build or git archive gives, ships it to all servers, switches them in the order that is asked " +
			"for and checks each. Where too much fails, what was switched is put back. With STORE set, the build is kept there, and " +
			"becomes what new servers install when all went well.",
		Action: func(c *cli.Context) error { return e.push(c.Context) },
	}
}

func (e *environment) push(ctx context.Context) error {
	c, err := e.settings(ctx)
	if err != nil {
		return err
	}
	if c.Strategy != config.Tarball {
		return c.Script.RunStrategy(ctx, c.Strategy, config.Call{Stdout: e.stdout, Stderr: e.stderr})
	}
	if err := e.needFleet(c); err != nil {
		return err
	}
	d, err := e.delivery(c, delivery.Push)
	if err != nil {
		return err
	}
	st, err := e.store(ctx, c.Settings)
	if err != nil {
		return err
	}
	b, err := e.build(ctx, c)
	if err != nil {
		return err
	}
	defer b.Close()
	d.Record, d.Package = b.Record, func(context.Context) (*delivery.Build, error) { return b, nil }
	if st != nil {
		if _, err := e.publish(ctx, st, b); err != nil {
			return err
		}
	}
	return e.deliver(ctx, c, d, st)
}

// deliver takes a release to the fleet, and makes it what new servers install
// if that went well.
func (e *environment) deliver(ctx context.Context, c *config.Config, d *delivery.Delivery, st *store.Store) error {
	display, err := e.display(c, d.Record, sayingOf(d.Action))
	if err != nil {
		return err
	}
	d.Listen = display.listen
	out := d.Deliver(ctx)
	var promoted error
	if went := out.Result; went == rollout.OK || went == rollout.Partial {
		e.rememberFleet(c)
		if st != nil {
			promoted = e.promote(ctx, st, d.Record, d.Action)
		}
	}
	return display.end(out, promoted)
}
