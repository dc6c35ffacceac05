package main

import (
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
	"autobuilder/webhook"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say what would become of a payload, without doing it",
		ArgsUsage: "PAYLOAD",
		Description: `PAYLOAD is a file with the JSON of a webhook (GitHub shows it under "Recent deliveries"), or - for stdin. The
repository is asked for its branches and tags, as it is when a delivery comes in.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "event", Value: "push", Usage: "the `EVENT` that the payload is of"},
			jsonFlag(),
		},
		Action: with(explain),
	}
}

func explain(c *cli.Context, a access) error {
	body, err := readPayload(c)
	if err != nil {
		return err
	}
	would, err := a.Explain(c.Context, c.String("event"), body)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, would)
	}
	printProspect(c.App.Writer, would)
	return nil
}

func printProspect(out io.Writer, would build.Prospect) {
	fmt.Fprintf(out, "%s: %s\n", would.Verdict, plain(would.Why))
	for _, b := range would.Builds {
		fmt.Fprintf(out, "job %s would be started with COMMIT=%s BRANCH=%s TAG=%s VERSION=%s", b.Job, b.Commit, b.Branch, b.Tag, b.Version)
		if b.Release != "" {
			fmt.Fprintf(out, " RELEASE=%s", b.Release)
		}
		fmt.Fprintln(out)
	}
	for _, h := range would.Holds {
		fmt.Fprintf(out, "but not before it has %d approvals", h.Needed)
		if h.Problem != "" {
			fmt.Fprintf(out, ", which it can't get: %s", plain(h.Problem))
		}
		fmt.Fprintln(out)
		for _, s := range h.Steps {
			fmt.Fprintf(out, "and step %d: %s\n", s.N, plain(s.Text))
		}
	}
}

func readPayload(c *cli.Context) ([]byte, error) {
	if c.NArg() != 1 {
		return nil, wrongUsage("explain needs one PAYLOAD, after the flags: a file or - for stdin")
	}
	in := c.App.Reader
	if name := c.Args().First(); name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("read payload: %w", err)}
		}
		defer file.Close() //nolint:errcheck // it was only read
		in = file
	}
	body, err := io.ReadAll(io.LimitReader(in, webhook.MaxBody))
	if err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	return body, nil
}
