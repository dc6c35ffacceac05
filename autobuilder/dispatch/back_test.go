package dispatch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

// went stores what deliver tells of a build's rollout.
func (s *stage) went(b build.Build, release, result string) {
	s.t.Helper()
	now := time.Now()
	require.NoError(s.t, s.book.Rollout(s.t.Context(), build.Rollout{
		Run: release + "-" + b.ID, Build: b.ID, Project: "shop", Action: "push", Release: release, Version: b.Tag, Commit: b.Commit,
		Result: result, Started: now, Ended: now,
	}))
}

// file commits one, tags it and publishes both with master.
func (s *stage) file(text, tag string) string {
	s.t.Helper()
	s.checklist(text)
	return s.release(tag)
}

// tellTree tells of master as GitHub does: with the commit's tree.
func (s *stage) tellTree(forced bool) string {
	s.t.Helper()
	return s.tell("refs/heads/master", func(d *build.Delivery) {
		d.Push.Forced, d.Push.Tree = forced, s.git("-C", s.tree, "rev-parse", "master^{tree}")
	})
}

// Master is put back to a commit that was delivered before: its archive goes
// out again, and nothing is built.
func TestMasterPushedBackDeploysTheStoredArchive(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	for i, tag := range []string{"v1.1.0", "v1.2.0"} {
		s.file(tag, tag)
		s.went(s.delivered(i), fmt.Sprintf("jenkins-shop-%d", i+1), "ok")
	}
	s.git("-C", s.tree, "reset", "--hard", "--quiet", "v1.1.0")
	s.publish("master")
	fate := s.fate(s.tellTree(true))
	assert.Equal(t, "master was pushed back to v1.1.0: release jenkins-shop-1 is deployed again, nothing is built", fate.Why)
	b := s.delivered(2)
	assert.Equal(t, "jenkins-shop-1", s.ci.params(2)["RELEASE"])
	assert.Equal(t, "v1.1.0", s.ci.params(2)["TAG"])
	assert.Equal(t, 2, b.Attempt)
	s.went(b, "jenkins-shop-1", "ok")

	assert.Equal(t, ledger.Joined, s.fate(s.tellTree(true)).Verdict, "told of twice, it is live already")
	s.git("-C", s.tree, "reset", "--hard", "--quiet", "v1.2.0")
	s.publish("master")
	s.tellTree(false)
	s.delivered(3)
	assert.Equal(t, "jenkins-shop-2", s.ci.params(3)["RELEASE"], "and forward again the same way")
}

// Master is put back while the release that is to be taken back is on its way.
func TestMasterPushedBackWhileTheNewReleaseIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.file("one", "v1.1.0")
	s.went(s.delivered(0), "jenkins-shop-1", "ok")
	s.file("two", "v1.2.0")
	s.reaches(1, build.Running)
	s.git("-C", s.tree, "reset", "--hard", "--quiet", "v1.1.0")
	s.publish("master")
	s.tellTree(true)
	s.reaches(2, build.Queued)
	s.ci.finish("SUCCESS")
	s.went(s.reaches(1, build.Succeeded), "jenkins-shop-2", "ok")
	s.delivered(2)
	assert.Equal(t, "jenkins-shop-1", s.ci.params(2)["RELEASE"])
}

func TestARevertCommitDeploysTheStoredArchive(t *testing.T) {
	t.Parallel()
	for sender, tell := range map[string]func(*stage) string{
		"github, which says the tree":   func(s *stage) string { return s.tellTree(false) },
		"a sender that does not say it": func(s *stage) string { return s.tell("refs/heads/master") },
	} {
		t.Run(sender, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.run()
			for i, tag := range []string{"v1.1.0", "v1.2.0"} {
				s.checklist(tag)
				s.commit(tag)
				s.tag(tag)
				s.publish("master", tag)
				tell(s)
				s.went(s.delivered(i), fmt.Sprintf("jenkins-shop-%d", i+1), "ok")
			}
			s.git("-C", s.tree, "revert", "--no-edit", "HEAD")
			s.publish("master")
			fate := s.fate(tell(s))
			assert.Equal(t, "its files are those of v1.1.0: release jenkins-shop-1 is deployed again, nothing is built", fate.Why)
			b := s.delivered(2)
			assert.Equal(t, "jenkins-shop-1", s.ci.params(2)["RELEASE"])
			s.went(b, "jenkins-shop-1", "ok")

			s.commit("nothing changed")
			s.publish("master")
			assert.Equal(t, "pushed to master", s.fate(tell(s)).Why, "files that are live are no step back")
			s.delivered(3)
			assert.NotContains(t, s.ci.params(3), "RELEASE")
		})
	}
}

func TestAMovedTagIsNotReleased(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	first := s.release("v1.1.0")
	s.delivered(0)
	s.commit("two")
	s.git("-C", s.tree, "tag", "-f", "-a", "-m", "again", "v1.1.0")
	s.publish("master", "v1.1.0")
	assert.Contains(t, s.fate(s.tell("refs/tags/v1.1.0")).Why, "tag v1.1.0 was moved: "+first[:10]+" was built under it")
	assert.Contains(t, s.fate(s.tell("refs/heads/master")).Why, "tag v1.1.0 was moved")
	s.trigger("v1.1.0", false)
	s.delivered(1)
}

// What deliver told is stronger than that a build succeeded.
func TestLiveIsWhatDeliverPromoted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.1.0")
	s.went(s.delivered(0), "jenkins-shop-1", "ok")
	s.release("v1.2.0")
	s.went(s.delivered(1), "jenkins-shop-2", "rolled back")
	live, err := s.book.Live(t.Context(), "shop", "")
	require.NoError(t, err)
	assert.Equal(t, "v1.1.0", live.Version)
	assert.Equal(t, "jenkins-shop-1", live.Release)
	assert.False(t, live.Assumed)
	s.push("untagged, and deliver does not tell of it")
	commit := s.delivered(2).Commit
	live, err = s.book.Live(t.Context(), "shop", "")
	require.NoError(t, err)
	assert.Equal(t, commit, live.Commit)
	assert.Equal(t, "v1.2.0", live.Version, "it stands on the last version that was built")
	assert.True(t, live.Assumed)
}

// A pin of deliver's, or its order fence, is no accident of the build: it says
// so, and is not tried again by itself.
func TestWhatDeliverRefusedIsExplained(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.push("one")
	b := s.reaches(0, build.Running)
	now := time.Now()
	d := s.people()
	require.NoError(t, d.Told(t.Context(), build.Rollout{
		Run: "r1", Build: b.ID, Action: "push", Release: "jenkins-shop-1", Commit: b.Commit,
		Result: "refused", Error: "h1: it is pinned to jenkins-shop-0 since grace rolled back", Started: now, Ended: now,
	}, "shop"))
	s.ci.finish("FAILURE")
	assert.Equal(t, "deliver refused it, and nothing was changed: h1: it is pinned to jenkins-shop-0 since grace rolled back",
		s.reaches(0, build.Failed).Why)
	assert.Equal(t, ledger.Joined, s.fate(s.tell("refs/heads/master")).Verdict)
	assert.Equal(t, 1, s.ci.count())
	require.ErrorIs(t, d.Told(t.Context(), build.Rollout{Run: "r2", Project: "other"}, ""), build.ErrUnknown)
	require.NoError(t, d.Told(t.Context(), build.Rollout{Run: "r3", Project: "shop", Result: "ok", Release: "by-hand", Started: now, Ended: now}, ""))
	live, err := d.Live(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "by-hand", live[0].Release, "an engineer's deliver, without Jenkins")
}
