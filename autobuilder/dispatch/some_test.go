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

// only stores what a person asks for some servers.
func (s *stage) only(ref, servers string) string {
	s.t.Helper()
	id, err := s.people().Trigger(s.t.Context(), build.Wish{Project: "shop", Ref: ref, Only: servers}, "ada")
	require.NoError(s.t, err)
	(*s.wake.Load())()
	return id
}

// A commit that some servers try is built once more when it is pushed to go to all,
// and neither counts as the other. What is live is what went to all.
func TestACommitThatSomeServersTryIsNotDelivered(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	first := s.release("v1.0.0")
	s.went(s.delivered(0), "jenkins-shop-1", "ok")
	assert.NotContains(t, s.ci.params(0), "DELIVER_ONLY")

	topic := s.commitBeside("topic")
	fate := s.fate(s.only("topic", "h1, h2"))
	assert.Equal(t, ledger.Built, fate.Verdict)
	assert.Equal(t, "triggered by hand to h1, h2 only", fate.Why)
	some := s.reaches(1, build.Running)
	assert.Equal(t, "h1,h2", some.Only)
	assert.Equal(t, "h1,h2", s.ci.params(1)["DELIVER_ONLY"])
	assert.Equal(t, topic, s.ci.params(1)["COMMIT"])
	again := s.fate(s.only("topic", "h1,h2"))
	assert.Equal(t, ledger.Joined, again.Verdict)
	assert.Equal(t, some.ID, again.Build)
	s.ci.finish("SUCCESS")
	s.reaches(1, build.Succeeded)
	require.NoError(t, s.people().Told(t.Context(), build.Rollout{ // by a deliver that does not say which servers
		Run: "r2", Build: some.ID, Action: "push", Release: "jenkins-shop-2", Commit: topic, Result: "ok", Started: time.Now(), Ended: time.Now(),
	}, "shop"))
	live, err := s.people().Live(t.Context())
	require.NoError(t, err)
	require.Len(t, live, 1)
	assert.Equal(t, first, live[0].Commit)

	s.git("-C", s.tree, "merge", "--quiet", "--ff-only", "topic")
	s.publish("master")
	fate = s.fate(s.tell("refs/heads/master"))
	assert.Equal(t, ledger.Built, fate.Verdict, fate.Why)
	whole := s.delivered(2)
	assert.Equal(t, 1, whole.Attempt)
	assert.Equal(t, topic, whole.Commit)
	assert.NotContains(t, s.ci.params(2), "DELIVER_ONLY")
	assert.Equal(t, ledger.Joined, s.fate(s.tell("refs/heads/master")).Verdict, "and that one is made once")
}

// A push is built beside what is under way to some servers, and does not join it.
func TestAPushDoesNotJoinWhatGoesToSomeServers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.commit("one")
	s.publish("master")
	s.only("", "h1")
	some := s.reaches(0, build.Running)
	fate := s.fate(s.tell("refs/heads/master"))
	assert.Equal(t, ledger.Built, fate.Verdict, fate.Why)
	assert.NotEqual(t, some.ID, fate.Build)
	s.ci.finish("SUCCESS")
	s.delivered(1)
}

// A major is held for some servers as for all, and the word for some is none for all.
func TestAMajorIsHeldForSomeServersToo(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.release("v1.0.0")
	s.delivered(0)
	s.git("-C", s.tree, "checkout", "--quiet", "-b", "next")
	s.checklist("- [ ] tell support\n- [ ] deploy shop@v2.0.0\n")
	s.commit("v2.0.0")
	s.tag("v2.0.0")
	s.publish("next", "v2.0.0")
	s.only("v2.0.0", "h1")
	h := s.holdOf(1)
	assert.Equal(t, "v2.0.0 is a major release: v1.0.0 is live; it is to go to h1 only", h.Why)
	_, err := s.people().Approve(t.Context(), "shop@v2.0.0", "grace", "")
	require.NoError(t, err)
	_, err = s.people().Tick(t.Context(), h.Build, build.Tick{Step: 1, By: "grace"})
	require.NoError(t, err)
	(*s.wake.Load())()
	b := s.delivered(1)
	assert.Equal(t, "h1", s.ci.params(1)["DELIVER_ONLY"])
	assert.Equal(t, h.Build, b.ID, "its own step sends it, and to no other server")
	s.eventually(func() bool { return s.hold(h.Build).State == build.Released }, "the checklist is done")

	s.trigger("v2.0.0", false)
	assert.Equal(t, "v2.0.0 is a major release: v1.0.0 is live", s.holdOf(2).Why)
}

func TestServersThatAreNone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, w := range []build.Wish{
		{Project: "shop", Only: "h1; reboot"}, {Project: "shop", Only: "h1&TAG=v2"}, {Project: "shop", Ref: "v1.0.0", Only: "h1", Back: true},
	} {
		_, err := s.people().Trigger(t.Context(), w, "ada")
		require.ErrorIs(t, err, build.ErrNotAllowed, fmt.Sprint(w))
	}
	fates, err := s.book.Fates(t.Context(), 10)
	require.NoError(t, err)
	assert.Empty(t, fates)
}
