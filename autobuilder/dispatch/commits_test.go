package dispatch_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/dispatch"
)

func TestWhatChangedBetweenTwoCommits(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one, _, three := s.commit("one"), s.commit("two: a | b"), s.commit("three")
	s.publish("master")
	d := dispatch.New(s.options)
	_, err := d.Commits(t.Context(), "shop", "", "")
	require.ErrorIs(t, err, build.ErrUnknown, "nothing was fetched yet")
	require.NoError(t, s.options.Git.Fetch(t.Context(), "shop", s.options.Projects[0].CloneURL, "master"))

	found, err := d.Commits(t.Context(), "shop", one, three)
	require.NoError(t, err)
	require.Len(t, found, 2)
	assert.Equal(t, three, found[0].ID)
	assert.Equal(t, "two: a | b", found[1].Subject)
	assert.NotEmpty(t, found[1].Author)
	assert.False(t, found[1].At.IsZero())
	all, err := d.Commits(t.Context(), "shop", "", "")
	require.NoError(t, err)
	assert.Len(t, all, 3)
	none, err := d.Commits(t.Context(), "shop", three, one)
	require.NoError(t, err)
	assert.Empty(t, none)
	for _, name := range []string{"--output=/tmp/x", "a..b", "0123456789012345678901234567890123456789"} {
		_, err = d.Commits(t.Context(), "shop", name, "")
		require.ErrorIs(t, err, build.ErrUnknown, name)
		_, err = d.Commits(t.Context(), "shop", "", name)
		require.ErrorIs(t, err, build.ErrUnknown, name)
	}
	_, err = d.Commits(t.Context(), "none", "", "")
	require.ErrorIs(t, err, build.ErrUnknown)
}
