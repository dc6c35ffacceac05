package ledger_test

import (
	"context"
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

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

func open(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

func fresh(t *testing.T) *ledger.Ledger {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "made for it", "ledger.db"))
}

func delivery(id string) build.Delivery {
	return build.Delivery{
		ID: id, Event: "push", Received: noon, Body: []byte(`{"ref":"refs/heads/master"}`),
		Push: build.Push{Repo: "acme/shop", Ref: "refs/heads/master", Commit: "c-" + id, Pusher: "ada", Message: "add a till"},
	}
}

func aBuild(id, commit string) build.Build {
	return build.Build{
		ID: id, Project: "shop", Job: "shop", Commit: commit, Attempt: 1, Branch: "master",
		By: "ada", Message: "add a till", State: build.Queued, Created: noon,
	}
}

// built stores a delivery and decides that the build is made for it.
func built(t *testing.T, l *ledger.Ledger, b build.Build) {
	t.Helper()
	require.NoError(t, l.Store(t.Context(), delivery("for "+b.ID)))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{
		Delivery: "for " + b.ID, Verdict: ledger.Built, Why: "pushed", Build: b.ID, Add: []build.Build{b},
	}))
}

func TestADeliveryIsThereAfterItIsStored(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, l.Store(t.Context(), delivery("d1")))
	require.NoError(t, l.Close())

	got, err := open(t, path).Delivery(t.Context(), "d1")
	require.NoError(t, err)
	assert.Equal(t, delivery("d1"), got)
}

func TestARedeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	require.NoError(t, l.Store(t.Context(), delivery("d1")))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{Delivery: "d1", Verdict: ledger.Ignored, Why: "no project"}))
	again := delivery("d1")
	again.Push.Ref = "refs/heads/other"
	require.NoError(t, l.Store(t.Context(), again))

	pending, err := l.Pending(t.Context(), "acme/shop")
	require.NoError(t, err)
	assert.Empty(t, pending)
	fates, err := l.Fates(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, fates, 1)
	assert.Equal(t, build.Fate{
		Delivery: "d1", Event: "push", Repo: "acme/shop", Ref: "refs/heads/master", Commit: "c-d1", By: "ada",
		Received: noon, Verdict: ledger.Ignored, Why: "no project",
	}, fates[0])
}

func TestPendingKeepsTheOrderOfEachRepository(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	for _, id := range []string{"d1", "d2", "d3"} {
		require.NoError(t, l.Store(t.Context(), delivery(id)))
	}
	other := delivery("d4")
	other.Push.Repo = "acme/till"
	require.NoError(t, l.Store(t.Context(), other))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{Delivery: "d2", Verdict: ledger.Ignored}))

	pending, err := l.Pending(t.Context(), "Acme/Shop") // GitHub's names know no case
	require.NoError(t, err)
	require.Len(t, pending, 2)
	assert.Equal(t, "d1", pending[0].ID)
	assert.Equal(t, "d3", pending[1].ID)
	assert.Equal(t, delivery("d3").Push, pending[1].Push)
	repos, err := l.PendingRepos(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"acme/shop", "acme/till"}, repos)
}

func TestWaitSaysWhatADeliveryWaitsFor(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	require.NoError(t, l.Store(t.Context(), delivery("d1")))
	require.NoError(t, l.Wait(t.Context(), "d1", "git does not answer"))
	fate, err := l.Fate(t.Context(), "d1")
	require.NoError(t, err)
	assert.Equal(t, ledger.Pending, fate.Verdict)
	assert.Equal(t, "git does not answer", fate.Why)
}

func TestADecisionIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b1", "c1"))
	require.NoError(t, l.Store(t.Context(), delivery("d2")))

	// The commit has its build: a second one for the same attempt is refused,
	// and with it all the rest of the decision.
	err := l.Decide(t.Context(), ledger.Decision{
		Delivery: "d2", Verdict: ledger.Built, Build: "b3",
		Add:       []build.Build{aBuild("b2", "c2"), aBuild("b3", "c1")},
		Supersede: []string{"shop"}, SupersededBy: "by c2",
	})
	require.ErrorIs(t, err, ledger.ErrMoved)
	builds, err := l.Builds(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, builds, 1)
	assert.Equal(t, aBuild("b1", "c1"), builds[0])
	fate, err := l.Fate(t.Context(), "d2")
	require.NoError(t, err)
	assert.Equal(t, ledger.Pending, fate.Verdict)
}

func TestADeliveryIsDecidedOnce(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b1", "c1"))
	err := l.Decide(t.Context(), ledger.Decision{
		Delivery: "for b1", Verdict: ledger.Built, Build: "b2", Add: []build.Build{aBuild("b2", "c2")},
	})
	require.ErrorIs(t, err, ledger.ErrMoved)
	_, err = l.Build(t.Context(), "b2")
	require.ErrorIs(t, err, build.ErrUnknown)
}

func TestANewerBuildSupersedesOnlyWhatWaits(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b1", "c1"))
	_, err := l.Begin(t.Context(), "b1", noon)
	require.NoError(t, err)
	built(t, l, aBuild("b2", "c2"))
	other := aBuild("b3", "c3")
	other.Project = "till"
	built(t, l, other)
	require.NoError(t, l.Store(t.Context(), delivery("d4")))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{
		Delivery: "d4", Verdict: ledger.Built, Build: "b4", Add: []build.Build{aBuild("b4", "c4")},
		Supersede: []string{"shop"}, SupersededBy: "master moved on to c4",
	}))

	states := map[string]build.State{}
	builds, err := l.Builds(t.Context(), "", 10)
	require.NoError(t, err)
	for _, b := range builds {
		states[b.ID] = b.State
	}
	assert.Equal(t, map[string]build.State{
		"b1": build.Triggered, "b2": build.Superseded, "b3": build.Queued, "b4": build.Queued,
	}, states)
	dropped, err := l.Build(t.Context(), "b2")
	require.NoError(t, err)
	assert.Equal(t, "master moved on to c4", dropped.Why)
	_, err = l.Begin(t.Context(), "b2", noon)
	require.ErrorIs(t, err, ledger.ErrMoved, "what is superseded must not be sent")
}

func TestABuildIsBegunWithTheTagThatItHasThen(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	b := aBuild("b1", "c1")
	built(t, l, b)
	b.Tag, b.Version = "v1.2.0", "v1.2.0"
	require.NoError(t, l.Store(t.Context(), delivery("tag")))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{Delivery: "tag", Verdict: ledger.Joined, Build: "b1", Retag: []build.Build{b}}))

	begun, err := l.Begin(t.Context(), "b1", noon)
	require.NoError(t, err)
	assert.Equal(t, "v1.2.0", begun.Params()["TAG"])
	assert.Equal(t, noon, begun.Triggered)
	fates, err := l.FatesOf(t.Context(), "b1")
	require.NoError(t, err)
	assert.Len(t, fates, 2)

	b.Tag = "v1.3.0"
	require.NoError(t, l.Store(t.Context(), delivery("late")))
	err = l.Decide(t.Context(), ledger.Decision{Delivery: "late", Verdict: ledger.Joined, Build: "b1", Retag: []build.Build{b}})
	require.ErrorIs(t, err, ledger.ErrMoved, "what was sent keeps its tag")
}

func TestMoveWritesOnlyFromTheStateThatIsThere(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b1", "c1"))
	begun, err := l.Begin(t.Context(), "b1", noon)
	require.NoError(t, err)
	running := begun
	running.State, running.Number, running.URL = build.Running, 7, "http://ci/job/shop/7/"
	running.Accepted, running.Taken, running.Started = true, 1, noon.Add(time.Second)
	require.NoError(t, l.Move(t.Context(), build.Triggered, running))
	require.ErrorIs(t, l.Move(t.Context(), build.Triggered, begun), ledger.ErrMoved)

	got, err := l.Numbered(t.Context(), "shop", 7)
	require.NoError(t, err)
	assert.Equal(t, running, got)
	open, err := l.Open(t.Context(), "shop")
	require.NoError(t, err)
	assert.Equal(t, []build.Build{running}, open)
	over := running
	over.State, over.Ended, over.Why = build.Failed, noon.Add(time.Minute), "tests"
	require.NoError(t, l.Move(t.Context(), build.Running, over))
	open, err = l.Open(t.Context(), "shop")
	require.NoError(t, err)
	assert.Empty(t, open)
}

func TestTheLastAttemptSpeaksForACommit(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b1", "c1"))
	second := aBuild("b2", "c1")
	second.Attempt = 2
	built(t, l, second)
	got, err := l.Of(t.Context(), "shop", "c1", "")
	require.NoError(t, err)
	assert.Equal(t, "b2", got.ID)
	_, err = l.Of(t.Context(), "till", "c1", "")
	require.ErrorIs(t, err, build.ErrUnknown)
	names, err := l.OpenProjects(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"shop"}, names)
}

func TestBuildsComeNewestFirst(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	for i := range 5 {
		built(t, l, aBuild(fmt.Sprintf("b%d", i), fmt.Sprintf("c%d", i)))
	}
	other := aBuild("x", "c")
	other.Project = "till"
	built(t, l, other)
	builds, err := l.Builds(t.Context(), "shop", 2)
	require.NoError(t, err)
	require.Len(t, builds, 2)
	assert.Equal(t, "b4", builds[0].ID)
	assert.Equal(t, "b3", builds[1].ID)
	fates, err := l.Fates(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, fates, 3)
	assert.Equal(t, "for x", fates[0].Delivery)
}

func TestWhatIsNotThereIsUnknown(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	_, err := l.Delivery(t.Context(), "d1")
	require.ErrorIs(t, err, build.ErrUnknown)
	_, err = l.Fate(t.Context(), "d1")
	require.ErrorIs(t, err, build.ErrUnknown)
	_, err = l.Numbered(t.Context(), "shop", 1)
	require.ErrorIs(t, err, build.ErrUnknown)
	newest, err := l.Newest(t.Context())
	require.NoError(t, err)
	assert.Zero(t, newest)
}

func TestManyWritersOfSeveralHandlesWaitForEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	var opening errgroup.Group
	handles := make([]*ledger.Ledger, 3)
	for i := range handles {
		opening.Go(func() (err error) {
			handles[i], err = ledger.Open(t.Context(), path) // all of them want to make the schema
			return err
		})
	}
	require.NoError(t, opening.Wait())
	var writing errgroup.Group
	for i, l := range handles {
		t.Cleanup(func() { assert.NoError(t, l.Close()) })
		for j := range 20 {
			writing.Go(func() error { return l.Store(context.Background(), delivery(fmt.Sprintf("d%d-%d", i, j))) })
		}
	}
	require.NoError(t, writing.Wait())
	fates, err := handles[0].Fates(t.Context(), 100)
	require.NoError(t, err)
	assert.Len(t, fates, 60)
}

func TestAFileThatIsNoLedgerIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	require.NoError(t, os.WriteFile(path, []byte("a text that somebody saved under the ledger's name, long enough to be looked at"), 0o600))
	_, err := ledger.Open(t.Context(), path)
	require.ErrorContains(t, err, path)
}

func TestALedgerOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	sqlite, err := exec.LookPath("sqlite3")
	if err != nil {
		labtest.Lacks(t, "the program sqlite3")
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	out, err := exec.CommandContext(t.Context(), sqlite, path, "PRAGMA user_version = 999").CombinedOutput()
	require.NoError(t, err, string(out))
	_, err = ledger.Open(t.Context(), path)
	require.ErrorContains(t, err, "a newer autobuilder made it (schema 999")
}

func TestAPathWithOddCharactersIsOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "50% of ?#&ä", "ledger.db")
	require.NoError(t, open(t, path).Store(t.Context(), delivery("d1")))
	_, err := os.Stat(path)
	require.NoError(t, err)
}
