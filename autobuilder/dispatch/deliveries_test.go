package dispatch_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

func TestAPushIsBuilt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	commit := s.push("one")
	b := s.reaches(0, build.Running)
	assert.Equal(t, map[string]string{
		"COMMIT": commit, "BRANCH": "master", "TAG": "", "VERSION": "", "AUTOBUILDER_ID": b.ID,
	}, s.ci.params(0))
	assert.Equal(t, int64(1), b.Number)
	assert.Equal(t, "http://ci.test/job/shop/1/", b.URL)
	s.ci.finish("SUCCESS")
	b = s.reaches(0, build.Succeeded)
	assert.Equal(t, time.Second, b.Ended.Sub(b.Started))
	assert.False(t, b.Triggered.IsZero())
	assert.Equal(t, "ada", b.By)
	fate := s.fate("d1")
	assert.Equal(t, ledger.Built, fate.Verdict)
	assert.Equal(t, b.ID, fate.Build)
	assert.Equal(t, 1, s.ci.count())
}

func TestTheTwoPushesOfAReleaseAreOneBuildWithTheTag(t *testing.T) {
	t.Parallel()
	orders := map[string][]string{
		"master first": {"refs/heads/master", "refs/tags/v1.2.0"},
		"tag first":    {"refs/tags/v1.2.0", "refs/heads/master"},
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.run()
			commit := s.commit("one")
			s.tag("v1.2.0")
			s.publish("master", "v1.2.0")
			first, second := s.tell(order[0]), s.tell(order[1])
			b := s.reaches(0, build.Running)
			// Of two that are there together, the newer is decided first.
			assert.ElementsMatch(t, []string{ledger.Built, ledger.Joined}, []string{s.fate(first).Verdict, s.fate(second).Verdict})
			assert.Equal(t, []string{b.ID, b.ID}, []string{s.fate(first).Build, s.fate(second).Build})
			assert.Equal(t, []string{commit}, s.ci.commits())
			assert.Equal(t, "v1.2.0", s.ci.params(0)["TAG"])
			assert.Equal(t, "v1.2.0", s.ci.params(0)["VERSION"])
			assert.Len(t, s.builds(), 1)
		})
	}
}

func TestATagThatIsPushedAMomentLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.options.Settle = time.Minute
	s.run()
	s.commit("one")
	s.publish("master")
	s.tell("refs/heads/master")
	s.tag("v1.2.0")
	s.publish("v1.2.0")
	second := s.tell("refs/tags/v1.2.0")
	assert.Equal(t, ledger.Joined, s.fate(second).Verdict)
	s.reaches(0, build.Running)
	assert.Equal(t, "v1.2.0", s.ci.params(0)["TAG"])
	assert.Equal(t, 1, s.ci.count())
}

func TestATagReachesABuildThatWaits(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.push("two") // waits until one is over
	s.reaches(1, build.Queued)
	s.tag("v1.2.0")
	s.publish("v1.2.0")
	fate := s.fate(s.tell("refs/tags/v1.2.0"))
	assert.Equal(t, ledger.Joined, fate.Verdict)
	assert.Contains(t, fate.Why, "gets the tag v1.2.0")
	s.ci.finish("SUCCESS")
	s.reaches(1, build.Running)
	assert.Equal(t, "v1.2.0", s.ci.params(1)["TAG"])
}

func TestATagThatComesTooLateIsSaidSo(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.tag("v1.2.0")
	s.publish("v1.2.0")
	fate := s.fate(s.tell("refs/tags/v1.2.0"))
	assert.Equal(t, ledger.Joined, fate.Verdict)
	assert.Contains(t, fate.Why, "without the tag v1.2.0")
	assert.Equal(t, 1, s.ci.count())
}

func TestARedeliveryBuildsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.tell("refs/heads/master", func(d *build.Delivery) { d.ID = "d1" })
	// Another delivery of the same push, as two webhooks of one repository send it.
	assert.Equal(t, ledger.Joined, s.fate(s.tell("refs/heads/master")).Verdict)
	assert.Equal(t, 1, s.ci.count())
	assert.Len(t, s.builds(), 1)
}

func TestTheNewestPushWins(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	one := s.push("one")
	s.reaches(0, build.Running)
	s.push("two")
	s.reaches(1, build.Queued)
	three := s.push("three")
	b := s.reaches(1, build.Superseded)
	assert.Contains(t, b.Why, three)
	assert.Equal(t, build.Queued, s.builds()[2].State, "one build at a time is in Jenkins")
	s.ci.finish("FAILURE")
	s.reaches(2, build.Running)
	assert.Equal(t, build.Failed, s.builds()[0].State)
	assert.Equal(t, []string{one, three}, s.ci.commits())
}

// Of many pushes that wait to be decided the newest is built, and no other.
func TestOfABurstTheNewestIsBuilt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for n := range 4 {
		s.push(fmt.Sprint("commit ", n))
	}
	s.run()
	for n := range 3 {
		fate := s.fate(fmt.Sprint("d", n+1))
		assert.Equal(t, ledger.Ignored, fate.Verdict)
		assert.Contains(t, fate.Why, "master is already at ")
	}
	assert.Equal(t, ledger.Built, s.fate("d4").Verdict)
	s.reaches(0, build.Running)
	assert.Equal(t, 1, s.ci.count())
}

func TestEachBuildsAll(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(p *build.Project) { p.Queue = build.QueueEach })
	s.run()
	one := s.push("one")
	s.reaches(0, build.Running)
	two := s.push("two")
	s.reaches(1, build.Running)
	three := s.push("three")
	s.reaches(2, build.Running)
	assert.Equal(t, []string{one, two, three}, s.ci.commits())
}

func TestAnOlderPushThatIsToldOfLaterIsNotBuiltAfterTheNewer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	one := s.commit("one")
	two := s.push("two")
	s.reaches(0, build.Running)
	fate := s.fate(s.tell("refs/heads/master", func(d *build.Delivery) { d.Push.After, d.Push.Commit = one, one }))
	assert.Equal(t, ledger.Ignored, fate.Verdict)
	assert.Contains(t, fate.Why, "master is already at "+two[:10])
}

func TestPushesThatAreNoReleases(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.commit("one")
	s.publish("master")
	s.git("-C", s.tree, "checkout", "--quiet", "-b", "topic")
	s.commit("aside")
	s.tag("v9.0.0")
	s.publish("topic", "v9.0.0")
	as := func(change func(*build.Delivery)) string { return s.tell("refs/heads/master", change) }
	tests := []struct {
		id  string
		why string
	}{
		{s.tell("refs/heads/topic"), "branch topic is not master"},
		{s.tell("refs/tags/v9.0.0"), "is not on master"},
		{as(func(d *build.Delivery) { d.Push.Repo = "acme/till" }), "no project has the repository acme/till"},
		{as(func(d *build.Delivery) { d.Push.Deleted = true }), "branch master was deleted"},
		{as(func(d *build.Delivery) { d.Push.Message = "[skip ci]" }), "the commit says [skip ci]"},
		{as(func(d *build.Delivery) { d.Event = "ping" }), "the webhook is set up"},
		{as(func(d *build.Delivery) { d.Event, d.Push.Repo = "issues", "" }), "event issues asks for no build"},
	}
	for _, test := range tests {
		fate := s.fate(test.id)
		assert.Equal(t, ledger.Ignored, fate.Verdict)
		assert.Contains(t, fate.Why, test.why)
		assert.Empty(t, fate.Build)
	}
	assert.Zero(t, s.ci.count())
}

func TestATagOnAnOlderCommitOfTheBranch(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	one := s.commit("one")
	s.tag("v1.0.0")
	s.commit("two")
	s.publish("master", "v1.0.0") // autobuilder was not told of two
	fate := s.fate(s.tell("refs/tags/v1.0.0"))
	assert.Equal(t, ledger.Built, fate.Verdict, fate.Why)
	s.reaches(0, build.Running)
	assert.Equal(t, []string{one}, s.ci.commits())
}

func TestARepositoryThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	commit := s.commit("one")
	s.publish("master")
	away := s.repo + ".away"
	require.NoError(t, os.Rename(s.repo, away))
	s.run()
	id := s.tell("refs/heads/master")
	s.eventually(func() bool {
		fate, err := s.book.Fate(t.Context(), id)
		return err == nil && fate.Verdict == ledger.Pending && fate.Why != ""
	}, "the ledger says what the delivery waits for")
	fate, err := s.book.Fate(t.Context(), id)
	require.NoError(t, err)
	assert.Contains(t, fate.Why, "git ls-remote")
	require.NoError(t, os.Rename(away, s.repo))
	s.reaches(0, build.Running)
	assert.Equal(t, []string{commit}, s.ci.commits())
}

func TestOneRepositoryThatIsAwayHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	gone := build.Project{Name: "gone", Repo: "acme/gone", CloneURL: filepath.Join(t.TempDir(), "gone")}
	gone.Defaults()
	s.options.Projects = append(s.options.Projects, gone)
	s.run()
	s.commit("one")
	s.publish("master")
	waits := s.tell("refs/heads/master", func(d *build.Delivery) { d.Push.Repo = "acme/gone" })
	s.tell("refs/heads/master")
	s.reaches(0, build.Running)
	fate, err := s.book.Fate(t.Context(), waits)
	require.NoError(t, err)
	assert.Equal(t, ledger.Pending, fate.Verdict)
}

func TestTwoProjectsOfOneRepository(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	docs := s.options.Projects[0]
	docs.Name, docs.Job, docs.RequireTag = "docs", "docs", true
	s.options.Projects = append(s.options.Projects, docs)
	s.run()
	s.push("one")
	fate := s.fate("d1")
	assert.Equal(t, ledger.Built, fate.Verdict)
	assert.Contains(t, fate.Why, "shop: pushed to master; docs: commit")
	s.tag("v1.0.0")
	s.publish("v1.0.0")
	fate = s.fate(s.tell("refs/tags/v1.0.0"))
	assert.Equal(t, ledger.Built, fate.Verdict, "docs builds, shop joins: %s", fate.Why)
	b, err := s.book.Build(t.Context(), fate.Build)
	require.NoError(t, err)
	assert.Equal(t, "docs", b.Project)
}

func TestByHand(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	commit := s.push("one")
	s.reaches(0, build.Running)
	s.ci.finish("FAILURE")
	s.reaches(0, build.Failed)

	fate := s.fate(s.trigger("master", false)) // a build that failed is built again
	assert.Equal(t, ledger.Built, fate.Verdict, fate.Why)
	assert.Equal(t, commit, fate.Commit)
	again := s.reaches(1, build.Running)
	assert.Equal(t, 2, again.Attempt)
	s.ci.finish("SUCCESS")
	s.reaches(1, build.Succeeded)

	assert.Equal(t, ledger.Joined, s.fate(s.trigger("refs/heads/master", false)).Verdict)
	assert.Equal(t, ledger.Built, s.fate(s.trigger(commit, true)).Verdict)
	s.reaches(2, build.Running)
	fate = s.fate(s.trigger("refs/tags/none", false))
	assert.Equal(t, ledger.Ignored, fate.Verdict)
	assert.Contains(t, fate.Why, "refs/tags/none: the repository has no such branch, tag or commit")
	assert.Equal(t, 3, s.ci.count())
}

func TestByHandFromAnotherBranch(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.commit("one")
	s.git("-C", s.tree, "checkout", "--quiet", "-b", "topic")
	aside := s.commit("aside")
	s.publish("master", "topic")
	s.fate(s.trigger("refs/heads/topic", false))
	s.reaches(0, build.Running)
	assert.Equal(t, aside, s.ci.params(0)["COMMIT"])
	assert.Equal(t, "topic", s.ci.params(0)["BRANCH"])
}

// The refs of one push do not move at the same moment.
func TestATagThatIsThereBeforeItsBranchIsBuilt(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(p *build.Project) { p.Queue = build.QueueEach })
	s.options.Settle = time.Minute
	s.commit("first")
	s.publish("master")
	commit := s.commit("second")
	s.tag("v1.0.0")
	s.publish("v1.0.0")
	s.run()
	s.tell("refs/tags/v1.0.0")
	s.eventually(func() bool {
		fetched, _ := filepath.Glob(filepath.Join(s.options.Git.Dir, "*"))
		return slices.ContainsFunc(fetched, func(dir string) bool {
			return exec.CommandContext(t.Context(), "git", "-C", dir, "cat-file", "-e", commit).Run() == nil
		})
	}, "the tag is looked at")
	s.publish("master")
	s.tell("refs/heads/master")
	s.eventually(func() bool { return s.ci.count() == 1 }, "the tag is built")
	assert.Equal(t, []string{commit}, s.ci.commits())
	assert.Equal(t, "v1.0.0", s.ci.params(0)["TAG"])
}
