package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/ledger"
)

func historyCommand() *cli.Command {
	return &cli.Command{
		Name:        "history",
		Usage:       "list the builds, and of every delivery what became of it",
		ArgsUsage:   "[PROJECT]",
		Description: "Reads the ledger's file; works whether autobuilder serve runs or not.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "n", Value: 20, Usage: "the last `COUNT` of each"},
			&cli.BoolFlag{Name: "json", Usage: "one JSON object on stdout"},
		},
		Action: history,
	}
}

// past is what history prints, newest first.
type past struct {
	Builds     []build.Build `json:"builds"`
	Deliveries []build.Fate  `json:"deliveries"`
}

func history(c *cli.Context) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if c.Int("n") < 1 {
		return wrongUsage("-n must be 1 or more")
	}
	var only build.Project
	if c.Args().Present() {
		if only, err = projectArgument(c, cfg); err != nil {
			return err
		}
	}
	book, err := openExisting(c.Context, cfg)
	if err != nil {
		return err
	}
	defer book.Close() //nolint:errcheck // nothing was written
	found, err := lookBack(c.Context, book, only, c.Int("n"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, found)
	}
	return printPast(c.App.Writer, found)
}

func lookBack(ctx context.Context, book *ledger.Ledger, only build.Project, n int) (past, error) {
	builds, err := book.Builds(ctx, only.Name, n)
	if err != nil {
		return past{}, err
	}
	fates, err := book.Fates(ctx, n)
	if err != nil {
		return past{}, err
	}
	// An empty list is [] in JSON, not null.
	found := past{Builds: append([]build.Build{}, builds...), Deliveries: []build.Fate{}}
	for _, f := range fates {
		if only.Repo == "" || strings.EqualFold(f.Repo, only.Repo) {
			found.Deliveries = append(found.Deliveries, f)
		}
	}
	return found, nil
}

// openExisting opens the ledger only if there is one: to look is not to make.
func openExisting(ctx context.Context, cfg *config.Config) (*ledger.Ledger, error) {
	if _, err := os.Stat(cfg.LedgerFile()); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no ledger at %s yet: autobuilder serve makes it", cfg.LedgerFile())
	}
	return ledger.Open(ctx, cfg.LedgerFile())
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
		row(table, b.ID, b.Project, versionOf(b), short(b.Commit), string(b.State), numberOf(b), clock(b.Created), b.By, b.Why)
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
