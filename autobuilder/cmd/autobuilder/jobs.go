package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/urfave/cli/v2"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/jobs"
)

func jobsCommand() *cli.Command {
	return &cli.Command{
		Name:  "jobs",
		Usage: "make the Jenkins jobs of the projects",
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return wrongUsage("there is no command jobs %s: see autobuilder jobs --help", c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{
			{
				Name: "render", Usage: "print a job's config.xml; asks no Jenkins", ArgsUsage: "PROJECT",
				Action: renderJob,
			},
			{
				Name: "diff", Usage: "say what sync would change; exits 1 if that is anything",
				Action: diffJobs,
			},
			{
				Name: "sync", Usage: "write the jobs to Jenkins",
				Description: "Jobs that autobuilder did not make are left alone, and so are its own that lost their project, unless asked.",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "prune", Usage: "delete jobs that autobuilder made and that have no project any more"},
					&cli.BoolFlag{Name: "adopt", Usage: "take over jobs that have a project's name and were made by somebody else"},
				},
				Action: syncJobsNow,
			},
		},
	}
}

func openTemplates(cfg *config.Config) (*jobs.Templates, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find job templates: %w", err)
	}
	return jobs.Open(cfg.Templates, executable, cfg.URL)
}

func renderAll(cfg *config.Config) ([]jobs.Config, error) {
	templates, err := openTemplates(cfg)
	if err != nil {
		return nil, usageError{err}
	}
	wanted, err := templates.RenderAll(cfg.Projects)
	if err != nil {
		return nil, usageError{err}
	}
	return wanted, nil
}

// renders says whether the project's job can be made.
func renders(cfg *config.Config, p build.Project) error {
	templates, err := openTemplates(cfg)
	if err == nil {
		_, err = templates.Render(p)
	}
	return err
}

// projectArgument is the project that a command is about.
func projectArgument(c *cli.Context, cfg *config.Config) (build.Project, error) {
	name, err := oneArgument(c, cfg.Path+" names them")
	if err != nil {
		return build.Project{}, err
	}
	project, ok := cfg.Project(name)
	if !ok {
		return project, (&local{cfg: cfg}).noProject(name)
	}
	return project, nil
}

func renderJob(c *cli.Context) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	project, err := projectArgument(c, cfg)
	if err != nil {
		return err
	}
	templates, err := openTemplates(cfg)
	if err != nil {
		return usageError{err}
	}
	job, err := templates.Render(project)
	if err != nil {
		return usageError{err}
	}
	_, err = c.App.Writer.Write(job.XML)
	return err
}

// wantedJobs is what the commands have in common.
func wantedJobs(c *cli.Context) ([]jobs.Config, jobs.Jenkins, error) {
	if err := noArguments(c); err != nil {
		return nil, nil, err
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, nil, err
	}
	wanted, err := renderAll(cfg)
	if err != nil {
		return nil, nil, err
	}
	client, err := newClient(cfg, cfg.JenkinsURL())
	return wanted, client, err
}

func diffJobs(c *cli.Context) error {
	wanted, jenkins, err := wantedJobs(c)
	if err != nil {
		return err
	}
	changes, err := jobs.Diff(c.Context, jenkins, wanted)
	if err != nil {
		return err
	}
	differ := 0
	for _, change := range changes {
		printChange(c.App.Writer, change)
		if change.Action != jobs.Keep {
			differ++
		}
	}
	if differ > 0 {
		return fmt.Errorf("%d of %d jobs differ", differ, len(changes))
	}
	return nil
}

func printChange(out io.Writer, change jobs.Change) {
	fmt.Fprintf(out, "%-8s %s\n%s", change.Action, change.Job, change.Diff)
}

func syncJobsNow(c *cli.Context) error {
	wanted, jenkins, err := wantedJobs(c)
	if err != nil {
		return err
	}
	options := jobs.Options{Prune: c.Bool("prune"), Adopt: c.Bool("adopt")}
	return jobs.Sync(c.Context, jenkins, wanted, options, func(change jobs.Change) {
		fmt.Fprintf(c.App.Writer, "%-8s %s\n", change.Action, change.Job)
	})
}

// keeper writes the jobs when serve starts, and tries again while Jenkins is away.
type keeper struct {
	jenkins jobs.Jenkins
	wanted  []jobs.Config // none: the jobs are left as they are
	log     *slog.Logger
}

func (k *keeper) sync(ctx context.Context) error {
	if len(k.wanted) == 0 {
		return nil
	}
	return jobs.Sync(ctx, k.jenkins, k.wanted, jobs.Options{}, func(change jobs.Change) {
		if change.Action != jobs.Keep {
			k.log.Info("job written", "job", change.Job, "action", change.Action)
		}
	})
}

// keepTrying returns when the jobs are written or ctx has ended.
func (k *keeper) keepTrying(ctx context.Context) {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, k.sync(ctx) },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			k.log.Warn("jobs not written", "error", err, "again_in", wait)
		}))
	if err != nil && !errors.Is(err, context.Canceled) {
		k.log.Error("jobs not written", "error", err)
	}
}
