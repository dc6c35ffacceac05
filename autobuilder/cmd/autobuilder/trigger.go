package main

import (
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/ledger"
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
			&cli.BoolFlag{Name: "again", Usage: "also if it was built with success"},
		},
		Action: trigger,
	}
}

func trigger(c *cli.Context) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	project, err := projectArgument(c, cfg)
	if err != nil {
		return err
	}
	if c.IsSet("ref") && c.IsSet("tag") {
		return wrongUsage("--ref and --tag are both set: keep one")
	}
	book, err := ledger.Open(c.Context, cfg.LedgerFile())
	if err != nil {
		return err
	}
	defer book.Close() //nolint:errcheck // the write is on disk already
	delivery := build.Delivery{
		ID: "trigger-" + build.NewID(time.Now()), Event: build.Trigger, Received: time.Now(),
		Push: build.Push{
			Repo: project.Repo, Project: project.Name, Ref: wantedRef(c, project),
			Pusher: operator(), Again: c.Bool("again"),
		},
	}
	if err := book.Store(c.Context, delivery); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s: %s of %s is to be built (autobuilder history says what became of it)\n",
		delivery.ID, delivery.Push.Ref, project.Name)
	return nil
}

func projectArgument(c *cli.Context, cfg *config.Config) (build.Project, error) {
	if c.NArg() != 1 {
		return build.Project{}, wrongUsage("%s needs one PROJECT, after the flags: one of %s", c.Command.Name, projectNames(cfg))
	}
	project, ok := cfg.Project(c.Args().First())
	if !ok {
		return project, wrongUsage("there is no project %q: %s has %s", c.Args().First(), cfg.Path, projectNames(cfg))
	}
	return project, nil
}

func projectNames(cfg *config.Config) string {
	names := make([]string, 0, len(cfg.Projects))
	for _, p := range cfg.Projects {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

func wantedRef(c *cli.Context, project build.Project) string {
	switch {
	case c.IsSet("tag"):
		return "refs/tags/" + strings.TrimPrefix(c.String("tag"), "refs/tags/")
	case c.IsSet("ref"):
		return c.String("ref")
	}
	return "refs/heads/" + project.Branch
}

// operator is who asks, for the ledger.
func operator() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}
