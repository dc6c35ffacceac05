package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"deliver/config"
	"deliver/delivery"
	"deliver/host"
	"deliver/release"
	"deliver/report"
	"deliver/rollout"
	"deliver/store"
)

// display shows a delivery in all the ways that are asked for.
type display struct {
	env       *environment
	record    release.Record
	redact    report.Redactor
	reporters []*report.Reporter
	events    *report.Events // nil: not asked for
	post      *report.Post   // nil: there is no autobuilder
	settings  config.Settings
	log       io.Closer // nil: there is none
}

// words are how an action is called before and after.
type words struct{ doing, done string }

func (e *environment) display(c *config.Config, action string) (*display, error) {
	outliveListeners()
	d := &display{env: e, settings: c.Settings, redact: report.NewRedactor(secrets(c)...)}
	say := sayingOf(action)
	options := report.Options{
		Out: e.stderr, Compact: e.output.compact, Verbose: e.output.verbose || e.output.debug,
		App: c.App, Strategy: c.Strategy, Doing: say.doing, Done: say.done, Hint: hintOf, Redact: d.redact,
	}
	if terminal, ok := e.stderr.(*os.File); ok {
		options.Bars, options.Color = report.Detect(terminal, e.output.plain, e.env)
		options.Color = options.Color && !e.output.noColor
	}
	d.reporters = append(d.reporters, report.New(options))
	if e.output.events {
		d.events = report.NewEvents(e.stdout, d.redact)
	}
	if c.LogFile == "" {
		return d, nil
	}
	log, err := openLog(c.LogFile)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	options.Out, options.Bars, options.Color, options.Compact, options.Verbose = log, false, false, false, true
	d.reporters, d.log = append(d.reporters, report.New(options)), log
	return d, nil
}

// outliveListeners lets writes fail where they would end the process: who stops
// listening must not end a rollout in the middle. The signal is not ignored,
// or hooks would inherit that.
func outliveListeners() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func secrets(c *config.Config) []string {
	var all []string
	for _, v := range c.Values() {
		if v.Variable.Secret {
			all = append(all, v.Text)
		}
	}
	return all
}

// follow shows a delivery from now on.
func (d *display) follow(way *delivery.Delivery) {
	d.record, way.Listen = way.Record, d.listen
	if d.settings.AutobuilderURL == "" || way.Action == delivery.Install {
		return
	}
	var err error
	d.post, err = report.NewPost(report.Autobuilder{URL: d.settings.AutobuilderURL, Token: d.settings.AutobuilderToken}, report.Message{
		Run: way.Run, Build: d.env.env("AUTOBUILDER_ID"), Job: d.settings.JobName, Environment: d.settings.Env,
		Action: way.Action, Release: way.Record, By: way.By, Only: strings.Join(d.settings.Only, ","),
	}, d.redact)
	d.note(err)
}

// note tells of what is no fault of the delivery.
func (d *display) note(err error) {
	if err != nil {
		_, _ = fmt.Fprintf(d.env.stderr, "deliver: note: %s\n", err)
	}
}

func (d *display) listen(e rollout.Event) {
	for _, r := range d.reporters {
		r.Handle(e)
	}
	if d.events != nil {
		d.events.Handle(e)
	}
	if d.post != nil {
		d.post.Handle(e)
	}
}

// result is how a delivery ended, as the object of --json.
type result struct {
	Release release.Record `json:"release"`
	report.Summary
	StoreError string `json:"store_error,omitempty"` // new servers do not install it
}

// end shows how the delivery ended; its error carries the exit code. promoted
// is what went wrong afterwards with the store.
func (d *display) end(out rollout.Outcome, promoted error) error {
	for _, r := range d.reporters {
		r.Finish(out)
	}
	if d.post != nil {
		d.note(d.post.Finish(out))
	}
	var closing []error
	if d.log != nil {
		closing = append(closing, d.log.Close())
	}
	if d.events != nil {
		closing = append(closing, d.events.Err())
	}
	if d.env.output.json {
		object := result{Release: d.record, Summary: report.Summarize(out, d.redact)}
		if promoted != nil {
			object.StoreError = promoted.Error()
		}
		closing = append(closing, d.env.printJSON(object))
	}
	code := report.ExitCode(out)
	if code != exitDone {
		closing = append([]error{withCode(code, fmt.Errorf("run %s: %s", out.Run, out.Result))}, closing...)
	}
	if promoted != nil {
		closing = append([]error{promoted}, closing...)
	}
	return errors.Join(closing...)
}

// hintOf is what to do about an error.
func hintOf(err error) string {
	var server *host.Error
	var shelf *store.Error
	switch {
	case errors.As(err, &server):
		return server.Hint
	case errors.As(err, &shelf):
		return shelf.Hint
	}
	return ""
}

// sayingOf are the words for an action.
func sayingOf(action string) words {
	says := map[string]words{
		delivery.Rollback: {"ROLLING BACK", "ROLLED BACK"},
		delivery.Install:  {"INSTALLING", "INSTALLED"},
	}[action]
	return words{cmp.Or(says.doing, "DELIVERING"), cmp.Or(says.done, "DELIVERED")}
}
