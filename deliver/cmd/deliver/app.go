package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
)

// commands is the command tree; each command stands in a file of its name.
func commands(e *environment) []*cli.Command {
	return []*cli.Command{
		hostsCommand(e),
	}
}

// run is deliver without the process around it: it gives the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	dir, err := os.Getwd()
	if err == nil {
		e := &environment{stdin: stdin, stdout: stdout, stderr: stderr, dir: dir, environ: os.Environ(), flags: map[string]string{}}
		err = newApp(e).RunContext(ctx, args)
	}
	if err != nil {
		fmt.Fprintf(stderr, "deliver: %v\n", err)
	}
	return exitCode(ctx, err)
}

func newApp(e *environment) *cli.App {
	return &cli.App{
		Name:           "deliver",
		Usage:          "put a release on every server that runs the project",
		HideVersion:    true,
		Reader:         e.stdin,
		Writer:         e.stdout,
		ErrWriter:      e.stderr,
		ExitErrHandler: func(*cli.Context, error) {},
		Commands:       commands(e),
	}
}
