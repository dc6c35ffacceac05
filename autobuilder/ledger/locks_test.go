package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

func TestLocks(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	before, err := l.NewestAct(t.Context())
	require.NoError(t, err)
	lock := build.Lock{Project: "shop", By: "ada", Reason: "the tables move", Since: noon, Until: noon.Add(time.Hour)}
	require.NoError(t, l.Lock(t.Context(), lock))
	after, err := l.NewestAct(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before, after, "the lanes wake up")
	got, err := l.LockOf(t.Context(), "shop")
	require.NoError(t, err)
	assert.Equal(t, &lock, got)
	theirs := lock
	theirs.By = "bob"
	require.ErrorIs(t, l.Lock(t.Context(), theirs), ledger.ErrMoved)
	lock.Reason = "and so do the files"
	require.NoError(t, l.Lock(t.Context(), lock))

	require.NoError(t, l.Expired(t.Context(), noon.Add(time.Minute)))
	locks, err := l.Locks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []build.Lock{lock}, locks)
	require.NoError(t, l.Expired(t.Context(), noon.Add(time.Hour)))
	got, err = l.LockOf(t.Context(), "shop")
	require.NoError(t, err)
	assert.Nil(t, got)
	require.ErrorIs(t, l.Unlock(t.Context(), "shop", "ada", ""), build.ErrUnknown)
	assert.Equal(t, []build.EventKind{build.EventLocked, build.EventLocked, build.EventUnlocked}, kinds(t, l))
}
