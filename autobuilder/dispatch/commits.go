package dispatch

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"autobuilder/build"
)

// mostCommits bounds what is said of what changed.
const mostCommits = 500

// Commits are those of a project's branch after from, up to to, newest first; an
// empty from means from the beginning, an empty to the newest. Only what was
// fetched before is looked at; a commit that the history lacks is build.ErrUnknown.
func (d *Dispatcher) Commits(ctx context.Context, name, from, to string) ([]build.Commit, error) {
	project, ok := d.project(name)
	if !ok {
		return nil, fmt.Errorf("project %s: %w", name, build.ErrUnknown)
	}
	if to == "" {
		to = "refs/heads/" + project.Branch
	}
	found, err := d.Git.commits(ctx, name, from, to)
	if err != nil {
		return nil, fmt.Errorf("commits of %s: %w", name, err)
	}
	return found, nil
}

func (g Git) commits(ctx context.Context, project, from, to string) ([]build.Commit, error) {
	for _, name := range []string{from, to} {
		if strings.HasPrefix(name, "-") || strings.Contains(name, "..") {
			return nil, fmt.Errorf("%q is no commit: %w", name, build.ErrUnknown)
		}
	}
	// No transport: what is not there is not fetched for a page.
	args := []string{
		"-C", g.history(project), "-c", "protocol.allow=never", "log",
		"--max-count=" + strconv.Itoa(mostCommits), "--format=%H%x1f%an%x1f%ct%x1f%s", to,
	}
	if from != "" {
		args = append(args, "^"+from)
	}
	text, err := g.run(ctx, append(args, "--")...)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return nil, fmt.Errorf("%w: %w", build.ErrUnknown, err)
	}
	return parseCommits(text), err
}

func parseCommits(text string) []build.Commit {
	var found []build.Commit
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\x1f", 4)
		if len(fields) < 4 {
			continue
		}
		seconds, _ := strconv.ParseInt(fields[2], 10, 64) // git's own
		found = append(found, build.Commit{ID: fields[0], Author: fields[1], At: time.Unix(seconds, 0).UTC(), Subject: fields[3]})
	}
	return found
}
