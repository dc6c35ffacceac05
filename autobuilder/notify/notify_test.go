package notify_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/notify"
)

var errDown = errors.New("connection refused")

func TestTheStoryOfARelease(t *testing.T) {
	t.Parallel()
	room := &list{}
	s := newStage(t, map[string]notify.Sink{"room": room})
	s.live()
	s.run()
	s.add("b1", newCommit)
	s.move("b1", build.Running, "")
	s.move("b1", build.Failed, "the tests are red")
	s.told()
	assert.Equal(t, []string{
		"shop v1.2.0 waits to be built, pushed by ada",
		"shop v1.2.0 is being built, pushed by ada",
		"shop v1.2.0 failed in 1 setup after 2m0s, pushed by ada",
	}, room.said())
	last := room.messages()[2]
	assert.Equal(t, "b12", last.Ref, "what the place calls the thread")
	assert.Equal(t, "v1.1.0", last.Live.Version)
	assert.Equal(t, build.Failed, last.About.State)
	assert.Equal(t, `shop v1.2.0 failed in 1 setup after 2m0s, pushed by ada
since v1.1.0, which is live:
  2222222222 add a till (Ada)
  and 2 more
the tests are red
  npm: not found
https://github.test/acme/shop/releases/tag/v1.2.0
https://ci.test/builds/b1`, last.Text())

	s.tries("b2", build.Succeeded)
	s.told()
	said := room.said()
	assert.Contains(t, said[len(said)-1], "shop v1.2.0 (to h1 only) is out in production")
}

func TestOneThatIsDownKeepsNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	down := &list{fail: func(notify.Message) error { return errDown }}
	up := &list{}
	s := newStage(t, map[string]notify.Sink{"down": down, "up": up})
	stop := s.run()
	for i := range 10 {
		id := fmt.Sprintf("b%d", i)
		s.add(id, fmt.Sprintf("%040d", i))
		s.move(id, build.Superseded, "")
	}
	require.Eventually(t, func() bool { return len(up.messages()) == 20 }, patient, tick)
	assert.Empty(t, down.messages())
	backlogs, err := s.book.Backlogs(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 20, backlogs[0].Letters)
	assert.Equal(t, errDown.Error(), backlogs[0].Error)

	stop()
	down.fail = nil
	s.run()
	s.told()
	assert.Len(t, down.messages(), 20, "when it is up again it hears all of it")
	assert.Len(t, up.messages(), 20)
}

func TestAThreadKeepsItsOrder(t *testing.T) {
	t.Parallel()
	failed := map[int64]int{}
	room := &list{}
	room.fail = func(m notify.Message) error {
		if failed[m.Seq]++; failed[m.Seq] <= int(m.Seq)%4 {
			return errDown
		}
		return nil
	}
	s := newStage(t, map[string]notify.Sink{"room": room})
	s.run()
	for i := range 8 {
		id := fmt.Sprintf("b%d", i)
		s.add(id, fmt.Sprintf("%040d", i))
		s.move(id, build.Running, "")
		s.move(id, build.Succeeded, "")
	}
	s.told()
	threads := map[string][]build.EventKind{}
	for _, m := range room.messages() {
		threads[m.Thread] = append(threads[m.Thread], m.Kind)
	}
	assert.Len(t, threads, 8)
	for thread, got := range threads {
		assert.Equal(t, []build.EventKind{build.EventQueued, build.EventRunning, build.EventSucceeded}, got, thread)
	}
}

func TestAMessageThatIsRefusedHoldsUpItsOwnThreadOnly(t *testing.T) {
	t.Parallel()
	room := &list{}
	room.fail = func(m notify.Message) error {
		if m.Thread == "b1" {
			return fmt.Errorf("%w: no such channel", notify.ErrRefused)
		}
		return nil
	}
	s := newStage(t, map[string]notify.Sink{"room": room})
	s.run()
	s.add("b1", newCommit)
	s.add("b2", oldCommit)
	s.move("b2", build.Superseded, "")
	require.Eventually(t, func() bool { return len(room.messages()) == 2 }, patient, tick)
	assert.Equal(t, "b2", room.messages()[1].Thread)
}

func TestWhatIsRefusedForADayIsGivenUp(t *testing.T) {
	t.Parallel()
	room := &list{}
	room.fail = func(m notify.Message) error {
		if m.Kind == build.EventQueued {
			return fmt.Errorf("%w: no such channel", notify.ErrRefused)
		}
		return nil
	}
	log := &labtest.Log{}
	s := newStage(t, map[string]notify.Sink{"room": room})
	s.options.Log = textLog(log)
	s.add("b1", newCommit)
	s.move("b1", build.Superseded, "")
	first, err := s.book.Outbox(t.Context(), "room", time.Now(), 1)
	require.NoError(t, err)
	require.NoError(t, s.book.Try(t.Context(), first[0], time.Now().Add(-25*time.Hour)))
	s.run()
	s.told()
	require.Len(t, room.messages(), 1)
	assert.Equal(t, build.EventSuperseded, room.messages()[0].Kind)
	assert.Contains(t, log.String(), "message given up")
}

func TestAPlaceThatWantsToBeLeftAloneIs(t *testing.T) {
	t.Parallel()
	asked := 0
	room := &list{}
	room.fail = func(notify.Message) error {
		if asked++; asked == 1 {
			return &notify.Later{After: 300 * time.Millisecond, Err: errDown}
		}
		return nil
	}
	s := newStage(t, map[string]notify.Sink{"room": room})
	s.add("b1", newCommit)
	s.add("b2", oldCommit)
	s.run()
	s.told()
	assert.Equal(t, 3, asked, "no other thread tried it meanwhile")
}

func TestWhatWasBegunAndNotWrittenAsSentIsInDoubt(t *testing.T) {
	t.Parallel()
	room := &list{}
	s := newStage(t, map[string]notify.Sink{"room": room})
	s.add("b1", newCommit)
	letter, err := s.book.Outbox(t.Context(), "room", time.Now(), 1)
	require.NoError(t, err)
	require.NoError(t, s.book.Try(t.Context(), letter[0], noon)) // and killed
	s.run()
	s.told()
	require.Len(t, room.messages(), 1)
	assert.Equal(t, 1, room.messages()[0].Tries)
	assert.Equal(t, noon, room.messages()[0].Begun)
}

func TestAMessageThatIsOnItsWayArrivesWhenAutobuilderIsStopped(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	room := &list{}
	room.fail = func(notify.Message) error {
		close(begun)
		<-end
		return nil
	}
	s := newStage(t, map[string]notify.Sink{"room": room})
	stop := s.run()
	s.add("b1", newCommit)
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(end)
	<-stopped
	s.told()
	assert.Len(t, room.messages(), 1)
}
