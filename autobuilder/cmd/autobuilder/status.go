package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:        "status",
		Usage:       "say whether the server is ready, and how far each project is",
		Description: "Exits 1 if the server is not ready: it does not run, or Jenkins does not answer it.",
		Flags:       []cli.Flag{jsonFlag()},
		Action:      with(status),
	}
}

// standing is what status prints.
type standing struct {
	Server   string    `json:"server"` // ready, or what is wrong
	Ready    bool      `json:"ready"`
	Pending  int       `json:"pending"` // deliveries that are not decided
	Projects []project `json:"projects"`
	// Outbox is what notifiers have not been told yet.
	Outbox []build.Backlog `json:"outbox"`

	address string
}

// project is how far one project is.
type project struct {
	Name string       `json:"name"`
	Last *build.Build `json:"last,omitempty"` // newest build
	Good *build.Build `json:"good,omitempty"` // newest that succeeded
	Lock *build.Lock  `json:"lock,omitempty"` // what keeps its builds waiting
}

func status(c *cli.Context, a access) error {
	if err := noArguments(c); err != nil {
		return err
	}
	now, err := a.Status(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, now)
	} else {
		err = printStanding(c.App.Writer, now)
	}
	if err == nil && !now.Ready {
		return fmt.Errorf("the server at %s is not ready", now.address)
	}
	return err
}

// askReady asks the running server.
func askReady(ctx context.Context, url string) (words string, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*checkTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(url, "/")+"/readyz", http.NoBody)
	if err != nil {
		return err.Error(), false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "does not run: " + err.Error(), false
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return err.Error(), false
	}
	if response.StatusCode != http.StatusOK {
		return strings.TrimSpace(string(text)), false
	}
	return "ready", true
}

func printStanding(out io.Writer, now standing) error {
	fmt.Fprintf(out, "server: %s\npending deliveries: %d\n\n", now.Server, now.Pending)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROJECT\tLAST\tSTATE\tNUMBER\tSINCE\tGOOD\tWHY")
	for _, p := range now.Projects {
		last, good := build.Build{}, build.Build{}
		if p.Last != nil {
			last = *p.Last
		}
		if p.Good != nil {
			good = *p.Good
		}
		why := last.Why
		if p.Lock != nil {
			why = p.Lock.Words()
		}
		row(table, p.Name, label(last), string(last.State), numberOf(last), clock(last.Created), label(good), why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return printOutbox(out, now.Outbox)
}

// printOutbox shows the notifiers that have not been told everything.
func printOutbox(out io.Writer, backlogs []build.Backlog) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	behind := 0
	for _, b := range backlogs {
		if b.Letters == 0 {
			continue
		}
		if behind++; behind == 1 {
			fmt.Fprintln(table, "\nNOT TOLD YET\tMESSAGES\tOLDEST\tTRIES\tNEXT\tWHY")
		}
		row(table, b.Notifier, fmt.Sprint(b.Letters), clock(b.Oldest), fmt.Sprint(b.Tries), clock(b.Next), b.Error)
	}
	return table.Flush()
}

// label is the version, or the commit where there is none, and which servers it is for.
func label(b build.Build) string {
	return withServers(cmp.Or(versionOf(b), short(b.Commit)), b)
}
