package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/config"
)

// checkCommand shows the settings and tests that nothing is missing; with
// --hosts the servers, too.
func checkCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "print every setting and where it came from, and what is missing",
		Description: "Evaluates .deliver/config and prints what a delivery would be told. With --hosts all servers are asked whether a " +
			"delivery could begin. Exit code 1: a setting that the strategy needs is missing, or a server is not ready; 2: a setting is wrong; " +
			"3: a server cannot be reached.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "hosts", Usage: "ask the hosts, too, changing nothing (to name hosts, set HOSTS)"}},
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			found, err := inspect(c.Context, settings)
			if err != nil {
				return err
			}
			if found.err == nil && c.Bool("hosts") {
				found.answers, found.err = e.preflight(c.Context, settings)
			}
			return found.print(e)
		},
	}
}

// inspection is what check found.
type inspection struct {
	required, optional []config.Value
	missing            []string
	answers            []answer // of the servers, if they were asked
	err                error    // says how to set what is missing, or that servers are not ready
}

func inspect(ctx context.Context, c *config.Config) (inspection, error) {
	needs, err := c.Script.Requirements(ctx, c.Strategy)
	if err != nil {
		return inspection{}, withCode(exitUsage, err)
	}
	if _, _, err := planned(c); err != nil {
		return inspection{}, err
	}
	found := inspection{err: withCode(exitFailed, c.Need(needs.Required...))}
	for _, name := range needs.Required {
		v := c.Value(name)
		found.required = append(found.required, v)
		if v.Text == "" {
			found.missing = append(found.missing, name)
		}
	}
	for _, name := range needs.Optional {
		if v := c.Value(name); v.Text != "" && !isSetting(name) {
			found.optional = append(found.optional, v)
		}
	}
	for _, v := range c.Values() {
		if v.Text != "" && !slices.Contains(needs.Required, v.Variable.Name) {
			found.optional = append(found.optional, v)
		}
	}
	return found, nil
}

func isSetting(name string) bool {
	_, ok := config.Lookup(name)
	return ok
}

// print gives the result in its form, and the error of what is missing.
func (i inspection) print(e *environment) error {
	if e.output.json {
		return errors.Join(e.printJSON(i.object()), i.err)
	}
	return errors.Join(printTo(e.stdout, i.page()), i.err)
}

// page is the result as the original Deliver prints it, with the origins.
func (i inspection) page() string {
	lines := []string{""}
	for _, v := range i.required {
		lines = append(lines, settingLine(v))
	}
	lines = append(lines, strings.Repeat("-", 59))
	for _, v := range i.optional {
		lines = append(lines, settingLine(v))
	}
	if len(i.answers) > 0 {
		lines = append(lines, "", strings.TrimRight(answersTable(i.answers), "\n"))
	}
	switch {
	case len(i.missing) > 0:
		lines = append(lines, "", "DELIVER IS MISSING THE FOLLOWING CONFIG(S):", "", strings.Join(i.missing, " "))
	case i.err == nil:
		lines = append(lines, "", "READY TO DELIVER!")
	}
	return strings.Join(lines, "\n") + "\n\n"
}

func settingLine(v config.Value) string {
	line := fmt.Sprintf("%-30s\t%s", v.Variable.Name, strings.ReplaceAll(safeText(v), "\n", " "))
	if v.Origin == "" {
		return line
	}
	return line + "  (" + v.Origin + ")"
}

func safeText(v config.Value) string {
	if v.Variable.Secret && v.Text != "" {
		return "(not shown)"
	}
	return v.Text
}

// object is the result as JSON.
func (i inspection) object() map[string]any {
	type setting struct {
		Name   string `json:"name"`
		Value  string `json:"value"`
		Origin string `json:"origin,omitempty"`
	}
	settings := []setting{}
	for _, v := range slices.Concat(i.required, i.optional) {
		settings = append(settings, setting{v.Variable.Name, safeText(v), v.Origin})
	}
	object := map[string]any{"ready": i.err == nil, "missing": append([]string{}, i.missing...), "settings": settings}
	if i.answers != nil {
		object["hosts"] = i.answers
	}
	return object
}
