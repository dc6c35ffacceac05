package dispatch

import (
	"context"
	"errors"
	"slices"

	"autobuilder/build"
	"autobuilder/rules"
)

// facts asks the repository and the ledger.
func (d *Dispatcher) facts(ctx context.Context, j judged) (rules.Facts, error) {
	facts, refs, err := d.place(ctx, j)
	if err != nil {
		return facts, err
	}
	return facts, errors.Join(d.remember(ctx, j, &facts), d.recall(ctx, j, &facts), d.within(ctx, j, refs, &facts))
}

// place says where the commit stands in the repository.
func (d *Dispatcher) place(ctx context.Context, j judged) (rules.Facts, Refs, error) {
	push, project := j.push, j.project
	refs, err := j.seen.refs(ctx, project.CloneURL)
	if err != nil {
		return rules.Facts{}, refs, err
	}
	facts := rules.Facts{Commit: push.Commit, Head: refs.Heads[project.Branch]}
	if push.Project != "" {
		facts.Commit = resolve(push.Ref, refs)
	}
	if facts.Commit == "" {
		return facts, refs, errNoRef
	}
	facts.Tags = refs.TagsOf(facts.Commit)
	facts.OnBranch = facts.Commit == facts.Head
	if !facts.OnBranch && facts.Head != "" && push.Project == "" {
		facts.OnBranch, err = j.seen.contains(ctx, project, facts.Commit)
	}
	if facts.Tree = push.Tree; err == nil && facts.Tree == "" && facts.OnBranch {
		facts.Tree, err = j.seen.tree(ctx, project, facts.Commit)
	}
	return facts, refs, err
}

// remember adds what the ledger knows.
func (d *Dispatcher) remember(ctx context.Context, j judged, facts *rules.Facts) error {
	earlier, err := d.Ledger.Of(ctx, j.project.Name, facts.Commit, j.push.Only)
	if err == nil {
		facts.Earlier = &earlier
	} else if !errors.Is(err, build.ErrUnknown) {
		return err
	}
	head, err := d.Ledger.Of(ctx, j.project.Name, facts.Head, "")
	facts.HeadBuilt = err == nil && !slices.Contains([]build.State{build.Superseded, build.Held, build.Rejected}, head.State)
	if errors.Is(err, build.ErrUnknown) {
		return nil
	}
	return err
}

// recall adds what was delivered, and what people said.
func (d *Dispatcher) recall(ctx context.Context, j judged, facts *rules.Facts) error {
	project := j.project
	err := d.learn(ctx, project)
	var next error
	facts.Live, next = d.Ledger.Live(ctx, project.Name, project.Environment())
	err = errors.Join(err, next)
	facts.Stored, next = d.Ledger.Stored(ctx, project.Name, facts.Commit)
	err = errors.Join(err, next)
	facts.Approved, next = d.Ledger.Approved(ctx, project.Name, facts.Commit, j.push.Only)
	err = errors.Join(err, next)
	facts.Going, next = d.going(ctx, project, facts.Commit)
	err = errors.Join(err, next)
	if tag, _ := rules.Release(project.Tags, facts.Tags); tag != "" {
		b, tagErr := known(d.Ledger.Tagged(ctx, project.Name, tag))
		err = errors.Join(err, tagErr)
		if b != nil && b.Commit != facts.Commit {
			facts.TaggedAt = b.Commit
		}
	}
	return errors.Join(err, d.twin(ctx, project, facts))
}

// known makes nothing of what the ledger does not know.
func known(b build.Build, err error) (*build.Build, error) {
	if errors.Is(err, build.ErrUnknown) {
		return nil, nil //nolint:nilnil // that there is none is no error here
	}
	return &b, err
}

// going says whether a build of another commit is on its way to all servers.
func (d *Dispatcher) going(ctx context.Context, project build.Project, commit string) (bool, error) {
	open, err := d.Ledger.Open(ctx, project.Name)
	return slices.ContainsFunc(open, func(b build.Build) bool {
		waits := b.State == build.Queued && project.Queue != build.QueueEach // will be superseded
		return b.Command == "" && b.Only == "" && b.Commit != commit && !waits
	}), err
}

// twin looks for a delivered commit with the same files, unless they are live:
// then the commit is no step back.
func (d *Dispatcher) twin(ctx context.Context, project build.Project, facts *rules.Facts) error {
	if facts.Tree == "" || facts.Live.Commit == "" {
		return nil
	}
	live, err := known(d.Ledger.Of(ctx, project.Name, facts.Live.Commit, ""))
	if err != nil || live == nil || live.Tree == "" || live.Tree == facts.Tree {
		return err
	}
	facts.Twin, err = known(d.Ledger.SameTree(ctx, project.Name, facts.Tree))
	if err != nil || facts.Twin == nil {
		return err
	}
	facts.TwinOf, err = d.Ledger.Stored(ctx, project.Name, facts.Twin.Commit)
	if facts.TwinOf == "" {
		facts.TwinOf = facts.Twin.Release
	}
	return err
}

// within looks for a release below the commit that people never let go.
func (d *Dispatcher) within(ctx context.Context, j judged, refs Refs, facts *rules.Facts) error {
	project := j.project
	for _, tag := range rules.Gates(project, facts.Live, refs.tagNames()) {
		commit := refs.Tags[tag]
		delivered, err := d.delivered(ctx, project, commit)
		if err != nil {
			return err
		}
		if delivered || commit == facts.Commit {
			continue
		}
		below, err := j.seen.below(ctx, project, commit, facts.Commit)
		if err != nil {
			return err
		}
		if below {
			facts.Within = tag
			return nil
		}
	}
	return nil
}

func (d *Dispatcher) delivered(ctx context.Context, project build.Project, commit string) (bool, error) {
	b, err := known(d.Ledger.Of(ctx, project.Name, commit, ""))
	if err != nil || b != nil && b.State == build.Succeeded {
		return true, err
	}
	stored, err := d.Ledger.Stored(ctx, project.Name, commit)
	return stored != "", err
}
