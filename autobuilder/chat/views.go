package chat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"autobuilder/build"
)

// live is what runs of a project.
func (t talk) live(ctx context.Context, p build.Project) (build.Live, error) {
	all, err := t.Work.Live(ctx)
	for _, l := range all {
		if l.Project == p.Name {
			return l, err
		}
	}
	return build.Live{Project: p.Name}, err
}

// status is a paragraph for each project, or for one.
func (t talk) status(ctx context.Context) (string, error) {
	projects := t.Projects()
	if t.App != "" {
		p, err := t.project()
		if err != nil {
			return "", err
		}
		projects = []build.Project{p}
	}
	var lines []string
	for _, p := range projects {
		of, err := t.statusOf(ctx, p)
		if err != nil {
			return "", err
		}
		lines = append(lines, of...)
	}
	return strings.Join(lines, "\n"), nil
}

func (t talk) statusOf(ctx context.Context, p build.Project) ([]string, error) {
	live, err := t.live(ctx, p)
	if err != nil {
		return nil, err
	}
	first := p.Name + ": nothing is live yet"
	if live.Commit != "" {
		first = fmt.Sprintf("%s: %s is live in %s since %s%s", p.Name, version(live), environment(p), ago(live.Since), after(", by ", live.By))
	}
	lines := []string{first}
	open, err := t.Work.Open(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	for _, b := range open {
		lines = append(lines, "  "+progress(b))
	}
	lock, err := t.Work.LockOf(ctx, p.Name)
	if lock != nil {
		lines = append(lines, "  "+lock.Words())
	}
	return lines, err
}

// progress is how far a build is that is not over.
func progress(b build.Build) string {
	words := fmt.Sprintf("%s by %s is %s", what(b), b.By, b.State)
	if !b.Started.IsZero() {
		words += " for " + time.Since(b.Started).Round(time.Second).String()
	}
	return words + after(": ", b.Why)
}

// what a build is of.
func what(b build.Build) string {
	name := b.Tag
	if name == "" {
		name = b.Commit[:min(len(b.Commit), 10)]
	}
	return name + after(" ", build.ToOnly(b.Only))
}

func version(l build.Live) string {
	if l.Version != "" {
		return l.Version
	}
	return l.Commit[:min(len(l.Commit), 10)]
}

// queue is what is under way, and what waits for people, with its turn.
func (t talk) queue(ctx context.Context) (string, error) {
	var lines []string
	for _, p := range t.Projects() {
		open, err := t.Work.Open(ctx, p.Name)
		if err != nil {
			return "", err
		}
		for i, b := range open {
			lines = append(lines, fmt.Sprintf("%d. %s %s", i+1, p.Name, progress(b)))
		}
	}
	holds, err := t.Work.Holds(ctx, false)
	if err != nil {
		return "", err
	}
	for _, h := range holds {
		lines = append(lines, holdLine(h))
	}
	if len(lines) == 0 {
		return "nothing waits, nothing is being built", nil
	}
	return strings.Join(lines, "\n"), nil
}

func holdLine(h build.Hold) string {
	if h.State == build.Approved {
		return fmt.Sprintf("%s goes through its checklist: %s", holdName(h), next(h))
	}
	return fmt.Sprintf("%s waits for people (%d of %d): %s. Say: approve %s", holdName(h), len(h.Approvals()), h.Needed, h.Why, holdName(h))
}

const mostDeploys = 10

// deploys are the newest, with who, what and when.
func (t talk) deploys(ctx context.Context) (string, error) {
	p, err := t.project()
	if err != nil {
		return "", err
	}
	builds, err := t.Work.Builds(ctx, p.Name, 10*mostDeploys)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, b := range builds {
		fits := t.Ref == "" || b.Tag == t.Ref || b.Branch == t.Ref || strings.HasPrefix(b.Commit, t.Ref)
		if fits && b.Command == "" && len(lines) < mostDeploys {
			lines = append(lines, fmt.Sprintf("%s | %s | %s | %s", b.By, what(b), b.State, ago(b.Created)))
		}
	}
	if len(lines) == 0 {
		return "there are none", nil
	}
	return strings.Join(lines, "\n"), nil
}

func (t talk) where() (string, error) {
	p, err := t.named()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s goes to %s", p.Name, strings.Join(t.environments(p), ", ")), nil
}

// ago is a time as people say it.
func ago(at time.Time) string {
	switch d := time.Since(at); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return at.UTC().Format("2006-01-02")
	}
}
