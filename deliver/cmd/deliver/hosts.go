package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func hostsCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "hosts",
		Usage: "print the servers, one per line",
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			for _, h := range settings.Hosts {
				fmt.Fprintln(e.stdout, h)
			}
			return nil
		},
	}
}
