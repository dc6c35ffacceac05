package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
)

const whichHold = `HOLD is a project, PROJECT@TAG or the build's ID, as "autobuilder holds" shows them. A running "autobuilder serve" takes
it up within a second, else the next one that starts.`

func holdsCommand() *cli.Command {
	return &cli.Command{
		Name:      "holds",
		Usage:     "list the releases that wait for people, or show one with its checklist",
		ArgsUsage: "[HOLD]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "also those that wait no more, newest first"},
			jsonFlag(),
		},
		Action: with(holds),
	}
}

func approveCommand() *cli.Command {
	return &cli.Command{
		Name: "approve", Usage: "say yes to a release that is held", ArgsUsage: "HOLD", Description: whichHold,
		Flags: []cli.Flag{noteFlag(), jsonFlag()},
		Action: act(func(c *cli.Context, a access, hold string) (build.Hold, error) {
			return a.Approve(c.Context, hold, c.String("note"))
		}),
	}
}

func rejectCommand() *cli.Command {
	return &cli.Command{
		Name: "reject", Usage: "say no to a release that is held, or stop its checklist", ArgsUsage: "HOLD", Description: whichHold,
		Flags: []cli.Flag{noteFlag(), jsonFlag()},
		Action: act(func(c *cli.Context, a access, hold string) (build.Hold, error) {
			return a.Reject(c.Context, hold, c.String("note"))
		}),
	}
}

func tickCommand() *cli.Command {
	return &cli.Command{
		Name: "tick", Usage: "say that a step of a checklist is done", ArgsUsage: "HOLD", Description: whichHold + `
A step that failed can be ticked by hand, or done once more with --again.`,
		Flags: []cli.Flag{
			noteFlag(),
			&cli.IntFlag{Name: "step", Usage: "`NUMBER` of the step; default: the one whose turn it is"},
			&cli.BoolFlag{Name: "again", Usage: "do once more what failed"},
			jsonFlag(),
		},
		Action: act(tickByHand),
	}
}

func noteFlag() cli.Flag {
	return &cli.StringFlag{Name: "note", Usage: "`WORDS` for the ledger"}
}

func tickByHand(c *cli.Context, a access, name string) (build.Hold, error) {
	tick := build.Tick{Step: c.Int("step"), Again: c.Bool("again"), Note: c.String("note")}
	if !c.IsSet("step") {
		hold, err := a.Hold(c.Context, name)
		if err != nil {
			return hold, err
		}
		if next := hold.Next(); next != nil {
			tick.Step = next.N
		}
	}
	return a.Tick(c.Context, name, tick)
}

// act makes a command of what a person does about a hold.
func act(do func(*cli.Context, access, string) (build.Hold, error)) cli.ActionFunc {
	return with(func(c *cli.Context, a access) error {
		name, err := oneArgument(c, "autobuilder holds lists them")
		if err != nil {
			return err
		}
		hold, err := do(c, a, name)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(c.App.Writer, hold)
		}
		return printHold(c.App.Writer, hold)
	})
}

func holds(c *cli.Context, a access) error {
	if c.NArg() > 1 {
		return wrongUsage("holds takes one HOLD at most")
	}
	if c.NArg() == 1 {
		hold, err := a.Hold(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(c.App.Writer, hold)
		}
		return printHold(c.App.Writer, hold)
	}
	found, err := a.Holds(c.Context, c.Bool("all"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, append([]build.Hold{}, found...))
	}
	return printHolds(c.App.Writer, found)
}

func printHolds(out io.Writer, found []build.Hold) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOLD\tPROJECT\tTAG\tSTATE\tAPPROVED BY\tSTEPS\tSINCE\tPUSHED BY\tWHY")
	for _, h := range found {
		row(table, h.Build, h.Project, h.Tag, string(h.State), approvers(h), progress(h), clock(h.Since), h.By, h.Why)
	}
	return table.Flush()
}

func approvers(h build.Hold) string {
	names := h.Approvals()
	return strings.TrimSpace(fmt.Sprintf("%d/%d %s", len(names), h.Needed, strings.Join(names, ", ")))
}

func progress(h build.Hold) string {
	done := 0
	for _, s := range h.Steps {
		if s.State == build.ItemDone {
			done++
		}
	}
	return fmt.Sprintf("%d/%d", done, len(h.Steps))
}

// printHold shows a hold, its steps and what was done about it.
func printHold(out io.Writer, h build.Hold) error {
	fmt.Fprintf(out, "%s %s (%s): %s: %s\n", plain(h.Project), plain(h.Tag), h.Build, h.State, plain(h.Why))
	fmt.Fprintf(out, "approved: %s\n", plain(approvers(h)))
	if !h.Deadline.IsZero() {
		fmt.Fprintf(out, "until: %s\n", clock(h.Deadline))
	}
	if h.Problem != "" {
		fmt.Fprintf(out, "problem: %s\n", plain(h.Problem))
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(h.Steps) > 0 {
		fmt.Fprintf(table, "\nSTEP\tSTATE\tWHAT\tBY\tENDED\tBUILD\tWHY\n")
	}
	for _, s := range h.Steps {
		row(table, fmt.Sprint(s.N), string(s.State), s.Text, s.By, clock(s.Ended), s.Child, s.Why)
	}
	fmt.Fprintf(table, "\nWHEN\tWHO\tDID\tSTEP\tNOTE\n")
	for _, a := range h.Acts {
		row(table, clock(a.At), a.By, a.Kind, stepNumber(a.Step), a.Note)
	}
	return table.Flush()
}

func stepNumber(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
