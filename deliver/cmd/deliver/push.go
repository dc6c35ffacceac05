package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"deliver/config"
	"deliver/delivery"
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
	if err := needRequired(ctx, c); err != nil {
		return err
	}
	if c.Strategy != config.Tarball {
		return c.Script.RunStrategy(ctx, c.Strategy, config.Call{Stdout: e.stdout, Stderr: e.stderr})
	}
	if err := e.needFleet(c); err != nil {
		return err
	}
	course, err := e.course(ctx, c, delivery.Push)
	if err != nil {
		return err
	}
	defer course.delivery.ReachAhead(ctx)()
	b, err := course.forward(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	if course.store != nil {
		if _, err := e.publish(ctx, course.store, b); err != nil {
			return err
		}
	}
	return course.run(ctx)
}

// needRequired refuses a delivery without what its strategy or the config itself
// requires. Of the hosts needFleet knows more.
func needRequired(ctx context.Context, c *config.Config) error {
	needs, err := c.Script.Requirements(ctx, c.Strategy)
	if err != nil {
		return withCode(exitUsage, err)
	}
	if c.Strategy == config.Tarball {
		needs.Required = slices.DeleteFunc(needs.Required, func(name string) bool { return name == "HOSTS" })
	}
	return withCode(exitUsage, c.Need(needs.Required...))
}

// forward makes the build that is asked for the one to deliver.
func (c *course) forward(ctx context.Context) (*delivery.Build, error) {
	b, err := c.build(ctx, c.config)
	if err != nil {
		return nil, err
	}
	c.delivery.Record = b.Record
	c.delivery.Package = func(context.Context) (*delivery.Build, error) { return b, nil }
	return b, nil
}
