package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
)

// access is how commands see and do things: by the ledger's file beside the
// config, whether a server runs or not, or by a server's API. What they do is done
// in the name of the machine's user, or of the token.
type access interface {
	Status(ctx context.Context) (standing, error)
	// History is of one project, or of all; the newest n of each kind.
	History(ctx context.Context, project string, n int) (past, error)
	Hold(ctx context.Context, name string) (build.Hold, error)
	Holds(ctx context.Context, all bool) ([]build.Hold, error)
	Approve(ctx context.Context, name, note string) (build.Hold, error)
	Reject(ctx context.Context, name, note string) (build.Hold, error)
	Tick(ctx context.Context, name string, t build.Tick) (build.Hold, error)
	// Lock and Unlock are of a project; the lock is who has it now.
	Lock(ctx context.Context, project string, w build.LockWish) (build.Lock, error)
	Unlock(ctx context.Context, project, note string) error
	// Trigger and Replay give the ID of the delivery that was written down.
	Trigger(ctx context.Context, w build.Wish) (string, error)
	Replay(ctx context.Context, delivery string) (string, error)
	Explain(ctx context.Context, event string, payload []byte) (build.Prospect, error)
	Close()
}

// accessFlags say which of the two it is; they are flags of every command.
func accessFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "server", EnvVars: []string{"AUTOBUILDER_SERVER"}, Usage: "`URL` of an autobuilder whose API is asked instead of the files here"},
		&cli.StringFlag{Name: "token-file", EnvVars: []string{"AUTOBUILDER_TOKEN_FILE"}, Usage: "`FILE` with the token for --server; default: AUTOBUILDER_TOKEN"},
	}
}

// reach opens what the command works with; Close it.
func reach(c *cli.Context) (access, error) {
	if c.String("server") == "" {
		return openLocal(c)
	}
	token, err := remoteToken(c)
	if err != nil {
		return nil, err
	}
	return newRemote(c.String("server"), token)
}

func remoteToken(c *cli.Context) (string, error) {
	path := c.String("token-file")
	if path == "" {
		return os.Getenv("AUTOBUILDER_TOKEN"), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usageError{fmt.Errorf("read the token for --server: %w", err)}
	}
	return strings.TrimSpace(string(text)), nil
}

// with runs what a command does with its access.
func with(do func(*cli.Context, access) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		a, err := reach(c)
		if err != nil {
			return err
		}
		defer a.Close()
		err = do(c, a)
		if errors.Is(err, build.ErrNotAllowed) {
			return fmt.Errorf("%s %s: %w", c.Command.Name, c.Args().First(), err)
		}
		return err
	}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "JSON on stdout"} }

// oneArgument is the only one of a command that needs one.
func oneArgument(c *cli.Context, hint string) (string, error) {
	if c.NArg() != 1 {
		return "", wrongUsage("%s needs one %s, after the flags: %s", c.Command.Name, c.Command.ArgsUsage, hint)
	}
	return c.Args().First(), nil
}
