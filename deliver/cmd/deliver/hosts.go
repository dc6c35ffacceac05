package main

import (
	"encoding/json"
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/inventory"
)

func hostsCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "hosts",
		Usage: "print the servers, one per line",
		Description: "Evaluates .deliver/config and prints the servers that a delivery would go to, after --env, --only " +
			"and --except. Contacts none of them.",
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			if err := settings.Need("HOSTS"); err != nil {
				return withCode(exitUsage, err)
			}
			if e.output.json {
				return e.printJSON(map[string]any{"hosts": settings.Hosts, "origin": settings.Value("HOSTS").Origin})
			}
			return printTo(e.stdout, strings.ReplaceAll(inventory.Join(settings.Hosts), " ", "\n")+"\n")
		},
	}
}

// printJSON prints the result of a command that was asked for --json.
func (e *environment) printJSON(result any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(result)
}
