package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/config"
)

// defaultCommand is what deliver does when no command is named.
const defaultCommand = "push"

// invocation is a command line, taken apart.
type invocation struct {
	command   *cli.Command // nil: none was named, and there is no default
	named     bool
	help      bool
	version   bool
	flags     []string // as --name=value
	arguments []string
}

// line is the command line as the cli package takes it: the command first,
// then its flags, then its arguments.
func (i invocation) line() []string {
	args := append([]string{"deliver", i.command.Name}, i.flags...)
	if len(i.arguments) == 0 {
		return args
	}
	return append(append(args, "--"), i.arguments...)
}

// arrange takes a command line apart. Flags may stand before or after the
// command and its arguments; what is unknown is an error, never ignored.
func arrange(args []string, commands []*cli.Command) (invocation, error) {
	word := commandWord(args, commands)
	if word < 0 {
		i := invocation{command: findCommand(commands, defaultCommand)}
		err := i.take(args)
		return i, err
	}
	i := invocation{named: true, command: findCommand(commands, args[word])}
	if i.command == nil {
		return i, usage(unknownWord(args[:word], args[word], commands))
	}
	err := i.take(slices.Delete(slices.Clone(args), word, word+1))
	return i, err
}

// pages are the flags that every command has: they ask for a page and no more.
var pages = []string{"h", "help", "v", "version"}

// unknownWord tells what is wrong with a word that is no command. After a
// flag that nothing knows it is rather that flag's value.
func unknownWord(before []string, word string, commands []*cli.Command) error {
	push := invocation{command: findCommand(commands, defaultCommand)}
	for _, arg := range before {
		name, _, _ := flagName(arg)
		if name != "" && !slices.Contains(pages, name) && findFlag(push.command, name) == nil {
			return push.unknownFlag(arg, name)
		}
	}
	return fmt.Errorf("unknown command %q%s", word, config.Suggest(word, commandNames(commands)))
}

// commandWord finds the first word that is neither a flag nor a flag's value.
func commandWord(args []string, commands []*cli.Command) int {
	for i := 0; i < len(args); i++ {
		name, _, joined := flagName(args[i])
		switch {
		case args[i] == "--":
			return -1
		case name == "":
			return i
		case !joined && anyTakesValue(commands, name):
			i++
		}
	}
	return -1
}

// flagName parts -n, --name and --name=value; the name of anything else is empty.
func flagName(arg string) (name, value string, joined bool) {
	if len(arg) < 2 || arg[0] != '-' || arg == "--" {
		return "", "", false
	}
	return cut(strings.TrimPrefix(arg[1:], "-"))
}

func cut(s string) (name, value string, joined bool) {
	name, value, joined = strings.Cut(s, "=")
	return name, value, joined
}

func anyTakesValue(commands []*cli.Command, name string) bool {
	return slices.ContainsFunc(commands, func(c *cli.Command) bool {
		f := findFlag(c, name)
		return f != nil && takesValue(f)
	})
}

func (i *invocation) take(args []string) error {
	for len(args) > 0 {
		rest, err := i.takeOne(args[0], args[1:])
		if err != nil {
			return err
		}
		args = rest
	}
	return nil
}

// takeOne takes one argument, with its value from rest where it needs one.
func (i *invocation) takeOne(arg string, rest []string) ([]string, error) {
	name, value, joined := flagName(arg)
	switch name {
	case "":
		if arg == "--" {
			i.arguments = append(i.arguments, rest...)
			return nil, nil
		}
		i.arguments = append(i.arguments, arg)
		return rest, nil
	case "h", "help":
		i.help = true
		return nil, nil
	case "v", "version":
		i.version = true
		return nil, nil
	}
	f := findFlag(i.command, name)
	switch {
	case f == nil:
		return nil, usage(i.unknownFlag(arg, name))
	case !takesValue(f) && joined && value != "true" && value != "false":
		return nil, usage(fmt.Errorf("--%s takes no value", f.Names()[0]))
	case !takesValue(f):
		i.flags = append(i.flags, arg)
		return rest, nil
	case !joined && len(rest) == 0:
		return nil, usage(fmt.Errorf("%s needs a value", arg))
	case !joined:
		value, rest = rest[0], rest[1:]
	}
	i.flags = append(i.flags, "--"+f.Names()[0]+"="+value)
	return rest, nil
}

func (i *invocation) unknownFlag(arg, name string) error {
	if i.command == nil {
		return fmt.Errorf("unknown flag %s", arg)
	}
	var known []string
	for _, f := range i.command.Flags {
		for _, n := range f.Names() {
			known = append(known, "--"+n)
		}
	}
	return fmt.Errorf("deliver %s knows no flag %s%s", i.command.Name, strings.TrimSuffix(arg, "="+afterEquals(arg)), config.Suggest("--"+name, known))
}

func afterEquals(arg string) string {
	_, value, _ := strings.Cut(arg, "=")
	return value
}

func findCommand(commands []*cli.Command, name string) *cli.Command {
	if i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(name) }); i >= 0 {
		return commands[i]
	}
	return nil
}

func findFlag(c *cli.Command, name string) cli.Flag {
	if c == nil {
		return nil
	}
	if i := slices.IndexFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }); i >= 0 {
		return c.Flags[i]
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	if g, ok := f.(*cli.GenericFlag); ok {
		s, ok := g.Value.(*setting)
		return !ok || !s.IsBoolFlag()
	}
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func commandNames(commands []*cli.Command) []string {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return names
}

// usage is an error in how deliver was called.
func usage(err error) error {
	return withCode(exitUsage, fmt.Errorf("%w; deliver --help tells more", err))
}

// noArguments refuses arguments of a command that takes none.
func noArguments(c *cli.Context) error {
	if c.Command.ArgsUsage == "" && c.Args().Present() {
		return usage(fmt.Errorf("deliver %s takes no argument %q", c.Command.Name, c.Args().First()))
	}
	return nil
}

// badUsage is what the cli package calls for a flag that it cannot read.
func badUsage(_ *cli.Context, err error, _ bool) error {
	if err == nil {
		err = errors.New("the command line is wrong")
	}
	return usage(err)
}
