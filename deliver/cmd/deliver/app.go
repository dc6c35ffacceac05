package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// commands is the command tree; each command stands in a file of its name.
func commands(e *environment) []*cli.Command {
	return []*cli.Command{
		pushCommand(e),
		planCommand(e),
		applyCommand(e),
		statusCommand(e),
		rollbackCommand(e),
		unpinCommand(e),
		historyCommand(e),
		unlockCommand(e),
		releasesCommand(e),
		publishCommand(e),
		installCommand(e),
		checkCommand(e),
		hostsCommand(e),
		strategiesCommand(e),
		initCommand(e),
		completionCommand(e),
		completeCommand(e),
		manualCommand(e),
		hostCommand(e),
	}
}

// run is deliver without the process around it: it gives the exit code.
func run(ctx context.Context, args []string, e *environment) int {
	err := runIn(ctx, args, e)
	if err != nil {
		for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
			_, _ = fmt.Fprintf(e.stderr, "deliver: %s\n", line)
		}
	}
	return exitCode(ctx, err)
}

func runIn(ctx context.Context, args []string, e *environment) (err error) {
	if e.dir, err = os.Getwd(); err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	tree := completed(commands(e), e)
	if len(args) > 1 && args[1] == "help" {
		return help(e, tree, args[2:])
	}
	asked, err := arrange(args[1:], tree)
	switch {
	case err != nil:
		return err
	case asked.version:
		_, err = fmt.Fprintf(e.stdout, "deliver %s\n", version())
		return err
	case asked.help && asked.named:
		return help(e, tree, []string{asked.command.Name})
	case asked.help || asked.command == nil:
		return help(e, tree, nil)
	}
	return newApp(e, tree).RunContext(ctx, asked.line())
}

// completed gives every command what all have: the flags of the settings and
// of the output, and errors instead of silence.
func completed(tree []*cli.Command, e *environment) []*cli.Command {
	common := slices.Concat(outputFlags(e), settingFlags(e))
	for _, c := range tree {
		c.HideHelp = true
		c.OnUsageError = badUsage
		if c.Hidden {
			continue
		}
		c.Before = noArguments
		own := flagNames(c.Flags) // which may say something of their own about a setting
		for _, f := range common {
			if !own[f.Names()[0]] {
				c.Flags = append(c.Flags, f)
			}
		}
	}
	return tree
}

func flagNames(flags []cli.Flag) map[string]bool {
	names := map[string]bool{}
	for _, f := range flags {
		for _, name := range f.Names() {
			names[name] = true
		}
	}
	return names
}

func newApp(e *environment, tree []*cli.Command) *cli.App {
	return &cli.App{
		Name:           "deliver",
		HideHelp:       true,
		HideVersion:    true,
		Reader:         e.stdin,
		Writer:         e.stdout,
		ErrWriter:      e.stderr,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   badUsage,
		Commands:       tree,
	}
}

// stamped is the version that make build gives to the linker.
var stamped string

// version is what the binary was built from.
func version() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
