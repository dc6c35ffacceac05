package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/ledger"
)

// dumped is a ledger that an older autobuilder left, from its dump in testdata, and
// the program that made it.
func dumped(t *testing.T, dump string) (path, sqlite string) {
	t.Helper()
	sqlite, err := exec.LookPath("sqlite3")
	if err != nil {
		labtest.Lacks(t, "the program sqlite3")
	}
	path = filepath.Join(t.TempDir(), "ledger.db")
	old := exec.CommandContext(t.Context(), sqlite, path)
	old.Stdin, err = os.Open(filepath.Join("testdata", dump))
	require.NoError(t, err)
	out, err := old.CombinedOutput()
	require.NoError(t, err, string(out))
	return path, sqlite
}

func TestALedgerOfTheFirstSchemaIsTakenOver(t *testing.T) {
	t.Parallel()
	path, _ := dumped(t, "schema1.sql")
	l := open(t, path)
	builds, err := l.Builds(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, builds, 2)
	assert.Equal(t, "b2", builds[0].ID)
	assert.Equal(t, build.Succeeded, builds[1].State)
	assert.Equal(t, int64(7), builds[1].Number)
	pending, err := l.Pending(t.Context(), "acme/shop")
	require.NoError(t, err)
	assert.Len(t, pending, 1)
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{
		Delivery: "d1", Verdict: ledger.Built, Build: "b3", Add: []build.Build{aBuild("b3", "c3")},
	}))
	builds, err = l.Builds(t.Context(), "", 1)
	require.NoError(t, err)
	assert.Equal(t, "b3", builds[0].ID, "what is new comes after what was there")
}

// held makes a ledger with one release that waits for so many approvals.
func held(t *testing.T, needed int, steps ...build.Item) *ledger.Ledger {
	t.Helper()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, l.Store(t.Context(), delivery("d1")))
	b := aBuild("b1", "c1")
	b.State = build.Held
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{
		Delivery: "d1", Verdict: ledger.Built, Build: "b1", Add: []build.Build{b},
		Hold: []build.Hold{{Build: "b1", Project: "shop", Why: "a major", Needed: needed, Since: time.Now(), Steps: steps}},
	}))
	return l
}

func stateOf(t *testing.T, l *ledger.Ledger, id string) (build.HoldState, build.State) {
	t.Helper()
	h, err := l.Hold(t.Context(), id)
	require.NoError(t, err)
	b, err := l.Build(t.Context(), id)
	require.NoError(t, err)
	return h.State, b.State
}

// Many people approve at the same moment: they are all counted, and the
// release goes once.
func TestApprovalsAtTheSameMoment(t *testing.T) {
	t.Parallel()
	const people = 12
	l := held(t, people)
	var all errgroup.Group
	for i := range people {
		for range 2 { // each of them clicks twice
			all.Go(func() error {
				err := l.Approve(t.Context(), build.Act{Build: "b1", By: fmt.Sprintf("p%d", i), At: time.Now()})
				if errors.Is(err, ledger.ErrMoved) {
					return nil // the other click was in time
				}
				return err
			})
		}
	}
	require.NoError(t, all.Wait())
	hold, state := stateOf(t, l, "b1")
	assert.Equal(t, build.Released, hold)
	assert.Equal(t, build.Queued, state)
	h, err := l.Hold(t.Context(), "b1")
	require.NoError(t, err)
	assert.Len(t, h.Approvals(), people)
	require.ErrorIs(t, l.Approve(t.Context(), build.Act{Build: "b1", By: "late"}), ledger.ErrMoved)
	require.ErrorIs(t, l.Reject(t.Context(), build.Act{Build: "b1", By: "late"}), ledger.ErrMoved)
	require.ErrorIs(t, l.Expire(t.Context(), build.Act{Build: "b1"}), ledger.ErrMoved)
}

func TestApproveOrRejectButNotBoth(t *testing.T) {
	t.Parallel()
	for range 10 {
		l := held(t, 1)
		var both errgroup.Group
		won := make(chan string, 2)
		both.Go(func() error {
			if l.Approve(t.Context(), build.Act{Build: "b1", By: "grace", At: time.Now()}) == nil {
				won <- "approve"
			}
			return nil
		})
		both.Go(func() error {
			if l.Reject(t.Context(), build.Act{Build: "b1", Kind: build.ActReject, By: "joan", At: time.Now()}) == nil {
				won <- "reject"
			}
			return nil
		})
		require.NoError(t, both.Wait())
		close(won)
		require.Len(t, won, 1)
		want := map[string]build.State{"approve": build.Queued, "reject": build.Rejected}[<-won]
		_, state := stateOf(t, l, "b1")
		assert.Equal(t, want, state)
	}
}

// A step moves whole or not at all, and only from where it stands.
func TestAStepIsBegunOnce(t *testing.T) {
	t.Parallel()
	l := held(t, 1, build.Item{N: 1, Line: 1, Kind: build.ItemRun, Text: "run: x", Command: "x"})
	child := aBuild("child", "c1")
	child.Command, child.Step = "x", "b1/1"
	begin := ledger.Advance{
		Act: build.Act{Build: "b1", Step: 1, Kind: build.ActStart, By: build.Itself}, From: build.ItemTodo,
		To: build.Item{State: build.ItemDoing, Child: "child"}, Add: &child,
	}
	require.ErrorIs(t, l.Advance(t.Context(), begin), ledger.ErrMoved, "it is not approved")
	_, err := l.Build(t.Context(), "child")
	require.ErrorIs(t, err, build.ErrUnknown)
	require.NoError(t, l.Approve(t.Context(), build.Act{Build: "b1", By: "grace"}))
	hold, state := stateOf(t, l, "b1")
	assert.Equal(t, build.Approved, hold)
	assert.Equal(t, build.Held, state, "its checklist comes first")
	require.NoError(t, l.Advance(t.Context(), begin))
	child.ID = "another"
	require.ErrorIs(t, l.Advance(t.Context(), begin), ledger.ErrMoved)
	open, err := l.Open(t.Context(), "shop")
	require.NoError(t, err)
	assert.Len(t, open, 1)

	of, err := l.Of(t.Context(), "shop", "c1", "")
	require.NoError(t, err)
	assert.Equal(t, "b1", of.ID, "a command is no build of the commit")
	next, err := l.NextAttempt(t.Context(), "shop", "c1", "x", "")
	require.NoError(t, err)
	assert.Equal(t, 2, next)
	require.NoError(t, l.Complete(t.Context(), build.Act{Build: "b1", By: build.Itself}))
	require.ErrorIs(t, l.Complete(t.Context(), build.Act{Build: "b1"}), ledger.ErrMoved)
	hold, state = stateOf(t, l, "b1")
	assert.Equal(t, build.Released, hold)
	assert.Equal(t, build.Queued, state)
}

func TestARolloutThatEndedStaysSo(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	run := build.Rollout{Run: "r1", Project: "shop", Action: "push", Release: "jenkins-shop-1", Version: "v1.0.0", Commit: "c1", Started: at}
	ended := run
	ended.Result, ended.Ended = "ok", at.Add(time.Second)
	for _, r := range []build.Rollout{run, ended, run} { // the first comes again
		require.NoError(t, l.Rollout(t.Context(), r))
	}
	live, err := l.Live(t.Context(), "shop", "")
	require.NoError(t, err)
	assert.Equal(t, build.Live{Project: "shop", Release: "jenkins-shop-1", Version: "v1.0.0", Commit: "c1", Since: ended.Ended}, live)
	live, err = l.Live(t.Context(), "shop", "staging")
	require.NoError(t, err)
	assert.Empty(t, live.Version, "another environment is another fleet")
	stored, err := l.Stored(t.Context(), "shop", "c1")
	require.NoError(t, err)
	assert.Equal(t, "jenkins-shop-1", stored)
}
