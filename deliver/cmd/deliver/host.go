package main

import (
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"deliver/host"
)

// hostCommand is the far side of a connection.
func hostCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:   "host",
		Usage:  "internal: what deliver starts on a server",
		Hidden: true,
		Action: func(c *cli.Context) error {
			// What was begun here ends whole, also when the connection breaks.
			signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
			return host.Serve(c.Context, e.stdin, e.stdout)
		},
	}
}
