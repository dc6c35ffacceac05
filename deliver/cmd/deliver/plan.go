package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"deliver/config"
	"deliver/delivery"
	"deliver/inventory"
	"deliver/plan"
	"deliver/report"
	"deliver/rollout"
)

func planCommand(e *environment) *cli.Command {
	var ask intention
	return &cli.Command{
		Name:  "plan",
		Usage: "show what a push would do, and change nothing",
		Description: "Makes the build, looks at every server, and goes through the whole push over servers on which nothing happens: from " +
			"which release to which, the commits between, the batches, every command and hook in order, and what would be refused. Ends " +
			"with the exit code that the push would end with. With -o the plan is sealed in a file, which deliver apply carries out, as it is or not at all.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the sealed plan to this file", Destination: &ask.output},
			&cli.BoolFlag{Name: "rollback", Usage: "plan a rollback instead", Destination: &ask.rollback},
			&cli.StringFlag{Name: "to", Usage: "with --rollback: the id of a release", Destination: &ask.to},
		},
		Action: func(c *cli.Context) error {
			if ask.to != "" && !ask.rollback {
				return usage(errors.New("--to names the release of a rollback; it needs --rollback"))
			}
			return e.plan(c.Context, ask)
		},
	}
}

// intention is what is to be planned.
type intention struct {
	rollback bool
	to       string
	output   string
}

func (e *environment) plan(ctx context.Context, ask intention) error {
	c, err := e.settings(ctx)
	if err != nil {
		return err
	}
	if c.Strategy != config.Tarball {
		return withCode(exitUsage, fmt.Errorf("strategy %s cannot be planned: what it does is for its file to say", c.Strategy))
	}
	course, brings, err := e.intended(ctx, c, ask)
	if err != nil {
		return err
	}
	doc := e.draft(c, course.delivery)
	var out rollout.Outcome
	doc.Forecast, out = course.delivery.Rehearse(ctx, brings)
	if out.Result == rollout.Interrupted {
		return out.Err
	}
	doc.Code, doc.Changes = report.ExitCode(out), e.changesOf(ctx, doc)
	if err := doc.Seal(); err != nil {
		return err
	}
	if err := errors.Join(e.showPlan(c, doc), writePlan(e.path(ask.output), doc)); err != nil {
		return err
	}
	if doc.Code != exitDone {
		return withCode(doc.Code, fmt.Errorf("the %s would end with exit code %d: %s", doc.Action, doc.Code, doc.Result))
	}
	return nil
}

// intended is the course that is planned, and which hooks its release has,
// where that is known.
func (e *environment) intended(ctx context.Context, c *config.Config, ask intention) (*course, func(string) bool, error) {
	need, action := e.needFleet, delivery.Push
	if ask.rollback {
		need, action = needHosts, delivery.Rollback
	}
	if err := need(c); err != nil {
		return nil, nil, err
	}
	course, err := e.sketch(ctx, c, action)
	if err != nil {
		return nil, nil, err
	}
	if ask.rollback {
		return course, nil, course.back(ctx, ask.to)
	}
	b, err := course.forward(ctx)
	if err != nil {
		return nil, nil, err
	}
	return course, b.Brings, nil
}

// draft is a plan before any server was looked at.
func (e *environment) draft(c *config.Config, d *delivery.Delivery) *plan.Document {
	doc := &plan.Document{
		Deliver: version(), Created: time.Now().UTC().Truncate(time.Second), By: d.By, Action: d.Action, App: c.App,
		Release: d.Record, From: d.From, Asked: e.asked(), Settings: decisive(c), Config: c.Digest(),
		Order: d.Order, Limits: d.Limits,
	}
	for _, name := range names(c.Hosts) {
		doc.Hosts = append(doc.Hosts, plan.Host{Name: name})
	}
	return doc
}

// asked are the settings of the command line, so that they need not be given again.
func (e *environment) asked() map[string]string {
	asked := maps.Clone(e.flags)
	if asked["BUILD"] == fromStdin {
		delete(asked, "BUILD")
	}
	for name := range asked {
		if v, known := config.Lookup(name); !known || v.Secret {
			delete(asked, name)
		}
	}
	return asked
}

// fromStdin is the BUILD that is read from stdin.
const fromStdin = "-"

// decisive are the settings that say what is done. The hosts and the release
// are in a plan as what they came out to be.
func decisive(c *config.Config) map[string]string {
	notThese := []string{"HOSTS", "ONLY", "EXCEPT", "LOG_FILE", "CONFIG_TIMEOUT"}
	for _, v := range c.Values() {
		if v.Variable.Secret || v.Variable.Group == config.GroupBuild || v.Variable.Group == config.GroupOthers {
			notThese = append(notThese, v.Variable.Name)
		}
	}
	settings := map[string]string{}
	for _, v := range c.Values() {
		if v.Text != "" && !slices.Contains(notThese, v.Variable.Name) {
			settings[v.Variable.Name] = v.Text
		}
	}
	return settings
}

// changesOf is what the release brings to each release that runs, as far as
// the checkout knows the commits of both.
func (e *environment) changesOf(ctx context.Context, doc *plan.Document) []plan.Change {
	var all []plan.Change
	from := delivery.Source{Dir: e.dir}
	for _, h := range doc.Hosts {
		known := slices.ContainsFunc(all, func(c plan.Change) bool { return c.From == h.Current })
		if known || h.Commit == "" || doc.Release.Commit == "" || h.Commit == doc.Release.Commit {
			continue
		}
		if change, ok := from.Changes(ctx, h.Commit, doc.Release.Commit); ok {
			change.From = h.Current
			all = append(all, change)
		}
	}
	return all
}

func (e *environment) showPlan(c *config.Config, doc *plan.Document) error {
	if e.output.json {
		return e.printJSON(doc)
	}
	return printTo(e.stdout, report.NewRedactor(secrets(c)...).Text(report.Plan(doc)))
}

// writePlan writes a sealed plan to a file; without a name it does not.
func writePlan(file string, doc *plan.Document) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err == nil {
		err = renameio.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// within leaves of hosts those of a plan: a server that was born since gets
// nothing of it.
func within(doc *plan.Document, hosts []inventory.Host) []inventory.Host {
	return slices.DeleteFunc(hosts, func(h inventory.Host) bool {
		_, planned := doc.Host(h.String())
		return !planned
	})
}
