package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/config"
	"deliver/delivery"
)

// manualCommand prints a page of the manual, made of what the help is made of.
func manualCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:      "manual",
		Usage:     "internal: print a page of the manual",
		ArgsUsage: "deliver.1|deliver-config.5",
		Hidden:    true,
		Flags:     []cli.Flag{&cli.StringFlag{Name: "date", Usage: "of the page"}},
		Action: func(c *cli.Context) error {
			pages := map[string]func(*environment, string) string{"deliver.1": commandManual, "deliver-config.5": configManual}
			page, ok := pages[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usage(errors.New("name the page: deliver manual deliver.1 or deliver-config.5"))
			}
			return printTo(e.stdout, page(e, c.String("date")))
		},
	}
}

// commandManual is deliver(1).
func commandManual(e *environment, date string) string {
	r := newRoff("DELIVER", 1, date)
	r.section("name")
	r.line(`deliver \- put a release on every server that runs the project`)
	r.section("synopsis")
	r.line(`.B deliver`)
	r.line(`[\fICOMMAND\fR] [\fIFLAGS\fR]`)
	r.section("description")
	r.paragraphs("Puts one build on every server of an app, switches them to it, proves that each of them is well, and puts them back where it is not.",
		everySetting)
	r.section("commands")
	for _, c := range completed(commands(e), e) {
		if !c.Hidden {
			r.command(c)
		}
	}
	r.section("options")
	r.text("Of every command. The settings of deliver-config(5) are options, too: BATCH is --batch.")
	for _, f := range outputFlags(e) {
		r.flag(f)
	}
	r.item("-h, --help", "the page on deliver, or on a command")
	r.item("-v, --version", "the version")
	r.section("exit status")
	for _, line := range strings.Split(exitCodes, "\n") {
		if code, meaning, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			r.item(code, meaning)
		}
	}
	r.section("files")
	r.item(".deliver/config", "how the project is delivered: deliver-config(5)")
	r.item(".deliver/strategies/NAME", "another way to deliver")
	r.item("~/.local/state/deliver/", "what the last deliveries from this machine were, for MAX_SHRINK and the completion of words")
	r.section("examples")
	r.examples("deliver init", "deliver check --hosts", "deliver --build dashboard.tar",
		"deliver --order rolling --batch 25% --canary 1", "deliver status --only 'web-[1-8]'", "deliver rollback")
	r.section("see also")
	r.line(`.BR deliver\-config (5),`)
	r.line(`.BR ssh_config (5)`)
	return r.String()
}

// configManual is deliver-config(5).
func configManual(_ *environment, date string) string {
	r := newRoff("DELIVER-CONFIG", 5, date)
	r.section("name")
	r.line(`deliver\-config \- how a project is delivered`)
	r.section("synopsis")
	r.line(`.I .deliver/config`)
	r.section("description")
	r.paragraphs("The file is a bash script. Each run of deliver lets bash run it in the project's directory, so a list of servers can be asked for afresh at every delivery. "+
		"It may be missing. A command that fails in it, a mistake in its syntax, or more than CONFIG_TIMEOUT ends the run with exit status 2.",
		everySetting,
		"With --env production, PRODUCTION_HOSTS wins over HOSTS, and so on; PRODUCTION_USER is APP_USER. A duration is written 250ms, 10s or 5m; a number alone is seconds.")
	group := ""
	for _, v := range config.Variables() {
		if v.Group != group {
			group = v.Group
			r.section(group)
		}
		name := v.Name
		if v.Flag != "" {
			name += ", --" + v.Flag
		}
		r.item(name, v.Explained())
	}
	r.section("functions")
	r.text("They are called on the machine that runs deliver; one that fails fails its step. Those of git_push, upstart and launch are the original Deliver's.")
	r.item(strings.Join(delivery.HookNames(), ", "), "once per run")
	r.item("drain HOST, undrain HOST", "for each server, before and after its switch")
	r.section("see also")
	r.line(`.BR deliver (1)`)
	return r.String()
}

// roff is a page in the language of man(7).
type roff struct{ strings.Builder }

func newRoff(name string, section int, date string) *roff {
	r := &roff{}
	r.line(fmt.Sprintf(`.TH %s %d "%s" "deliver %s" ""`, name, section, date, version()))
	return r
}

// line is written as it is.
func (r *roff) line(text string) { r.WriteString(text + "\n") }

func (r *roff) section(title string) { r.line(".SH " + strings.ToUpper(title)) }

// paragraphs are set apart from each other.
func (r *roff) paragraphs(texts ...string) {
	for i, text := range texts {
		if i > 0 {
			r.line(".PP")
		}
		r.text(text)
	}
}

// text is broken into short lines; one that begins as a request would is none.
func (r *roff) text(text string) {
	for _, line := range wrap(roffText(text), helpWidth-2) {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		r.line(line)
	}
}

func (r *roff) item(term, text string) {
	r.line(".TP")
	r.line(`\fB` + roffText(term) + `\fR`)
	r.text(text)
}

func (r *roff) examples(lines ...string) {
	r.line(".EX")
	for _, line := range lines {
		r.text(line)
	}
	r.line(".EE")
}

// command is a command with its own flags.
func (r *roff) command(c *cli.Command) {
	name := c.Name
	if c.ArgsUsage != "" {
		name += " " + c.ArgsUsage
	}
	r.line(".SS " + roffText(name))
	r.text(about(c))
	settings := settingNames()
	for _, f := range slices.DeleteFunc(slices.Clone(c.Flags), func(f cli.Flag) bool { return isShared(f, settings) }) {
		r.flag(f)
	}
}

func (r *roff) flag(f cli.Flag) {
	if name, usage, ok := flagForms(f); ok {
		r.item(name, usage)
	}
}

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`)

// roffText escapes what means something in man(7). A hyphen is written as one
// that can be copied into a shell.
func roffText(text string) string { return roffEscapes.Replace(text) }
