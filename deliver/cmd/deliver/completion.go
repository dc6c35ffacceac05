package main

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/config"
)

//go:embed completion
var completionScripts embed.FS

// shells are those that there is a script for.
var shells = []string{"bash", "zsh", "fish"}

func completionCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what makes a shell complete deliver's words",
		ArgsUsage: strings.Join(shells, "|"),
		Description: "Prints a script for bash, zsh or fish, to be loaded at their start: source <(deliver completion bash), or " +
			"deliver completion fish | source. It completes commands, flags and their values. Hosts and release ids are those of " +
			"the last deliveries from this machine: to complete a word, no config is run and no server asked.",
		Action: func(c *cli.Context) error {
			shell := c.Args().First()
			switch {
			case shell == "":
				return usage(errors.New("name the shell: deliver completion " + strings.Join(shells, ", ")))
			case c.NArg() > 1:
				return usage(fmt.Errorf("deliver completion takes no argument %q", c.Args().Get(1)))
			case !slices.Contains(shells, shell):
				return usage(fmt.Errorf("there is no completion for %q%s: there is %s", shell, config.Suggest(shell, shells), strings.Join(shells, ", ")))
			}
			script, err := completionScripts.ReadFile("completion/deliver." + shell)
			if err != nil {
				return err
			}
			return printTo(e.stdout, string(script))
		},
	}
}

// completeCommand is what those scripts call: it gets the words of the line,
// of which the last one is to be completed, and prints what can stand there.
func completeCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:   "complete",
		Usage:  "internal: what the completion of shells asks",
		Hidden: true,
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				words = []string{""}
			}
			tree := completed(commands(e), e)
			found := newCompletion(e, tree, words).candidates()
			var out strings.Builder
			for _, f := range found {
				out.WriteString(f.line() + "\n")
			}
			return printTo(e.stdout, out.String())
		},
	}
}
