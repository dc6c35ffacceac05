package dispatch_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/dispatch"
	"autobuilder/ledger"
)

func TestToConsiderChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	commit := s.commit("one")
	s.tag("v1.2.0")
	s.publish("master", "v1.2.0")
	d := dispatch.New(s.options)
	decision, err := d.Consider(t.Context(), build.Delivery{
		ID: "d1", Event: "push", Push: build.Push{Repo: "acme/shop", Ref: "refs/heads/master", Commit: commit, Pusher: "ada"},
	})
	require.NoError(t, err)
	assert.Equal(t, ledger.Built, decision.Verdict)
	assert.Equal(t, "pushed to master", decision.Why)
	require.Len(t, decision.Add, 1)
	b := decision.Add[0]
	assert.Equal(t, commit, b.Commit)
	assert.Equal(t, "v1.2.0", b.Tag)
	assert.Equal(t, decision.Build, b.ID)
	assert.Equal(t, []string{"shop"}, decision.Supersede)
	assert.Empty(t, s.builds())
	assert.Zero(t, s.ci.count())
}

func TestToConsiderNeedsTheRepository(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.options.Projects[0].CloneURL = s.repo + ".gone"
	_, err := dispatch.New(s.options).Consider(t.Context(), build.Delivery{
		ID: "d1", Event: "push", Push: build.Push{Repo: "acme/shop", Ref: "refs/heads/master", Commit: "c1"},
	})
	require.ErrorContains(t, err, "git ls-remote")
}
