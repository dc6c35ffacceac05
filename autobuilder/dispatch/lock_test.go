package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/dispatch"
)

func TestALockedProjectsBuildsWait(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	d := dispatch.New(s.options)
	require.NoError(t, d.Lock(t.Context(), build.Lock{Project: "shop", By: "bob", Reason: "the tables move", Since: time.Now()}))
	require.ErrorIs(t, d.Lock(t.Context(), build.Lock{Project: "shop", By: "eve", Since: time.Now()}), build.ErrNotAllowed)
	s.run()
	commit := s.push("one")
	s.eventually(func() bool {
		all := s.builds()
		return len(all) == 1 && all[0].Why == "locked by bob: the tables move"
	}, "the build says what it waits for")
	assert.Zero(t, s.ci.count())

	// Who locked it goes on.
	s.store(build.Delivery{ID: "t", Event: build.Trigger, Received: time.Now(), Push: build.Push{
		Repo: "acme/shop", Project: "shop", Ref: s.commitBeside("two"), Pusher: "bob",
	}})
	s.eventually(func() bool { return s.ci.count() == 1 }, "bob's build goes")
	assert.NotEqual(t, commit, s.ci.commits()[0])
	s.ci.finish("SUCCESS")

	require.NoError(t, d.Unlock(t.Context(), "shop", "bob", ""))
	s.eventually(func() bool { return s.ci.count() == 2 }, "what waited goes")
	s.ci.finish("SUCCESS")
	assert.Empty(t, s.reaches(0, build.Succeeded).Why)
}

func TestALockEndsByItself(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	d := dispatch.New(s.options)
	now := time.Now()
	require.NoError(t, d.Lock(t.Context(), build.Lock{Project: "shop", By: "bob", Since: now, Until: now.Add(3 * time.Second)}))
	s.run()
	s.push("one")
	s.eventually(func() bool { return len(s.builds()) == 1 && s.builds()[0].Why != "" }, "the build waits")
	s.eventually(func() bool { return s.ci.count() == 1 }, "and goes when the lock's time is over")
	assert.GreaterOrEqual(t, time.Since(now), 3*time.Second)
	locks, err := s.book.Locks(t.Context())
	require.NoError(t, err)
	assert.Empty(t, locks)
}
