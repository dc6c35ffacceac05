package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"deliver/config"
	"deliver/host"
)

func historyCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "history",
		Usage: "show what was delivered, when, by whom, and how it ended",
		Description: "Asks all servers for their history and puts it together: one line for each delivery and result, the newest last. " +
			"Exit code 3: a server could not be asked.",
		Flags: []cli.Flag{&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Value: 20, Usage: "how many of each server's newest entries"}},
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			if err := needHosts(settings); err != nil {
				return err
			}
			if c.Int("limit") < 1 {
				return usage(fmt.Errorf("--limit %d: it is 1 or more", c.Int("limit")))
			}
			return e.showHistory(c.Context, settings, c.Int("limit"))
		},
	}
}

// happened is one delivery with one result, on all servers where it had that.
type happened struct {
	host.Entry
	Hosts []string `json:"hosts"`
}

func (e *environment) showHistory(ctx context.Context, c *config.Config, limit int) error {
	seen := lookWith(ctx, c, func(ctx context.Context, server host.Server, seen *sighting) {
		seen.state.History, seen.err = server.History(ctx, limit)
	})
	all := merged(seen)
	if e.output.json {
		if err := e.printJSON(map[string]any{"history": all}); err != nil {
			return err
		}
		return unasked(seen)
	}
	table := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "WHEN\tACTION\tRELEASE\tRESULT\tSERVERS\tBY\tWHY")
	for _, h := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Time.Local().Format("2006-01-02 15:04:05"), h.Action, cmp.Or(h.Release, "-"),
			h.Result, few(h.Hosts), cmp.Or(h.By, "-"), oneLine(h.Why))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return unasked(seen)
}

// merged puts the histories of servers together, oldest first.
func merged(seen []sighting) []*happened {
	all := []*happened{}
	known := map[[3]string]*happened{}
	for _, s := range seen {
		for _, entry := range s.state.History {
			key := [3]string{entry.Run, entry.Release, entry.Result}
			if known[key] == nil {
				known[key] = &happened{Entry: entry}
				all = append(all, known[key])
			}
			h := known[key]
			h.Hosts = append(h.Hosts, s.host.String())
			if entry.Time.After(h.Time) {
				h.Time = entry.Time
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *happened) int { return a.Time.Compare(b.Time) })
	return all
}

// few names up to three, and counts the others.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], " "), len(names)-most)
}
