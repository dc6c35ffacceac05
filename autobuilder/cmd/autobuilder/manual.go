package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
)

// stamped is set by the linker.
var stamped string

func version() string {
	if stamped != "" {
		return stamped
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(devel)"
}

// manualCommand prints autobuilder(1), made of what the help is made of.
func manualCommand() *cli.Command {
	return &cli.Command{
		Name: "manual", Usage: "internal: print the page of the manual", Hidden: true,
		Flags: []cli.Flag{&cli.StringFlag{Name: "date", Usage: "of the page"}},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			_, err := fmt.Fprint(c.App.Writer, manual(c.App, c.String("date")))
			return err
		},
	}
}

func manual(app *cli.App, date string) string {
	r := &roff{}
	r.line(fmt.Sprintf(`.TH AUTOBUILDER 1 "%s" "autobuilder %s" ""`, date, version()))
	r.section("name")
	r.line(`autobuilder \- ` + roffText(app.Usage))
	r.section("synopsis")
	r.line(`.B autobuilder`)
	r.line(`[\fIFLAGS\fR] \fICOMMAND\fR [\fIFLAGS\fR] [\fIARGUMENT\fR]`)
	r.section("description")
	r.text("Receives GitHub's webhooks, makes one Jenkins build of each release, follows it to its end, and shows it all on a page.")
	r.section("commands")
	for _, c := range app.Commands {
		r.command("", c)
	}
	r.section("options")
	r.text("Of every command; they stand before it.")
	r.flags(app.Flags)
	r.item("-h, --help", "the page on autobuilder, or on a command")
	r.section("exit status")
	for _, line := range strings.Split(description, "\n") {
		if code, meaning, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			r.item(code, meaning)
		}
	}
	r.section("environment")
	r.item("AUTOBUILDER_TOKEN", "the token for --server")
	r.section("files")
	r.item("autobuilder.yml", "what is built, and how; paths in it are relative to it")
	r.section("examples")
	r.line(".EX")
	for _, line := range []string{
		"autobuilder check", "autobuilder serve", "autobuilder --server https://ci.example.com approve --note 'read it' shop@v2.0.0",
		"autobuilder explain push.json",
	} {
		r.line(roffText(line))
	}
	r.line(".EE")
	return r.String()
}

// roff is a page in the language of man(7).
type roff struct{ strings.Builder }

// line is written as it is.
func (r *roff) line(text string) { r.WriteString(text + "\n") }

func (r *roff) section(title string) { r.line(".SH " + strings.ToUpper(title)) }

const roffWidth = 78

// text is broken into short lines; one that begins as a request would is none.
func (r *roff) text(text string) {
	line := ""
	for word := range strings.FieldsSeq(roffText(text)) {
		if line != "" && len(line)+1+len(word) > roffWidth {
			r.line(line)
			line = ""
		}
		if line == "" && strings.ContainsAny(word[:1], ".'") {
			word = `\&` + word
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if line != "" {
		r.line(line)
	}
}

func (r *roff) item(term, text string) {
	r.line(".TP")
	r.line(`\fB` + roffText(term) + `\fR`)
	r.text(text)
}

// command is a command with its flags, or each of its commands.
func (r *roff) command(before string, c *cli.Command) {
	if c.Hidden {
		return
	}
	name := strings.TrimSpace(before + " " + c.Name)
	if len(c.Subcommands) > 0 {
		for _, sub := range c.Subcommands {
			r.command(name, sub)
		}
		return
	}
	r.line(".SS " + roffText(strings.TrimSpace(name+" "+c.ArgsUsage)))
	r.text(strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + ".")
	if c.Description != "" {
		r.line(".PP")
		r.text(c.Description)
	}
	r.flags(c.Flags)
}

func (r *roff) flags(flags []cli.Flag) {
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		var forms []string
		for _, name := range f.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			forms = append(forms, dashes+name)
		}
		value, usage := unquoted(doc.GetUsage())
		term := strings.Join(forms, ", ")
		if doc.TakesValue() && value != "" {
			term += " " + value
		}
		if preset := doc.GetDefaultText(); doc.TakesValue() && preset != "" && preset != `""` && preset != "0" {
			usage += " (" + preset + ")"
		}
		r.item(term, usage)
	}
}

// unquoted finds the name of a flag's value, which stands in back quotes.
func unquoted(usage string) (value, plain string) {
	parts := strings.SplitN(usage, "`", 3)
	if len(parts) < 3 {
		return "VALUE", usage
	}
	return parts[1], parts[0] + parts[1] + parts[2]
}

// roffText escapes what means something in man(7). A hyphen is written as one
// that can be copied into a shell.
func roffText(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
}
