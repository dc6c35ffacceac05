package main

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"autobuilder/config"
)

//go:embed completion
var completionScripts embed.FS

// shells are those that there is a script for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what makes a shell complete autobuilder's words",
		ArgsUsage: strings.Join(shells(), "|"),
		Description: `Prints a script for bash, zsh or fish, to be loaded at their start: source <(autobuilder completion bash), or
autobuilder completion fish | source. It completes commands, flags and the projects of autobuilder.yml.`,
		Action: func(c *cli.Context) error {
			shell := c.Args().First()
			if c.NArg() != 1 || !slices.Contains(shells(), shell) {
				return wrongUsage("name the shell: autobuilder completion %s", strings.Join(shells(), ", "))
			}
			script, err := completionScripts.ReadFile("completion/autobuilder." + shell)
			if err == nil {
				_, err = c.App.Writer.Write(script)
			}
			return err
		},
	}
}

// completeCommand is what those scripts call: it gets the words of the line, of
// which the last one is to be completed, and prints what can stand there.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name: "complete", Usage: "internal: what the completion of shells asks", Hidden: true, SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			if len(words) > 0 && words[0] == "--" {
				words = words[1:]
			}
			if len(words) == 0 {
				words = []string{""}
			}
			for _, found := range newCompletion(c.App, words).candidates() {
				if _, err := fmt.Fprintln(c.App.Writer, found.line()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// candidate is a word that can stand where one is to be completed.
type candidate struct{ word, about string }

// files stands for the names of files, which the shell itself completes.
const files = ":files"

func (c candidate) line() string {
	if c.about == "" {
		return c.word
	}
	return c.word + "\t" + c.about
}

// completion finds what can stand at the end of a command line.
type completion struct {
	command  *cli.Command // nil: none is named yet
	commands []*cli.Command
	flags    []cli.Flag
	waits    cli.Flag // the flag whose value the word is
	file     string   // of the config
	typed    string
}

// newCompletion goes through the words before the one that is typed.
func newCompletion(app *cli.App, words []string) *completion {
	last := len(words) - 1
	c := &completion{commands: app.Commands, flags: app.Flags, file: "autobuilder.yml", typed: words[last]}
	for _, word := range words[:last] {
		c.pass(word)
	}
	return c
}

func (c *completion) pass(word string) {
	if c.waits != nil {
		if slices.Contains(c.waits.Names(), "config") {
			c.file = word
		}
		c.waits = nil
		return
	}
	if name, _, joined := flagOf(word); name != "" {
		if f := findFlag(c.flags, name); f != nil && !joined && takesValue(f) {
			c.waits = f
		}
		return
	}
	for _, command := range c.commands {
		if command.Name == word {
			c.command, c.commands, c.flags = command, command.Subcommands, command.Flags
			return
		}
	}
	c.commands = nil // an argument stands already
}

// flagOf parts -n, --name and --name=value; the name of anything else is empty.
func flagOf(word string) (name, value string, joined bool) {
	if len(word) < 2 || word[0] != '-' {
		return "", "", false
	}
	return strings.Cut(strings.TrimLeft(word, "-"), "=")
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	doc, ok := f.(cli.DocGenerationFlag)
	return ok && doc.TakesValue()
}

// candidates are what the word may become.
func (c *completion) candidates() []candidate {
	name, value, joined := flagOf(c.typed)
	switch {
	case joined:
		return begin(c.typed[:len(c.typed)-len(value)], value, valuesOf(findFlag(c.flags, name)))
	case c.waits != nil:
		return begin("", c.typed, valuesOf(c.waits))
	case strings.HasPrefix(c.typed, "-"):
		return begin("", c.typed, flagWords(c.flags))
	}
	return begin("", c.typed, c.words())
}

// begin keeps the words that begin as what was typed.
func begin(before, typed string, words []candidate) []candidate {
	var found []candidate
	for _, w := range words {
		if w.word == files {
			return []candidate{w}
		}
		if strings.HasPrefix(w.word, typed) {
			found = append(found, candidate{before + w.word, w.about})
		}
	}
	return found
}

// valuesOf are what a flag may be given: the shell knows the files.
func valuesOf(f cli.Flag) []candidate {
	if f != nil && slices.ContainsFunc(f.Names(), func(name string) bool { return name == "config" || strings.HasSuffix(name, "file") }) {
		return []candidate{{word: files}}
	}
	return nil
}

// words are commands, or what a command takes as arguments.
func (c *completion) words() []candidate {
	var found []candidate
	for _, command := range c.commands {
		if !command.Hidden {
			found = append(found, candidate{command.Name, command.Usage})
		}
	}
	if c.command == nil || len(found) > 0 {
		return found
	}
	switch strings.Trim(c.command.ArgsUsage, "[]") {
	case "PROJECT", "HOLD":
		return projectWords(c.file)
	case "PAYLOAD":
		return []candidate{{word: files}}
	}
	if c.command.Name == "completion" {
		for _, shell := range shells() {
			found = append(found, candidate{word: shell})
		}
	}
	return found
}

// projectWords are those of the config, if it is right.
func projectWords(file string) []candidate {
	cfg, err := config.Load(file)
	if err != nil {
		return nil
	}
	var found []candidate
	for _, p := range cfg.Projects {
		found = append(found, candidate{p.Name, p.Repo})
	}
	return found
}

func flagWords(flags []cli.Flag) []candidate {
	var found []candidate
	for _, f := range flags {
		if doc, ok := f.(cli.DocGenerationFlag); ok && len(f.Names()[0]) > 1 {
			found = append(found, candidate{"--" + f.Names()[0], strings.ReplaceAll(doc.GetUsage(), "`", "")})
		}
	}
	return append(found, candidate{"--help", "the page on the command"})
}
