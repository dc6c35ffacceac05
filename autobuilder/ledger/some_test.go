package ledger_test

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

// succeeded writes a build that went well, and what deliver told of it, if it did.
func succeeded(t *testing.T, l *ledger.Ledger, b build.Build, release string) {
	t.Helper()
	built(t, l, b)
	begun, err := l.Begin(t.Context(), b.ID, noon)
	require.NoError(t, err)
	begun.State, begun.Ended = build.Succeeded, b.Created.Add(time.Minute)
	require.NoError(t, l.Move(t.Context(), build.Triggered, begun))
	if release != "" {
		require.NoError(t, l.Rollout(t.Context(), build.Rollout{
			Run: "run of " + b.ID, Build: b.ID, Project: b.Project, Action: "push", Release: release, Version: b.Version, Commit: b.Commit,
			Result: "ok", Started: b.Created, Ended: begun.Ended, Only: b.Only,
		}))
	}
}

// What went to some servers is in the lists of builds, and is nothing that a later
// one is compared with: neither live nor before, nor built, stored, tagged or approved.
func TestWhatWentToSomeServersIsNotLive(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]string{"deliver told of it": "jenkins-shop-8", "deliver told nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
			ctx := t.Context()
			all := aBuild("b1", "c1")
			all.Version, all.Tag = "v1.0.0", "v1.0.0"
			succeeded(t, l, all, "jenkins-shop-7")
			some := aBuild("b2", "c2")
			some.Version, some.Tag, some.Tree, some.Only, some.Created = "v2.0.0", "v2.0.0", "t2", "h1,h2", noon.Add(time.Hour)
			succeeded(t, l, some, release)

			live, err := l.Live(ctx, "shop", "")
			require.NoError(t, err)
			assert.Equal(t, "c1", live.Commit)
			assert.Equal(t, "v1.0.0", live.Version)
			later := noon.Add(2 * time.Hour)
			before, err := l.Before(ctx, "shop", "", "c3", later)
			require.NoError(t, err)
			assert.Equal(t, "c1", before.Commit)
			stored, err := l.Stored(ctx, "shop", "c2")
			require.NoError(t, err)
			assert.Empty(t, stored)
			_, err = l.Of(ctx, "shop", "c2", "")
			require.ErrorIs(t, err, build.ErrUnknown)
			_, err = l.Tagged(ctx, "shop", "v2.0.0")
			require.ErrorIs(t, err, build.ErrUnknown)
			_, err = l.SameTree(ctx, "shop", "t2")
			require.ErrorIs(t, err, build.ErrUnknown)

			found, err := l.Of(ctx, "shop", "c2", "h1,h2")
			require.NoError(t, err)
			assert.Equal(t, "h1,h2", found.Only)
			told, err := l.RolloutsOf(ctx, "b2")
			require.NoError(t, err)
			for _, r := range told {
				assert.Equal(t, "h1,h2", r.Only)
			}
			untagged := aBuild("b3", "c3") // it stands on the last version that went to all
			untagged.Created = later
			succeeded(t, l, untagged, "")
			live, err = l.Live(ctx, "shop", "")
			require.NoError(t, err)
			assert.Equal(t, []string{"c3", "v1.0.0"}, []string{live.Commit, live.Version})
		})
	}
}

// Each list of servers has its own attempts: none takes the place of the one build
// of the commit, and none is made twice.
func TestEachListOfServersHasItsOwnAttempts(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	for id, only := range map[string]string{"b1": "", "b2": "h1", "b3": "h1,h2"} {
		b := aBuild(id, "c1")
		b.Only = only
		built(t, l, b)
	}
	again := aBuild("b4", "c1")
	again.Only = "h1"
	require.NoError(t, l.Store(t.Context(), delivery("d4")))
	decision := ledger.Decision{Delivery: "d4", Verdict: ledger.Built, Build: "b4", Add: []build.Build{again}}
	require.ErrorIs(t, l.Decide(t.Context(), decision), ledger.ErrMoved)
	next, err := l.NextAttempt(t.Context(), "shop", "c1", "", "h1")
	require.NoError(t, err)
	assert.Equal(t, 2, next)
}

// Who lets a release go to some servers has not let it go to all.
func TestAnApprovalForSomeServersIsForThese(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	b := aBuild("b1", "c1")
	b.State, b.Only = build.Held, "h1"
	require.NoError(t, l.Store(t.Context(), delivery("d1")))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{
		Delivery: "d1", Verdict: ledger.Built, Build: "b1", Add: []build.Build{b},
		Hold: []build.Hold{{Build: "b1", Project: "shop", Why: "a major", Needed: 1, Since: noon}},
	}))
	h, err := l.Hold(t.Context(), "b1")
	require.NoError(t, err)
	assert.Equal(t, "h1", h.Only)
	require.NoError(t, l.Approve(t.Context(), build.Act{Build: "b1", Kind: build.ActApprove, By: "bob", At: noon}))
	for only, want := range map[string]bool{"": false, "h2": false, "h1": true} {
		approved, err := l.Approved(t.Context(), "shop", "c1", only)
		require.NoError(t, err)
		assert.Equal(t, want, approved, only)
	}
}

// A ledger from before some servers could be named keeps its builds, holds, numbers
// and what it tells.
func TestALedgerFromBeforeSomeServersIsTakenOver(t *testing.T) {
	t.Parallel()
	path, sqlite := dumped(t, "schema6.sql")
	l := open(t, path)
	builds, err := l.Builds(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, builds, 2)
	assert.Equal(t, []string{"b2", "b1"}, []string{builds[0].ID, builds[1].ID})
	assert.Equal(t, int64(7), builds[1].Number)
	assert.Empty(t, builds[1].Only)
	live, err := l.Live(t.Context(), "shop", "")
	require.NoError(t, err)
	assert.Equal(t, "jenkins-shop-7", live.Release)
	require.NoError(t, l.Approve(t.Context(), build.Act{Build: "b2", Kind: build.ActApprove, By: "bob", At: noon}))
	b, err := l.Build(t.Context(), "b2")
	require.NoError(t, err)
	assert.Equal(t, build.Queued, b.State)
	built(t, l, aBuild("b3", "c3"))
	out, err := exec.CommandContext(t.Context(), sqlite, "-readonly", path,
		"SELECT kind || ' ' || build FROM events WHERE seq > (SELECT max(seq) FROM events) - 3 ORDER BY seq").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "approved b2\nqueued b2\nqueued b3\n", string(out), "each once, as before")
	out, err = exec.CommandContext(t.Context(), sqlite, "-readonly", path, "PRAGMA integrity_check").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "ok\n", string(out))
}
