package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"deliver/config"
	"deliver/release"
	"deliver/store"
)

func releasesCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "releases",
		Usage: "list the releases in the store and on the servers",
		Description: "Asks STORE and HOSTS, whichever are set, and changes nothing. The newest good release, which new servers " +
			"install, is marked. Exit code 3: a server could not be asked.",
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			if settings.Store == "" && len(settings.Hosts) == 0 {
				return withCode(exitUsage, errors.New("neither STORE nor HOSTS is set, so there is nowhere to look"))
			}
			return e.releases(c.Context, settings)
		},
	}
}

// known is a release and where it is.
type known struct {
	release.Record
	Stored bool     `json:"stored"`
	Newest bool     `json:"newest_good,omitempty"`
	Hosts  []string `json:"hosts,omitempty"` // that have it
	Live   []string `json:"live,omitempty"`  // that run it
}

func (e *environment) releases(ctx context.Context, c *config.Config) error {
	all := map[string]*known{}
	if err := e.inStore(ctx, c.Settings, all); err != nil {
		return err
	}
	seen := look(ctx, c, false)
	onServers(seen, all)
	list := make([]*known, 0, len(all))
	for _, k := range all {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b *known) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	if err := e.showReleases(list); err != nil {
		return err
	}
	return unasked(seen)
}

// inStore adds what the store has.
func (e *environment) inStore(ctx context.Context, s config.Settings, all map[string]*known) error {
	st, err := e.store(ctx, s)
	if st == nil || err != nil {
		return err
	}
	records, err := st.List(ctx)
	if err != nil {
		return err
	}
	latest, err := st.Latest(ctx)
	if err != nil && !store.IsKind(err, store.KindMissing) {
		return err
	}
	for _, rec := range records {
		all[rec.ID] = &known{Record: rec, Stored: true, Newest: rec.ID == latest.Release}
	}
	return nil
}

// onServers adds what the servers have.
func onServers(seen []sighting, all map[string]*known) {
	for _, s := range seen {
		for _, rec := range s.state.Releases {
			if all[rec.ID] == nil {
				all[rec.ID] = &known{Record: rec}
			}
			k := all[rec.ID]
			k.Hosts = append(k.Hosts, s.host.String())
			if s.state.Current == rec.ID {
				k.Live = append(k.Live, s.host.String())
			}
		}
	}
}

func (e *environment) showReleases(list []*known) error {
	if e.output.json {
		return e.printJSON(map[string]any{"releases": list})
	}
	table := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "RELEASE\tVERSION\tCREATED\tCOMMIT\tSTORE\tSERVERS\tLIVE ON")
	for _, k := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%.8s\t%s\t%d\t%d\n", k.ID, cmp.Or(k.Version, "-"),
			k.Created.Local().Format("2006-01-02 15:04:05"), cmp.Or(k.Commit, "-"), k.place(), len(k.Hosts), len(k.Live))
	}
	return table.Flush()
}

func (k *known) place() string {
	switch {
	case k.Newest:
		return "newest good"
	case k.Stored:
		return "yes"
	}
	return "-"
}

// unasked is the error of servers that could not be asked; it names them.
func unasked(seen []sighting) error {
	var lines []string
	for _, s := range seen {
		if s.err != nil {
			lines = append(lines, fmt.Sprintf("%s could not be asked: %v", s.host, s.err))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return withCode(exitPartial, fmt.Errorf("%s", strings.Join(lines, "\n")))
}
