package dispatch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"autobuilder/build"
	"autobuilder/ledger"
	"autobuilder/rules"
)

// decider is the lane of one repository: its deliveries in the order in which
// they came.
func (d *Dispatcher) decider(repo string) func(context.Context) time.Duration {
	retry := newBackOff()
	return func(ctx context.Context) time.Duration {
		pending, err := d.Ledger.Pending(ctx, repo)
		if err != nil {
			d.Log.Error("deliveries not read", "repo", repo, "error", err)
			return retry.NextBackOff()
		}
		p := pass{Dispatcher: d, seen: d.look()}
		for _, delivery := range p.inOrder(ctx, pending) {
			wait, err := p.decide(ctx, delivery)
			if err != nil || wait > 0 {
				err = errors.Join(err, p.flush(ctx))
			}
			if err != nil {
				return d.later(ctx, delivery, err, retry.NextBackOff())
			}
			retry.Reset()
			if wait > 0 {
				return wait
			}
		}
		if err := p.flush(ctx); err != nil {
			return d.later(ctx, pending[len(pending)-1], err, retry.NextBackOff())
		}
		return idle
	}
}

// settling is how long a push that would build without a tag waits yet, so that
// a tag which is pushed a moment after it is not too late; and a tag whose
// branch may be about to follow.
func (d *Dispatcher) settling(delivery build.Delivery, decision ledger.Decision) time.Duration {
	untagged := func(b build.Build) bool { return b.Tag == "" }
	mayGetTag := delivery.Event == "push" && slices.ContainsFunc(decision.Add, untagged)
	if !mayGetTag && !decision.Early {
		return 0
	}
	wait := time.Until(delivery.Received.Add(d.Settle))
	if wait > d.Settle {
		return 0 // received in the future: the clock was set back
	}
	return wait
}

func (d *Dispatcher) later(ctx context.Context, delivery build.Delivery, err error, wait time.Duration) time.Duration {
	if errors.Is(err, ledger.ErrMoved) {
		return 0 // its build was sent at that moment: decide anew
	}
	if ctx.Err() != nil {
		return wait
	}
	d.Log.Warn("delivery not decided yet", "delivery", delivery.ID, "error", err, "again_in", wait)
	if err := d.Ledger.Wait(ctx, delivery.ID, err.Error()); err != nil {
		d.Log.Error("reason not written", "delivery", delivery.ID, "error", err)
	}
	return wait
}

// strangers is the lane of deliveries from repositories that no project has.
func (d *Dispatcher) strangers(known map[string]bool) func(context.Context) time.Duration {
	return func(ctx context.Context) time.Duration {
		repos, err := d.Ledger.PendingRepos(ctx)
		for _, repo := range repos {
			if !known[strings.ToLower(repo)] {
				err = errors.Join(err, d.decideAll(ctx, repo))
			}
		}
		if err != nil && ctx.Err() == nil {
			d.Log.Error("deliveries not decided", "error", err)
			return longest
		}
		return idle
	}
}

func (d *Dispatcher) decideAll(ctx context.Context, repo string) error {
	pending, err := d.Ledger.Pending(ctx, repo)
	p := pass{Dispatcher: d, seen: d.look()}
	for _, delivery := range pending {
		_, decideErr := p.decide(ctx, delivery)
		err = errors.Join(err, decideErr)
	}
	return errors.Join(err, p.flush(ctx))
}

// pass is one walk through what is pending in a repository. What only says of
// deliveries that they lead to nothing new is written several at a time.
type pass struct {
	*Dispatcher
	seen   *view
	gather []ledger.Decision
}

// inOrder puts first what pushed a branch to where it stands now, where the
// newest push wins: then what is older need not be built any more.
func (p *pass) inOrder(ctx context.Context, pending []build.Delivery) []build.Delivery {
	if len(pending) < 2 {
		return pending
	}
	var heads, others []build.Delivery
	for _, delivery := range pending {
		if p.isHead(ctx, delivery.Push) {
			heads = append(heads, delivery)
			continue
		}
		others = append(others, delivery)
	}
	return append(heads, others...)
}

func (p *pass) isHead(ctx context.Context, push build.Push) bool {
	return slices.ContainsFunc(p.Projects, func(project build.Project) bool {
		if project.Queue == build.QueueEach || push.Branch() != project.Branch || !strings.EqualFold(project.Repo, push.Repo) {
			return false
		}
		refs, err := p.seen.refs(ctx, project.CloneURL) // an error is that of the decision
		return err == nil && push.Commit != "" && refs.Heads[project.Branch] == push.Commit
	})
}

// mostGathered bounds what a crash lets be decided once more.
const mostGathered = 100

// decide says what becomes of a delivery. An error means that it could not be
// said now, and a wait that it is too early; nothing was written then.
func (p *pass) decide(ctx context.Context, delivery build.Delivery) (wait time.Duration, err error) {
	decision, err := p.consider(ctx, delivery, p.seen)
	if err != nil {
		return 0, err
	}
	if wait := p.settling(delivery, decision); wait > 0 {
		return wait, nil
	}
	p.gather = append(p.gather, decision)
	if decision.Plain() && len(p.gather) < mostGathered {
		return 0, nil
	}
	return 0, p.flush(ctx)
}

func (p *pass) flush(ctx context.Context) error {
	if len(p.gather) == 0 {
		return nil
	}
	decisions := p.gather
	p.gather = nil
	if err := p.Ledger.Decide(ctx, decisions...); err != nil {
		return err
	}
	for _, one := range decisions {
		p.Log.Info("delivery decided", "delivery", one.Delivery, "verdict", one.Verdict, "why", one.Why, "build", one.Build)
	}
	wake(p.build)
	return nil
}

// Consider says what would become of a delivery, and changes nothing.
func (d *Dispatcher) Consider(ctx context.Context, delivery build.Delivery) (ledger.Decision, error) {
	return d.consider(ctx, delivery, d.look())
}

func (d *Dispatcher) consider(ctx context.Context, delivery build.Delivery, seen *view) (ledger.Decision, error) {
	decision := &ledger.Decision{Delivery: delivery.ID, Verdict: ledger.Ignored}
	projects, why := d.asked(delivery)
	var said []string
	for _, project := range projects {
		words, err := d.judge(ctx, judged{delivery.Push, project, seen}, decision)
		if err != nil {
			return *decision, err
		}
		if len(projects) > 1 {
			words = project.Name + ": " + words
		}
		said = append(said, words)
	}
	decision.Why = strings.Join(append(said, why...), "; ")
	return *decision, nil
}

// asked are the projects that the delivery may concern; if there is none, why.
func (d *Dispatcher) asked(delivery build.Delivery) (projects []build.Project, why []string) {
	if !slices.Contains([]string{"push", build.Trigger, build.Found}, delivery.Event) {
		return nil, []string{rules.NoPush(delivery.Event)}
	}
	for _, p := range d.Projects {
		if !strings.EqualFold(p.Repo, delivery.Push.Repo) {
			continue
		}
		words, ok := rules.Asks(delivery.Push, p)
		if ok {
			projects = append(projects, p)
			continue
		}
		why = append(why, words)
	}
	switch {
	case len(projects) > 0:
		return projects, nil
	case len(why) == 0:
		return nil, []string{rules.Unknown(delivery.Push.Repo)}
	}
	return nil, why
}

// errNoRef says that what was triggered by hand is not there.
var errNoRef = errors.New("the repository has no such branch, tag or commit")

// judged is a push and the project that it is judged for, with what the
// repository shows.
type judged struct {
	push    build.Push
	project build.Project
	seen    *view
}

// judge adds to the decision what the delivery means for one project.
func (d *Dispatcher) judge(ctx context.Context, j judged, decision *ledger.Decision) (string, error) {
	push, project := j.push, j.project
	facts, err := d.facts(ctx, j)
	if errors.Is(err, errNoRef) {
		return fmt.Sprintf("%s: %s", push.Ref, errNoRef), nil
	}
	if err != nil {
		return "", err
	}
	verdict := rules.Decide(push, project, facts)
	decision.Commit = facts.Commit
	// The refs of one push do not move at the same moment: the tag may be there before the branch.
	decision.Early = decision.Early || (push.Tag() != "" && !facts.OnBranch && verdict.Do == rules.Ignore)
	supersede(decision, project, facts, verdict)
	return verdict.Why, d.carry(ctx, j, facts, verdict, decision)
}

// carry writes into the decision what the verdict leads to.
func (d *Dispatcher) carry(ctx context.Context, j judged, facts rules.Facts, v rules.Verdict, decision *ledger.Decision) error {
	switch v.Do {
	case rules.Build:
		b := newBuild(j.push, j.project, facts, v)
		decision.Add = append(decision.Add, b)
		decide(decision, ledger.Built, b.ID)
		return d.hold(ctx, b, j.project, v, decision)
	case rules.Retag:
		b := *facts.Earlier
		b.Tag, b.Version, b.Why = v.Tag, v.Version, v.Hold
		if v.Hold != "" {
			b.State = build.Held
		}
		decision.Retag = append(decision.Retag, b)
		decide(decision, ledger.Joined, b.ID)
		return d.hold(ctx, b, j.project, v, decision)
	case rules.Join:
		decide(decision, ledger.Joined, facts.Earlier.ID)
	}
	return nil
}

// decide names the build; of several projects the first that builds counts.
func decide(decision *ledger.Decision, verdict, id string) {
	if decision.Verdict == ledger.Ignored || decision.Verdict == ledger.Joined && verdict == ledger.Built {
		decision.Verdict, decision.Build = verdict, id
	}
}

// supersede drops what waits for a push that is out of date now. A release that
// waits for people leaves those alone that wait for Jenkins.
func supersede(decision *ledger.Decision, project build.Project, facts rules.Facts, v rules.Verdict) {
	if !v.Supersede {
		return
	}
	if v.Hold == "" {
		decision.Supersede = append(decision.Supersede, project.Name)
	}
	decision.Outdate = append(decision.Outdate, project.Name)
	decision.SupersededBy = fmt.Sprintf("%s moved on to %s before it was sent", project.Branch, facts.Commit)
}

// newBuild plans a build.
func newBuild(push build.Push, project build.Project, facts rules.Facts, v rules.Verdict) build.Build {
	now := time.Now()
	b := build.Build{
		ID: build.NewID(now), Project: project.Name, Job: project.Job,
		Commit: facts.Commit, Attempt: v.Attempt, Branch: project.Branch, Tag: v.Tag, Version: v.Version,
		By: push.Pusher, Message: push.Message, State: build.Queued, Created: now,
		Tree: facts.Tree, Release: v.Release, Only: push.Only,
	}
	if push.Project != "" && push.Branch() != "" {
		b.Branch = push.Branch()
	}
	if v.Hold != "" {
		b.State, b.Why = build.Held, v.Hold
	}
	return b
}

var objectName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// resolve finds the commit that a person named: refs/…, a branch, a tag or the
// commit itself.
func resolve(ref string, refs Refs) string {
	if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		return refs.Heads[branch]
	}
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		return refs.Tags[tag]
	}
	if objectName.MatchString(ref) {
		return ref
	}
	if commit, ok := refs.Heads[ref]; ok {
		return commit
	}
	return refs.Tags[ref]
}
