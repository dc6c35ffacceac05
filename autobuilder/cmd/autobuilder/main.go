// Command autobuilder turns pushes to GitHub into Jenkins builds, each once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"autobuilder/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// The exit codes; they stand in --help too.
const (
	exitFailed = 1
	exitUsage  = 2
)

const description = `Configuration is read from autobuilder.yml (--config, AUTOBUILDER_CONFIG).

Exit codes:
  0  done
  1  failed: a port is taken, a check did not pass, jobs differ, an approval is not allowed, a server refused
  2  wrong usage or configuration; nothing was touched`

// usageError is an error of the person who typed or configured.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func wrongUsage(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := newApp(stdin, stdout, stderr)
	err := app.RunContext(ctx, args)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "autobuilder:", err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "autobuilder:", err)
	return exitFailed
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:        "autobuilder",
		Usage:       "turn pushes to GitHub into Jenkins builds, each once",
		Description: description,
		Reader:      stdin, Writer: stdout, ErrWriter: stderr,
		HideVersion:     true,
		HideHelpCommand: true,
		// The library would exit by itself.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsageError,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Value: "autobuilder.yml", EnvVars: []string{"AUTOBUILDER_CONFIG"}, Usage: "configuration `FILE`"},
			&cli.BoolFlag{Name: "debug", Usage: "log more"},
			&cli.BoolFlag{Name: "log-json", Usage: "log as JSON lines"},
		}, accessFlags()...),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return wrongUsage("there is no command %q: see autobuilder --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Commands: withUsageErrors([]*cli.Command{
			serveCommand(), checkCommand(), triggerCommand(), replayCommand(), historyCommand(),
			statusCommand(), explainCommand(), jobsCommand(),
			holdsCommand(), approveCommand(), rejectCommand(), tickCommand(),
			lockCommand(), unlockCommand(),
			completionCommand(), completeCommand(), manualCommand(),
		}),
	}
}

func onUsageError(_ *cli.Context, err error, _ bool) error {
	return usageError{err}
}

func withUsageErrors(commands []*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
		withUsageErrors(c.Subcommands)
	}
	return commands
}

// loadConfig reads the file that --config names.
func loadConfig(c *cli.Context) (*config.Config, error) {
	loaded, err := config.Load(c.String("config"))
	if err != nil {
		return nil, usageError{err}
	}
	return loaded, nil
}

// noArguments refuses words that the command would ignore.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return wrongUsage("%s takes no argument %q", c.Command.Name, c.Args().First())
	}
	return nil
}

func newLog(c *cli.Context) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.Bool("debug") {
		options.Level = slog.LevelDebug
	}
	if c.Bool("log-json") {
		return slog.New(slog.NewJSONHandler(c.App.ErrWriter, options))
	}
	return slog.New(slog.NewTextHandler(c.App.ErrWriter, options))
}
