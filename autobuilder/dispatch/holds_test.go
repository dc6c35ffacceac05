package dispatch_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/dispatch"
	"autobuilder/ledger"
)

// release commits, tags, pushes both and tells of it.
func (s *stage) release(tag string) (commit string) {
	s.t.Helper()
	commit = s.commit(tag)
	s.tag(tag)
	s.publish("master", tag)
	s.tell("refs/heads/master")
	return commit
}

// delivered makes the nth build one that went out well.
func (s *stage) delivered(n int) build.Build {
	s.t.Helper()
	s.reaches(n, build.Running)
	s.ci.finish("SUCCESS")
	return s.reaches(n, build.Succeeded)
}

// people are what acts beside the dispatcher that runs.
func (s *stage) people() *dispatch.Dispatcher { return dispatch.New(s.options) }

func (s *stage) holdOf(n int) build.Hold {
	s.t.Helper()
	h, err := s.book.Hold(s.t.Context(), s.reaches(n, build.Held).ID)
	require.NoError(s.t, err)
	return h
}

func (s *stage) hold(id string) build.Hold {
	s.t.Helper()
	h, err := s.book.Hold(s.t.Context(), id)
	require.NoError(s.t, err)
	return h
}

func gate(change func(*build.Gate)) func(*build.Project) {
	return func(p *build.Project) { change(&p.Hold) }
}

func TestAMajorWaitsForAWord(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.4.2")
	s.delivered(0)
	commit := s.release("v2.0.0")
	h := s.holdOf(1)
	assert.Equal(t, "v2.0.0 is a major release: v1.4.2 is live", h.Why)
	assert.Equal(t, ledger.Joined, s.fate(s.tell("refs/tags/v2.0.0")).Verdict)
	assert.Equal(t, 1, s.ci.count(), "nothing is sent before somebody says so")

	h, err := s.people().Approve(t.Context(), "shop@v2.0.0", "grace", "read the notes")
	require.NoError(t, err)
	assert.Equal(t, build.Released, h.State)
	s.delivered(1)
	assert.Equal(t, commit, s.ci.params(1)["COMMIT"])
	acts := s.hold(h.Build).Acts
	require.Len(t, acts, 3)
	assert.Equal(t, []string{"hold autobuilder", "approve grace", "release grace"},
		[]string{acts[0].Kind + " " + acts[0].By, acts[1].Kind + " " + acts[1].By, acts[2].Kind + " " + acts[2].By})
	assert.Equal(t, "read the notes", acts[1].Note)
	assert.WithinDuration(t, time.Now(), acts[1].At, time.Minute)
	_, err = s.people().Approve(t.Context(), h.Build, "ada", "")
	require.ErrorIs(t, err, build.ErrNotAllowed)
	_, err = s.people().Approve(t.Context(), "shop", "ada", "")
	require.ErrorIs(t, err, build.ErrUnknown)
}

func TestTwoPeopleWhoDidNotPushIt(t *testing.T) {
	t.Parallel()
	s := newStage(t, gate(func(g *build.Gate) { g.Approvals, g.NotPusher, g.Approvers = 2, true, []string{"ada", "grace", "joan"} }))
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.release("v2.0.0") // by ada
	id := s.holdOf(1).Build
	for _, who := range []string{"ada", "mallory", ""} {
		_, err := s.people().Approve(t.Context(), id, who, "")
		require.ErrorIs(t, err, build.ErrNotAllowed, who)
	}
	_, err := s.people().Approve(t.Context(), id, "grace", "")
	require.NoError(t, err)
	_, err = s.people().Approve(t.Context(), id, "Grace", "")
	require.ErrorIs(t, err, build.ErrNotAllowed)
	require.NoError(t, s.book.Approve(t.Context(), build.Act{Build: id, By: "GRACE"}), "the ledger counts a person once, too")
	assert.Equal(t, build.Held, s.builds()[1].State)
	_, err = s.people().Approve(t.Context(), id, "joan", "")
	require.NoError(t, err)
	s.delivered(1)
}

func TestARejectedReleaseIsNotBuilt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.release("v2.0.0")
	h, err := s.people().Reject(t.Context(), s.holdOf(1).Build, "grace", "not on a Friday")
	require.NoError(t, err)
	assert.Equal(t, build.Refused, h.State)
	assert.Equal(t, "rejected by grace: not on a Friday", s.reaches(1, build.Rejected).Why)
	assert.Contains(t, s.fate(s.tell("refs/tags/v2.0.0")).Why, "built before and was rejected")
	_, err = s.people().Reject(t.Context(), h.Build, "grace", "")
	require.ErrorIs(t, err, build.ErrNotAllowed)
	assert.Contains(t, s.fate(s.trigger("v2.0.0", false)).Why, "triggered by hand: v2.0.0 is a major", "by hand it is held anew")
	s.reaches(2, build.Held)
}

func TestWhatEndsAHold(t *testing.T) {
	t.Parallel()
	t.Run("its deadline", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, gate(func(g *build.Gate) { g.Within = 300 * time.Millisecond }))
		s.run()
		s.release("v1.0.0")
		s.delivered(0)
		s.release("v2.0.0")
		assert.Contains(t, s.reaches(1, build.Rejected).Why, "nobody approved it within")
		assert.Equal(t, build.Expired, s.hold(s.builds()[1].ID).State)
	})
	t.Run("a newer tag", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.run()
		s.release("v1.0.0")
		s.delivered(0)
		s.release("v2.0.0")
		s.holdOf(1)
		newer := s.release("v2.0.1")
		s.holdOf(2)
		assert.Contains(t, s.reaches(1, build.Superseded).Why, "moved on to "+newer)
		assert.Equal(t, build.Expired, s.hold(s.builds()[1].ID).State)
	})
	t.Run("the branch put back", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.run()
		s.release("v1.0.0")
		s.delivered(0)
		s.release("v2.0.0")
		s.holdOf(1)
		s.git("-C", s.tree, "reset", "--hard", "--quiet", "v1.0.0")
		s.publish("master")
		s.tell("refs/heads/master", func(d *build.Delivery) { d.Push.Forced = true })
		s.reaches(1, build.Superseded)
		assert.Equal(t, 1, s.ci.count(), "v1.0.0 is live: there is nothing to deploy")
	})
}

func TestWhatFollowsAHeldRelease(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.release("v2.0.0")
	s.holdOf(1)
	s.commit("on top")
	s.publish("master")
	fate := s.fate(s.tell("refs/heads/master"))
	assert.Equal(t, ledger.Ignored, fate.Verdict)
	assert.Contains(t, fate.Why, "it contains the major release v2.0.0, which was not delivered: v1.0.0 is live")
	s.release("v1.0.1")
	assert.Contains(t, s.holdOf(2).Why, "it contains the major release v2.0.0", "under another name too")
	_, err := s.people().Approve(t.Context(), "shop@v1.0.1", "grace", "")
	require.NoError(t, err)
	s.delivered(2)
	assert.Equal(t, 2, s.ci.count())
}

func TestATagThatComesWhileTheBuildWaitsHoldsIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.push("two")
	s.reaches(1, build.Running)
	s.push("three")
	s.reaches(2, build.Queued)
	s.tag("v2.0.0")
	s.publish("v2.0.0")
	s.tell("refs/tags/v2.0.0")
	assert.Equal(t, "v2.0.0", s.holdOf(2).Tag)
	s.ci.finish("SUCCESS")
	s.reaches(1, build.Succeeded)
	assert.Equal(t, 2, s.ci.count())
}

// checklist writes one into the repository.
func (s *stage) checklist(text string) {
	s.t.Helper()
	path := filepath.Join(s.tree, ".deliver", "release.md")
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	s.git("-C", s.tree, "add", "-A")
}

func TestAChecklistWithAMistakeIsNotApproved(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.checklist("# 2.0\n- [ ] deploy nowhere@v1\n")
	s.release("v2.0.0")
	h := s.holdOf(1)
	assert.Equal(t, ".deliver/release.md: line 2: there is no project nowhere", h.Problem)
	_, err := s.people().Approve(t.Context(), h.Build, "grace", "")
	require.ErrorContains(t, err, "line 2: there is no project nowhere: mend it")
	s.checklist("- [ ] deploy\n- [ ] wait: soon\n")
	s.release("v2.0.1")
	assert.Contains(t, s.holdOf(2).Problem, "line 1: deploy needs PROJECT@TAG")
	assert.Contains(t, s.holdOf(2).Problem, "line 2: wait: needs a time")
}

// billing adds a second project with a repository of its own, and a tag.
func (s *stage) billing(tag string) (commit string) {
	s.t.Helper()
	dir := filepath.Dir(s.repo)
	repo, tree := filepath.Join(dir, "billing.git"), filepath.Join(dir, "billing")
	s.git("init", "--quiet", "--bare", "--initial-branch=master", repo)
	s.git("init", "--quiet", "--initial-branch=master", tree)
	s.git("-C", tree, "commit", "--quiet", "--allow-empty", "-m", tag)
	s.git("-C", tree, "tag", tag)
	s.git("-C", tree, "push", "--quiet", repo, "master", tag)
	p := build.Project{Name: "billing", Repo: "acme/billing", CloneURL: repo}
	p.Defaults()
	s.options.Projects = append(s.options.Projects, p)
	return s.git("-C", tree, "rev-parse", "HEAD")
}

const migration = `# Two services and one database

- [ ] tell support
- [ ] run: ./migrate expand
- [ ] deploy billing@v3.0.0
- [ ] wait: 50ms
- [ ] deploy shop@v2.0.0
- [ ] run: ./migrate contract
`

// A checklist is worked through in its order, each step once, although the
// dispatcher stops after every single move.
func TestAChecklistGoesOnWhereItStood(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	billing := s.billing("v3.0.0")
	stop := s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.checklist(migration)
	shop := s.release("v2.0.0")
	id := s.holdOf(1).Build
	_, err := s.people().Tick(t.Context(), id, build.Tick{Step: 1, By: "ada"})
	require.ErrorContains(t, err, "it waits for approval")
	_, err = s.people().Approve(t.Context(), id, "grace", "")
	require.NoError(t, err)
	_, err = s.people().Tick(t.Context(), id, build.Tick{Step: 3, By: "ada"})
	require.ErrorContains(t, err, "step 1 comes first: tell support")
	_, err = s.people().Tick(t.Context(), id, build.Tick{Step: 1, By: "ada", Note: "in the room"})
	require.NoError(t, err)

	moves := 0
	for h := s.hold(id); h.State != build.Released; h = s.hold(id) {
		s.ci.finish("SUCCESS")
		if len(h.Acts) > moves {
			moves = len(h.Acts)
			stop()
			stop = s.run()
		}
	}
	s.sent([]map[string]string{
		{"COMMIT": s.git("-C", s.tree, "rev-parse", "v1.0.0^{commit}")},
		{"COMMIT": shop, "RUN": "./migrate expand", "TAG": "v2.0.0"},
		{"COMMIT": billing, "TAG": "v3.0.0", "VERSION": "v3.0.0"},
		{"COMMIT": shop, "TAG": "v2.0.0"},
		{"COMMIT": shop, "RUN": "./migrate contract"},
	})
	assert.Equal(t, build.Succeeded, s.builds()[1].State)
	h := s.hold(id)
	for _, step := range h.Steps {
		assert.Equal(t, build.ItemDone, step.State, step.Text)
		assert.False(t, step.Ended.IsZero())
	}
	assert.Equal(t, "ada", h.Steps[0].By)
	assert.Equal(t, build.Itself, h.Steps[1].By)
	assert.GreaterOrEqual(t, h.Steps[3].Ended.Sub(h.Steps[3].Started), 50*time.Millisecond)
	assert.Len(t, h.Acts, 1+1+1+5*2+1, "held, approved, ticked, five steps begun and ended, released")
}

// sent checks what Jenkins was asked for, in order.
func (s *stage) sent(want []map[string]string) {
	s.t.Helper()
	require.Equal(s.t, len(want), s.ci.count())
	for i, params := range want {
		assert.Subset(s.t, s.ci.params(i), params, "build %d", i)
		_, runs := s.ci.params(i)["RUN"]
		assert.Equal(s.t, params["RUN"] != "", runs, "build %d", i)
	}
}

func TestAStepThatFailedWaitsForAPerson(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.checklist("- [ ] run: ./migrate\n- [ ] deploy shop@v2.0.0\n")
	s.release("v2.0.0")
	id := s.holdOf(1).Build
	_, err := s.people().Approve(t.Context(), id, "grace", "")
	require.NoError(t, err)
	failed := func(step int) {
		t.Helper()
		s.eventually(func() bool {
			s.ci.finish("FAILURE")
			return s.hold(id).Steps[step].State == build.ItemFailed
		}, "step %d fails", step)
	}
	failed(0)
	assert.Contains(t, s.hold(id).Steps[0].Why, "was not good: failed")
	_, err = s.people().Tick(t.Context(), id, build.Tick{Step: 1, Again: true, By: "ada"})
	require.NoError(t, err)
	failed(0)
	_, err = s.people().Tick(t.Context(), id, build.Tick{Step: 1, By: "ada", Note: "done by hand"})
	require.NoError(t, err)
	failed(1)
	assert.Equal(t, 4, s.ci.count())
	_, err = s.people().Tick(t.Context(), id, build.Tick{Step: 2, Again: true, By: "ada"})
	require.NoError(t, err)
	s.eventually(func() bool {
		s.ci.finish("SUCCESS")
		return s.hold(id).State == build.Released
	}, "it is released")
	assert.Equal(t, 5, s.ci.count())
	assert.Equal(t, 2, s.builds()[4].Attempt, "the commit's second build")
}

func TestAChecklistThatIsRejectedGoesNoFurther(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(p *build.Project) { p.Checklist = "- [ ] tell support\n" })
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.release("v2.0.0")
	id := s.holdOf(1).Build
	_, err := s.people().Approve(t.Context(), id, "grace", "")
	require.NoError(t, err)
	_, err = s.people().Reject(t.Context(), id, "joan", "")
	require.NoError(t, err)
	s.reaches(1, build.Rejected)
	_, err = s.people().Tick(t.Context(), id, build.Tick{Step: 1, By: "ada"})
	require.ErrorContains(t, err, "it is refused")
	assert.Equal(t, 1, s.ci.count())
}

func TestAChecklistWithoutADeployEndsWithTheReleaseItself(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(p *build.Project) { p.Checklist = "- [ ] tell support\n" })
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.release("v2.0.0")
	s.holdOf(1)
	_, err := s.people().Approve(t.Context(), "shop", "grace", "")
	require.NoError(t, err)
	h, err := s.people().Tick(t.Context(), "shop", build.Tick{Step: 1, By: "ada"})
	require.NoError(t, err)
	assert.Equal(t, "checklist of shop", h.Checklist)
	s.delivered(1)
}
