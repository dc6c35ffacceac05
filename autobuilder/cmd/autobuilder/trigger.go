package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
)

func triggerCommand() *cli.Command {
	return &cli.Command{
		Name:      "trigger",
		Usage:     "ask for a build by hand",
		ArgsUsage: "PROJECT",
		Description: `The wish is written into the ledger as a delivery is, and taken up by a running "autobuilder serve" within a
second, else by the next one that starts. A commit that was built with success is built again only with --again.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ref", Usage: "branch, tag or full commit `REF`; default: the project's branch"},
			&cli.StringFlag{Name: "tag", Usage: "the commit of `TAG`"},
			&cli.StringFlag{Name: "only", Usage: "just these of the project's `SERVERS`: h1,h2, web-[1-8] or web-*; what is live stays as it is"},
			&cli.BoolFlag{Name: "again", Usage: "also if it was built with success"},
			jsonFlag(),
		},
		Action: with(trigger),
	}
}

func trigger(c *cli.Context, a access) error {
	name, err := oneArgument(c, "autobuilder status lists them")
	if err != nil {
		return err
	}
	if c.IsSet("ref") && c.IsSet("tag") {
		return wrongUsage("--ref and --tag are both set: keep one")
	}
	only, err := build.ParseOnly(c.String("only"))
	if err != nil || c.IsSet("only") && only == "" {
		return wrongUsage("--only %q: write it as h1,h2, web-[1-8] or web-*", c.String("only"))
	}
	wish := build.Wish{Project: name, Ref: c.String("ref"), Tag: c.String("tag"), Again: c.Bool("again"), Only: only}
	id, err := a.Trigger(c.Context, wish)
	if err != nil {
		return err
	}
	return printAsked(c, id, strings.TrimSpace(fmt.Sprintf("%s of %s is to be built %s", wanted(wish), name, build.ToOnly(wish.Only))))
}

// wanted names what a wish is for.
func wanted(w build.Wish) string {
	return cmp.Or(w.Tag, w.Ref, "the newest commit")
}

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "let a delivery be decided once more",
		ArgsUsage: "DELIVERY",
		Description: `DELIVERY is the id of one that "autobuilder history" lists, and GitHub under "Recent deliveries". It is decided by the
rules and the repository of now, as a new delivery: for one that was ignored before the config was mended.`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: with(replay),
	}
}

func replay(c *cli.Context, a access) error {
	delivery, err := oneArgument(c, "autobuilder history lists them")
	if err != nil {
		return err
	}
	id, err := a.Replay(c.Context, delivery)
	if err != nil {
		return err
	}
	return printAsked(c, id, delivery+" is to be decided once more")
}

// printAsked says under which id something was written down.
func printAsked(c *cli.Context, id, what string) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, map[string]string{"delivery": id})
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: %s (autobuilder history says what became of it)\n", id, plain(what))
	return err
}
