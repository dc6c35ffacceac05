package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

// kinds are those of all events, oldest first.
func kinds(t *testing.T, l *ledger.Ledger) []build.EventKind {
	t.Helper()
	events, err := l.Events(t.Context(), "", 100)
	require.NoError(t, err)
	found := make([]build.EventKind, 0, len(events))
	for i := len(events) - 1; i >= 0; i-- {
		found = append(found, events[i].Kind)
	}
	return found
}

// letters are what a notifier is to send next.
func letters(t *testing.T, l *ledger.Ledger, notifier string) []build.Letter {
	t.Helper()
	found, err := l.Outbox(t.Context(), notifier, time.Now(), 100)
	require.NoError(t, err)
	return found
}

func move(t *testing.T, l *ledger.Ledger, id string, state build.State, why string) {
	t.Helper()
	b, err := l.Build(t.Context(), id)
	require.NoError(t, err)
	from := b.State
	b.State, b.Why = state, why
	require.NoError(t, l.Move(t.Context(), from, b))
}

func TestEveryChangeHasItsEvent(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b1", "c1"))
	_, err := l.Begin(t.Context(), "b1", noon)
	require.NoError(t, err)
	move(t, l, "b1", build.Queued, "not sent")
	_, err = l.Begin(t.Context(), "b1", noon)
	require.NoError(t, err)
	move(t, l, "b1", build.Running, "")
	move(t, l, "b1", build.Running, "a word that changed")
	move(t, l, "b1", build.Failed, "it is broken")
	assert.Equal(t, []build.EventKind{build.EventQueued, build.EventRunning, build.EventFailed}, kinds(t, l),
		"how a build comes to Jenkins is nobody's news")

	events, err := l.Events(t.Context(), "shop", 1)
	require.NoError(t, err)
	require.Len(t, events, 1)
	assert.WithinDuration(t, time.Now(), events[0].At, time.Minute)
	events[0].At = time.Time{}
	assert.Equal(t, build.Event{
		Seq: 3, Kind: build.EventFailed, Project: "shop", Build: "b1", Thread: "b1", By: "ada", Note: "it is broken",
	}, events[0])
}

func TestWhatPeopleDoHasItsEvent(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	b := aBuild("b1", "c1")
	b.State, b.Tag = build.Held, "v2.0.0"
	require.NoError(t, l.Store(t.Context(), delivery("d1")))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{
		Delivery: "d1", Verdict: ledger.Built, Build: "b1", Add: []build.Build{b},
		Hold: []build.Hold{{
			Build: "b1", Project: "shop", Why: "a major", Needed: 1, Since: noon,
			Steps: []build.Item{{N: 1, Kind: build.ItemPerson, Text: "tell support"}},
		}},
	}))
	require.NoError(t, l.Approve(t.Context(), build.Act{Build: "b1", Kind: build.ActApprove, By: "bob", Note: "at last", At: noon}))
	require.NoError(t, l.Advance(t.Context(), ledger.Advance{
		Act:  build.Act{Build: "b1", Step: 1, Kind: build.ActTick, By: "bob", At: noon},
		From: build.ItemTodo, To: build.Item{N: 1, State: build.ItemDone, By: "bob"},
	}))
	require.NoError(t, l.Complete(t.Context(), build.Act{Build: "b1", By: build.Itself, At: noon}))
	assert.Equal(t, []build.EventKind{build.EventHeld, build.EventApproved, build.EventTicked, build.EventQueued}, kinds(t, l))
	events, err := l.Events(t.Context(), "", 3)
	require.NoError(t, err)
	assert.Equal(t, "step 1: tell support", events[1].Note)
	assert.Equal(t, "bob", events[1].By)
}

func TestRolloutsHaveTheirEvents(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	r := build.Rollout{Run: "r1", Project: "shop", Action: "push", Release: "x", Started: noon}
	require.NoError(t, l.Rollout(t.Context(), r))
	require.NoError(t, l.Rollout(t.Context(), r), "deliver may say it twice")
	r.Result, r.Error, r.Ended = "rolled_back", "h1 is ill", noon.Add(time.Minute)
	require.NoError(t, l.Rollout(t.Context(), r))
	require.NoError(t, l.Rollout(t.Context(), r))
	assert.Equal(t, []build.EventKind{build.EventDelivering, build.EventUndone}, kinds(t, l))
}

func TestNoEventOfWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b1", "c1"))
	require.NoError(t, l.Store(t.Context(), delivery("d2")))
	err := l.Decide(t.Context(), ledger.Decision{
		Delivery: "d2", Verdict: ledger.Built, Build: "b3", Add: []build.Build{aBuild("b2", "c2"), aBuild("b3", "c1")},
	})
	require.ErrorIs(t, err, ledger.ErrMoved)
	assert.Equal(t, []build.EventKind{build.EventQueued}, kinds(t, l))
}

func TestEachNotifierHasItsOwnLetters(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	built(t, l, aBuild("b0", "c0"))
	require.NoError(t, l.Tell(t.Context(), map[string]build.Order{"room": build.ByThread, "pager": build.ByProject}))
	built(t, l, aBuild("b1", "c1"))
	move(t, l, "b1", build.Superseded, "")
	built(t, l, aBuild("b2", "c2"))

	room := letters(t, l, "room")
	require.Len(t, room, 2, "of each thread the oldest; what was before it was told of is nobody's")
	assert.Equal(t, "b1", room[0].Build)
	assert.Equal(t, build.EventQueued, room[0].Kind)
	assert.Equal(t, "b2", room[1].Build)

	require.NoError(t, l.Try(t.Context(), room[0], noon))
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	require.NoError(t, l.Delay(t.Context(), room[0], later, "it is down"))
	assert.Len(t, letters(t, l, "room"), 1, "the thread waits, and keeps its order")
	backlogs, err := l.Backlogs(t.Context())
	require.NoError(t, err)
	require.Len(t, backlogs, 2)
	assert.Equal(t, "room", backlogs[1].Notifier)
	assert.Equal(t, 3, backlogs[1].Letters)
	assert.Equal(t, "it is down", backlogs[1].Error)
	assert.Equal(t, 1, backlogs[1].Tries)
	assert.Equal(t, later, backlogs[1].Next)
	assert.Zero(t, backlogs[0].Tries)
	assert.Zero(t, backlogs[0].Next)

	require.NoError(t, l.Delay(t.Context(), room[0], noon, "it is up"))
	again := letters(t, l, "room")[0]
	assert.Equal(t, 1, again.Tries)
	assert.Equal(t, noon, again.Begun)
	require.NoError(t, l.Sent(t.Context(), again, "thread 7"))
	next := letters(t, l, "room")[0]
	assert.Equal(t, build.EventSuperseded, next.Kind)
	assert.Equal(t, "thread 7", next.Ref)
	assert.Zero(t, next.Tries)
	pager := letters(t, l, "pager")
	require.Len(t, pager, 1, "all of the project in its order")
	assert.Empty(t, pager[0].Ref, "it is the other's")
	require.NoError(t, l.Sent(t.Context(), pager[0], "incident"))
	pager = letters(t, l, "pager")
	assert.Equal(t, build.EventSuperseded, pager[0].Kind)
	assert.Equal(t, "incident", pager[0].Ref)
	require.NoError(t, l.Sent(t.Context(), pager[0], "incident"))
	pager = letters(t, l, "pager")
	assert.Equal(t, "b2", pager[0].Build)
	assert.Empty(t, pager[0].Ref, "another release is another thread")
}

func TestOldEventsAreForgottenOnceTheyAreTold(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	require.NoError(t, l.Tell(t.Context(), map[string]build.Order{"room": build.ByThread}))
	built(t, l, aBuild("b1", "c1"))
	built(t, l, aBuild("b2", "c2"))
	require.NoError(t, l.Sent(t.Context(), letters(t, l, "room")[0], "x"))
	require.NoError(t, l.Forget(t.Context(), time.Now().Add(time.Hour)))
	events, err := l.Events(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, events, 1)
	assert.Equal(t, "b2", events[0].Build)

	require.NoError(t, l.Tell(t.Context(), nil))
	assert.Empty(t, letters(t, l, "room"), "nobody sends them any more")
}
