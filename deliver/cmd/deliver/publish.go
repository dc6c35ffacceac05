package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func publishCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "publish",
		Usage: "put a build into the store, for servers to come and for rollbacks",
		Description: "Uploads the build to STORE, as the newest archive and under its id. What new servers install does not change: " +
			"that is for a push to do, when its servers are healthy.",
		Action: func(c *cli.Context) error {
			ctx := c.Context
			settings, err := e.settings(ctx)
			if err != nil {
				return err
			}
			if err := settings.Need("STORE"); err != nil {
				return withCode(exitUsage, err)
			}
			st, err := e.store(ctx, settings.Settings)
			if err != nil {
				return err
			}
			b, err := e.build(ctx, settings)
			if err != nil {
				return err
			}
			defer b.Close()
			done, err := e.publish(ctx, st, b)
			if err != nil {
				return err
			}
			if e.output.json {
				return e.printJSON(map[string]any{"store": st.String(), "record": b.Record, "already": done.Already, "newest": done.Newest})
			}
			_, err = fmt.Fprintf(e.stdout, "%s/releases/%s.tar\n", st, b.Record.ID)
			return err
		},
	}
}
