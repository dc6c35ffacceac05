package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
)

func historyCommand() *cli.Command {
	return &cli.Command{
		Name:        "history",
		Usage:       "list the builds, and of every delivery what became of it",
		ArgsUsage:   "[PROJECT]",
		Description: "Reads the ledger's file, whether autobuilder serve runs or not; with --server what that server has.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "n", Value: 20, Usage: "the last `COUNT` of each"},
			jsonFlag(),
		},
		Action: with(history),
	}
}

// past is what history prints, newest first.
type past struct {
	Builds     []build.Build `json:"builds"`
	Deliveries []build.Fate  `json:"deliveries"`
}

func history(c *cli.Context, a access) error {
	switch {
	case c.Int("n") < 1:
		return wrongUsage("-n must be 1 or more")
	case c.NArg() > 1:
		return wrongUsage("history takes one PROJECT at most, after the flags")
	}
	found, err := a.History(c.Context, c.Args().First(), c.Int("n"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, found)
	}
	return printPast(c.App.Writer, found)
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func printPast(out io.Writer, found past) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BUILD\tPROJECT\tVERSION\tCOMMIT\tSTATE\tNUMBER\tCREATED\tBY\tWHY")
	for _, b := range found.Builds {
		row(table, b.ID, b.Project, withServers(versionOf(b), b), short(b.Commit), string(b.State), numberOf(b), clock(b.Created), b.By, b.Why)
	}
	fmt.Fprintln(table, "\nDELIVERY\tEVENT\tREF\tCOMMIT\tVERDICT\tBUILD\tRECEIVED\tBY\tWHY")
	for _, f := range found.Deliveries {
		row(table, f.Delivery, f.Event, f.Ref, short(f.Commit), f.Verdict, f.Build, clock(f.Received), f.By, f.Why)
	}
	return table.Flush()
}

func row(out io.Writer, cells ...string) {
	for i, cell := range cells {
		cells[i] = plain(cell)
	}
	fmt.Fprintln(out, strings.Join(cells, "\t"))
}

// plain keeps what came from outside from moving the terminal's cursor; an
// empty cell shows as such.
func plain(cell string) string {
	cell = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, cell)
	if cell == "" {
		return "-"
	}
	return cell
}

func versionOf(b build.Build) string {
	if b.Tag != "" {
		return b.Tag
	}
	return b.Version
}

// withServers adds to a build's name which servers it is for, where it is not for all.
func withServers(name string, b build.Build) string {
	return strings.TrimSpace(name + " " + build.ToOnly(b.Only))
}

func numberOf(b build.Build) string {
	if b.Number == 0 {
		return ""
	}
	return fmt.Sprintf("#%d", b.Number)
}

func short(commit string) string {
	return commit[:min(len(commit), 10)]
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
