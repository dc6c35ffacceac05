package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"autobuilder/build"
	"autobuilder/rules"
)

// searcher is the lane that looks for what GitHub did not tell of: it sends
// once, sends nothing of more than three tags at a time, and autobuilder may
// have been down. What the repository shows and the ledger never heard of
// becomes a delivery like any other.
type searcher struct {
	*Dispatcher
	project build.Project
	missed  map[string]bool // deliveries that were found missing at the last look
	heard   map[string]bool // deliveries that the ledger has
	told    bool            // GitHub's own list is asked too
	asked   time.Time       // when it was last asked
}

func (d *Dispatcher) searcher(project build.Project, told bool) func(context.Context) time.Duration {
	s := &searcher{Dispatcher: d, project: project, missed: map[string]bool{}, heard: map[string]bool{}, told: told && d.Sent != nil}
	return func(ctx context.Context) time.Duration {
		again, err := s.look(ctx)
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("repository not searched", "project", project.Name, "error", err, "again_in", d.Search)
		}
		if again {
			return min(d.Search, searchTwice)
		}
		return d.Search
	}
}

// searchTwice lies between missing a push and believing that nobody tells of it:
// GitHub's own delivery may be on its way.
const searchTwice = 30 * time.Second

// look compares the repository with the ledger, and says whether something was
// missing for the first time.
func (s *searcher) look(ctx context.Context) (again bool, err error) {
	if err := s.learn(ctx, s.project); err != nil {
		return false, err
	}
	refs, err := s.Git.Refs(ctx, s.project.CloneURL)
	if err != nil {
		return false, err
	}
	pushes := s.releases(refs)
	watched, err := s.Ledger.Fate(ctx, s.watching())
	if errors.Is(err, build.ErrUnknown) {
		return false, s.begin(ctx, pushes)
	}
	if err == nil && s.told {
		s.catchUp(ctx, watched.Received)
	}
	for _, push := range pushes {
		var first bool
		if err == nil {
			first, err = s.check(ctx, push)
		}
		again = again || first
	}
	return again, err
}

// late is how long a delivery may be under way: so far back GitHub is asked again.
const late = 10 * time.Minute

// catchUp stores what GitHub sent and nobody took. GitHub's list says more than
// the repository, who pushed and what was there in between; but if it cannot be
// had, the repository still tells of the newest.
func (s *searcher) catchUp(ctx context.Context, since time.Time) {
	now := time.Now()
	if back := s.asked.Add(-late); back.After(since) {
		since = back
	}
	missed, err := s.Sent.Pushes(ctx, s.project.Repo, since, s.known)
	for _, delivery := range missed {
		s.Log.Warn("push fetched that github could not deliver", "delivery", delivery.ID, "repo", delivery.Push.Repo, "ref", delivery.Push.Ref)
		err = errors.Join(err, s.Ledger.Store(ctx, delivery))
	}
	if len(missed) > 0 {
		s.Wake()
	}
	switch {
	case err == nil:
		s.asked = now
	case ctx.Err() == nil:
		s.Log.Warn("github's deliveries not compared", "project", s.project.Name, "error", err)
	}
}

func (s *searcher) known(ctx context.Context, delivery string) (bool, error) {
	_, err := s.Ledger.Fate(ctx, delivery)
	if errors.Is(err, build.ErrUnknown) {
		return false, nil
	}
	return err == nil, err
}

// releases are the head of the branch and the tags, as pushes: of several tags
// in one push GitHub tells nothing at all.
func (s *searcher) releases(refs Refs) []build.Push {
	var pushes []build.Push
	add := func(ref, commit string) {
		push := build.Push{Repo: s.project.Repo, Ref: ref, After: commit, Commit: commit, CloneURL: s.project.CloneURL}
		if _, ok := rules.Asks(push, s.project); ok && commit != "" {
			pushes = append(pushes, push)
		}
	}
	tags := slices.Collect(maps.Keys(refs.Tags))
	slices.SortFunc(tags, func(a, b string) int {
		return cmp.Or(semver.Compare(a, b), strings.Compare(a, b))
	})
	for _, tag := range tags {
		add("refs/tags/"+tag, refs.Tags[tag])
	}
	add("refs/heads/"+s.project.Branch, refs.Heads[s.project.Branch])
	return pushes
}

func found(push build.Push) build.Delivery {
	return build.Delivery{
		ID: fmt.Sprintf("found-%s-%s-%s", push.Repo, push.Ref, push.Commit), Event: build.Found, Received: time.Now(), Push: push,
	}
}

// watching is the note that says since when the project is watched.
func (s *searcher) watching() string {
	return "watch-" + s.project.Name
}

// begin notes what stands in a repository that is new here: it is not built,
// only what is pushed from now on.
func (s *searcher) begin(ctx context.Context, pushes []build.Push) error {
	for _, push := range pushes {
		if err := s.Ledger.Note(ctx, found(push), "it was there before autobuilder"); err != nil {
			return err
		}
	}
	note := build.Delivery{ID: s.watching(), Event: build.Found, Received: time.Now(), Push: build.Push{Repo: s.project.Repo}}
	return s.Ledger.Note(ctx, note, "project "+s.project.Name+" is watched from here on")
}

// check makes a delivery of a push that was missing at two looks.
func (s *searcher) check(ctx context.Context, push build.Push) (first bool, err error) {
	delivery, missing, err := s.missing(ctx, push)
	if err != nil || !missing {
		delete(s.missed, delivery.ID)
		return false, err
	}
	if !s.missed[delivery.ID] {
		s.missed[delivery.ID] = true
		return true, nil
	}
	delete(s.missed, delivery.ID)
	if delivery.Push, err = s.describe(ctx, delivery.Push); err != nil {
		return true, err
	}
	s.Log.Warn("push found that github did not tell of", "project", s.project.Name, "ref", push.Ref, "commit", push.Commit)
	if err := s.Ledger.Store(ctx, delivery); err != nil {
		return false, err
	}
	s.Wake()
	return false, nil
}

// missing says whether the ledger never heard of the push, and which delivery
// would tell of it.
func (s *searcher) missing(ctx context.Context, push build.Push) (build.Delivery, bool, error) {
	delivery := found(push)
	if !s.heard[delivery.ID] {
		heard, err := s.Ledger.Heard(ctx, push.Repo, push.Ref, push.Commit)
		if err != nil || !heard {
			return delivery, !heard, err
		}
		s.heard[delivery.ID] = true
	}
	if push.Branch() == "" {
		return delivery, false, nil
	}
	return s.back(ctx, delivery)
}

// back says whether the branch stands at a commit that was told of, but was put
// back to it since: what was told of it last is no ancestor.
func (s *searcher) back(ctx context.Context, delivery build.Delivery) (build.Delivery, bool, error) {
	push := &delivery.Push
	last, seq, err := s.Ledger.LastTold(ctx, push.Repo, push.Ref)
	if err != nil || last == "" || last == push.Commit {
		return delivery, false, err
	}
	forward, err := s.Dispatcher.look().below(ctx, s.project, last, push.Commit)
	delivery.ID = fmt.Sprintf("%s-after-%d", delivery.ID, seq)
	push.Before, push.Forced = last, true
	return delivery, !forward, err
}

// describe adds what GitHub would have said of the commit, if it is on the branch.
func (s *searcher) describe(ctx context.Context, push build.Push) (build.Push, error) {
	text, err := s.Git.Describe(ctx, s.project.Name, s.project.CloneURL, s.project.Branch, push.Commit)
	if errors.Is(err, errUnknownCommit) {
		return push, nil
	}
	push.Pusher, push.Message, _ = strings.Cut(text, "\n")
	return push, err
}
