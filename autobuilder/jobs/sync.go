package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"autobuilder/build"
)

// Jenkins is the part of a Jenkins that jobs are kept in. JobConfig and
// DeleteJob say build.ErrNoJob of a job that is not there.
type Jenkins interface {
	Jobs(ctx context.Context) ([]string, error)
	JobConfig(ctx context.Context, name string) ([]byte, error)
	CreateJob(ctx context.Context, name string, config []byte) error
	UpdateJob(ctx context.Context, name string, config []byte) error
	DeleteJob(ctx context.Context, name string) error
}

// Action is what a job needs to be as it should.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Keep   Action = "keep"
	Delete Action = "delete"  // it has the mark, and no project any more
	Refuse Action = "foreign" // it has a project's name, and not the mark
)

// Change is a job and what becomes of it.
type Change struct {
	Job    string
	Action Action
	Diff   string // what Jenkins has against what it should have

	config []byte
}

// Options widen what Sync may touch.
type Options struct {
	Prune bool // delete jobs that carry the mark and have no project
	Adopt bool // take over jobs of a project's name that lack the mark
}

// Diff says what Sync would do, job by job, and changes nothing.
func Diff(ctx context.Context, jenkins Jenkins, want []Config) ([]Change, error) {
	names, err := jenkins.Jobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare jobs: %w", err)
	}
	var changes []Change
	for _, config := range want {
		change, err := compare(ctx, jenkins, config)
		if err != nil {
			return nil, fmt.Errorf("compare job %s: %w", config.Job, err)
		}
		changes = append(changes, change)
	}
	orphans, err := orphaned(ctx, jenkins, names, want)
	return append(changes, orphans...), err
}

func compare(ctx context.Context, jenkins Jenkins, want Config) (Change, error) {
	change := Change{Job: want.Job, Action: Create, config: want.XML}
	should, err := canonical(want.XML)
	if err != nil {
		return change, err
	}
	have, err := jenkins.JobConfig(ctx, want.Job)
	if errors.Is(err, build.ErrNoJob) {
		change.Diff, err = unified(want.Job, "", should)
		return change, err
	}
	if err != nil {
		return change, err
	}
	is, err := canonical(have)
	if err != nil {
		return change, fmt.Errorf("its config.xml in jenkins: %w", err)
	}
	change.Action = judge(have, is, should)
	change.Diff, err = unified(want.Job, is, should)
	return change, err
}

func judge(have []byte, is, should string) Action {
	switch {
	case !isMarked(have):
		return Refuse
	case is == should:
		return Keep
	}
	return Update
}

func isMarked(config []byte) bool {
	root, err := parseXML(config)
	return err == nil && marked(root)
}

// orphaned are the jobs that were made here, for projects that are gone.
func orphaned(ctx context.Context, jenkins Jenkins, names []string, want []Config) ([]Change, error) {
	var changes []Change
	for _, name := range names {
		if slices.ContainsFunc(want, func(c Config) bool { return c.Job == name }) {
			continue
		}
		have, err := jenkins.JobConfig(ctx, name)
		if errors.Is(err, build.ErrNoJob) || errors.Is(err, build.ErrRefused) {
			continue // gone meanwhile, or not ours to see
		}
		if err != nil {
			return nil, fmt.Errorf("compare job %s: %w", name, err)
		}
		if isMarked(have) {
			changes = append(changes, Change{Job: name, Action: Delete})
		}
	}
	return changes, nil
}

// Sync brings Jenkins in line and tells of each change as soon as it is made.
// If a project's job is somebody else's, nothing at all is changed.
func Sync(ctx context.Context, jenkins Jenkins, want []Config, o Options, tell func(Change)) error {
	if o.Prune && len(want) == 0 {
		return errors.New("sync jobs: no projects are configured, and to prune would delete every job: nothing was changed")
	}
	changes, err := Diff(ctx, jenkins, want)
	if err != nil {
		return err
	}
	if foreign := jobsOf(changes, Refuse); len(foreign) > 0 && !o.Adopt {
		return fmt.Errorf("sync jobs: %s: made by somebody else, since the description lacks %q; nothing was changed (--adopt takes them over)",
			strings.Join(foreign, ", "), Mark)
	}
	for _, change := range changes {
		if change.Action == Delete && !o.Prune {
			continue
		}
		if err := apply(ctx, jenkins, change); err != nil {
			return fmt.Errorf("sync jobs: %w", err)
		}
		tell(change)
	}
	return nil
}

func apply(ctx context.Context, jenkins Jenkins, change Change) error {
	switch change.Action {
	case Create:
		return jenkins.CreateJob(ctx, change.Job, change.config)
	case Update, Refuse:
		return jenkins.UpdateJob(ctx, change.Job, change.config)
	case Delete:
		return jenkins.DeleteJob(ctx, change.Job)
	case Keep:
	}
	return nil
}

func jobsOf(changes []Change, action Action) []string {
	var names []string
	for _, change := range changes {
		if change.Action == action {
			names = append(names, change.Job)
		}
	}
	return names
}

func unified(job, is, should string) (string, error) {
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(is), B: lines(should), FromFile: job + " in jenkins", ToFile: job + " as it should be", Context: 3,
	})
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return difflib.SplitLines(text)
}
