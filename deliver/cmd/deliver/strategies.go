package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

func strategiesCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:        "strategies",
		Usage:       "list the ways to deliver",
		Description: "Lists the built-in strategy and those of the project, the files in .deliver/strategies.",
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			names := settings.Script.Strategies()
			if e.output.json {
				return e.printJSON(map[string]any{"strategies": names})
			}
			return printTo(e.stdout, "\nAvailable strategies:\n\n  * "+strings.Join(names, "\n  * ")+"\n\n")
		},
	}
}
