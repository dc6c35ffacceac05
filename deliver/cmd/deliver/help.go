package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/config"
)

const (
	helpWidth  = 80
	helpColumn = 26 // where explanations begin
)

// help prints the page on deliver, on one command, or on the settings.
func help(e *environment, tree []*cli.Command, topic []string) error {
	if len(topic) == 0 {
		return printTo(e.stdout, overview(e, tree))
	}
	if page, ok := topics()[topic[0]]; ok {
		return printTo(e.stdout, page())
	}
	command := findCommand(tree, topic[0])
	if command == nil {
		known := append(commandNames(tree), slices.Sorted(maps.Keys(topics()))...)
		return usage(fmt.Errorf("there is no help on %q%s", topic[0], config.Suggest(topic[0], known)))
	}
	return printTo(e.stdout, commandPage(command))
}

// topics are the pages that are of no command.
func topics() map[string]func() string {
	return map[string]func() string{"settings": settingsPage, "hooks": hooksPage}
}

func printTo(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func overview(e *environment, tree []*cli.Command) string {
	var b strings.Builder
	b.WriteString("deliver puts a release on every server that runs the project.\n\n" +
		"Usage: deliver [COMMAND] [FLAGS]\n\nCommands:\n")
	for _, c := range tree {
		if c.Hidden {
			continue
		}
		name := c.Name
		if name == defaultCommand {
			name += " (or none)"
		}
		entry(&b, name, c.Usage)
	}
	entry(&b, "help [COMMAND|TOPIC]", "a page on one command, on all settings or on hooks")
	b.WriteString("\nFlags of every command:\n")
	entry(&b, "-s, --strategy NAME", "how to deliver")
	for _, f := range outputFlags(e) {
		flagEntry(&b, f)
	}
	entry(&b, "-h, --help", "this page, or the page on a command")
	entry(&b, "-v, --version", "the version")
	b.WriteString("\n" + fill(everySetting))
	b.WriteString(exitCodes)
	return b.String()
}

const everySetting = "Every setting is a variable in .deliver/config or in the environment, and a flag: BATCH, DELIVER_BATCH " +
	"or --batch. Flags win over the environment, that over the config. deliver check shows each value and where it came from."

const exitCodes = `
Exit codes:
  0  every host runs the release and is healthy
  1  failed
  2  usage or config error; nothing was contacted
  3  done but for hosts set aside
  4  another delivery holds the lease
  5  failed and rolled back
  6  refused: an older release, a pin, a shrunken list of hosts, a stale plan
  130, 143  interrupted
`

func commandPage(c *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: deliver %s [FLAGS]", c.Name)
	if c.ArgsUsage != "" {
		b.WriteString(" " + c.ArgsUsage)
	}
	fmt.Fprintf(&b, "\n\n%s\n", fill(about(c)))
	settings := settingNames()
	own := slices.DeleteFunc(slices.Clone(c.Flags), func(f cli.Flag) bool { return isShared(f, settings) })
	if len(own) > 0 {
		b.WriteString("Flags:\n")
		for _, f := range own {
			flagEntry(&b, f)
		}
		b.WriteString("\n")
	}
	b.WriteString(fill("Every setting is a flag as well, see deliver help settings; so are the flags of every command, see deliver --help."))
	return b.String()
}

func about(c *cli.Command) string {
	if c.Description != "" {
		return c.Description
	}
	return strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + "."
}

func settingNames() []string {
	names := []string{}
	for _, v := range config.Variables() {
		names = append(names, v.Flag)
	}
	return names
}

// isShared tells the flags that all commands have from a command's own.
func isShared(f cli.Flag, settings []string) bool {
	name := f.Names()[0]
	_, isSetting := f.(*cli.GenericFlag)
	if isSetting && slices.Contains(settings, name) {
		return true
	}
	return slices.ContainsFunc(outputFlags(&environment{}), func(o cli.Flag) bool { return o.Names()[0] == name })
}

func settingsPage() string {
	var b strings.Builder
	b.WriteString(fill("Settings. Each is a variable in .deliver/config, in the environment (there also with DELIVER_ before it) and, " +
		"where a flag stands below it, a flag. With --env production, PRODUCTION_HOSTS wins over HOSTS, and so on; PRODUCTION_USER is APP_USER."))
	group := ""
	for _, v := range config.Variables() {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(&b, "\n%s:\n", strings.ToUpper(group[:1])+group[1:])
		}
		settingEntry(&b, v)
	}
	return b.String()
}

func settingEntry(b *strings.Builder, v config.Variable) {
	name := v.Name
	if v.Flag != "" {
		name = v.Name + " --" + v.Flag
	}
	entry(b, name, v.Explained())
}

func flagEntry(b *strings.Builder, f cli.Flag) {
	if name, usage, ok := flagForms(f); ok {
		entry(b, name, usage)
	}
}

// flagForms are all forms of a flag, and what it is for.
func flagForms(f cli.Flag) (name, usage string, ok bool) {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return "", "", false
	}
	var forms []string
	for _, name := range f.Names() {
		if len(name) == 1 {
			forms = append([]string{"-" + name}, forms...)
		} else {
			forms = append(forms, "--"+name)
		}
	}
	name, usage = strings.Join(forms, ", "), doc.GetUsage()
	if doc.TakesValue() {
		name += " VALUE"
		if preset := doc.GetDefaultText(); preset != "" && preset != `""` {
			usage += " (" + preset + ")"
		}
	}
	return name, usage, true
}

// entry writes a name and its explanation in two columns; a long name has
// lines of its own.
func entry(b *strings.Builder, name, text string) {
	lines := wrap(text, helpWidth-helpColumn)
	first := "  " + name
	if len(first) > helpColumn-2 {
		b.WriteString("  " + strings.Join(wrap(name, helpWidth-2), "\n  ") + "\n")
		first = ""
	}
	for i, line := range lines {
		if i > 0 {
			first = ""
		}
		fmt.Fprintf(b, "%-*s%s\n", helpColumn, first, line)
	}
}

// fill breaks a paragraph into lines.
func fill(text string) string { return strings.Join(wrap(text, helpWidth), "\n") + "\n" }

func wrap(text string, width int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
