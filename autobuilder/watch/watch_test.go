package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/ledger"
	"autobuilder/notify"
	"autobuilder/watch"
)

const (
	patient = 60 * time.Second
	tick    = 10 * time.Millisecond
)

// stage is a project whose releases are watched with a monitor of the test's.
type stage struct {
	t       *testing.T
	book    *ledger.Ledger
	options watch.Options
	answer  atomic.Pointer[string] // what the monitor says; nil: it is down
	badly   atomic.Int64           // so many answers are bad before those
	woken   atomic.Int64
}

func newStage(t *testing.T, change func(*build.Watch)) *stage {
	t.Helper()
	book, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, book.Close()) })
	s := &stage{t: t, book: book}
	monitor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := s.answer.Load()
		if s.badly.Add(-1) >= 0 {
			fmt.Fprint(w, bad)
			return
		}
		if text == nil {
			http.Error(w, "out of memory", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, *text)
	}))
	t.Cleanup(monitor.Close)
	p := build.Project{Name: "shop", Repo: "acme/shop", Watch: build.Watch{
		For: time.Hour, Every: tick, Failures: 2, Prometheus: monitor.URL, Query: "errors > 1",
	}}
	if change != nil {
		change(&p.Watch)
	}
	if p.Watch.Graphite == nowhere {
		p.Watch.Graphite = monitor.URL
	}
	p.Defaults()
	require.NoError(t, p.Validate())
	s.options = watch.Options{
		Book: book, Projects: []build.Project{p}, Look: tick, Log: slog.New(slog.DiscardHandler), Wake: func() { s.woken.Add(1) },
	}
	return s
}

func (s *stage) says(text string) { s.answer.Store(&text) }

// run watches until the test, or what it returns, ends it.
func (s *stage) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- watch.New(s.options).Run(ctx) }()
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cancel()
			assert.NoError(s.t, <-done)
		}
	}
	s.t.Cleanup(stop)
	return stop
}

// out puts a release on the servers, and has it told of.
func (s *stage) out(id, commit string, change ...func(*build.Build)) {
	s.t.Helper()
	b := build.Build{
		ID: id, Project: "shop", Job: "shop", Commit: commit, Attempt: 1, Branch: "master", Tag: "v-" + id, Version: "v1.0." + id[1:],
		By: "ada", State: build.Queued, Created: time.Now(),
	}
	for _, c := range change {
		c(&b)
	}
	require.NoError(s.t, s.book.Store(s.t.Context(), build.Delivery{ID: "for " + id, Event: "push", Received: time.Now()}))
	require.NoError(s.t, s.book.Decide(s.t.Context(), ledger.Decision{Delivery: "for " + id, Verdict: ledger.Built, Build: id, Add: []build.Build{b}}))
	after := b
	after.State, after.Ended = build.Succeeded, time.Now()
	require.NoError(s.t, s.book.Move(s.t.Context(), build.Queued, after))
	_, err := watch.New(s.options).Send(s.t.Context(), notify.Message{
		Letter:  build.Letter{Event: build.Event{Kind: build.EventSucceeded, Project: "shop", Build: id}},
		Project: s.options.Projects[0], About: after,
	})
	require.NoError(s.t, err)
}

// why is the word that the history has of a build.
func (s *stage) why(id string) string {
	s.t.Helper()
	b, err := s.book.Build(s.t.Context(), id)
	require.NoError(s.t, err)
	return b.Why
}

// hears waits for an event of the kind, and gives its words.
func (s *stage) hears(kind build.EventKind) string {
	s.t.Helper()
	var note string
	require.Eventually(s.t, func() bool {
		events, err := s.book.Events(s.t.Context(), "", 100)
		for _, e := range events {
			if err == nil && e.Kind == kind {
				note = e.Note
				return true
			}
		}
		return false
	}, patient, tick, "people are told: %s", kind)
	return note
}

const (
	bad  = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}`
	good = `{"status":"success","data":{"resultType":"vector","result":[]}}`
)

func TestABadReleaseIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.says(good)
	s.out("b1", "c1", func(b *build.Build) { b.By = build.Itself }) // is not watched
	s.out("b2", "c2")
	s.run()
	s.says(bad)
	assert.Equal(t, "errors > 1 is 7; back to v1.0.1", s.hears(build.EventWithdrawn))
	d, err := s.book.Delivery(t.Context(), "watch-b2")
	require.NoError(t, err)
	assert.Equal(t, build.Trigger, d.Event)
	assert.Equal(t, build.Push{Repo: "acme/shop", Project: "shop", Ref: "c1", Pusher: build.Itself, Back: true}, d.Push)
	pending, err := s.book.Pending(t.Context(), "acme/shop")
	require.NoError(t, err)
	assert.Len(t, pending, 1)
	require.Eventually(t, func() bool { return s.woken.Load() == 1 }, patient, tick)
	open, err := s.book.Watched(t.Context())
	require.NoError(t, err)
	assert.Empty(t, open)
	before, err := s.book.Before(t.Context(), "shop", "", "c1", time.Now())
	require.NoError(t, err)
	assert.Empty(t, before.Commit, "what was taken back is nothing to go back to")
	ran, err := s.book.Replaced(t.Context(), "shop", "", "c1", time.Now())
	require.NoError(t, err)
	assert.Equal(t, "c2", ran.Commit, "but it is what ran")
	assert.Equal(t, "taken back: errors > 1 is 7; back to v1.0.1", s.why("b2"))
}

func TestOneBadAnswerIsNone(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(w *build.Watch) { w.For = 2 * time.Second })
	s.badly.Store(1)
	s.says(good)
	s.out("b1", "c1", func(b *build.Build) { b.By = build.Itself })
	s.out("b2", "c2")
	s.run()
	assert.Contains(t, s.hears(build.EventStays), "nothing bad in 2s, asked ")
}

func TestAMonitorThatIsDownTakesNothingBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(w *build.Watch) { w.For = time.Second })
	s.out("b1", "c1")
	s.run()
	assert.Equal(t, "the monitor did not answer in 1s: ask prometheus: 503 Service Unavailable: out of memory\n", s.hears(build.EventUnjudged))
}

func TestTheFirstReleaseStaysHoweverBad(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.says(bad)
	s.out("b1", "c1")
	s.run()
	assert.Equal(t, "errors > 1 is 7; it stays, as nothing ran before it", s.hears(build.EventBad))
	assert.Equal(t, "bad: errors > 1 is 7; it stays, as nothing ran before it", s.why("b1"))
}

func TestANewerReleaseEndsTheWatch(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.says(good)
	s.out("b1", "c1")
	s.out("b2", "c2", func(b *build.Build) { b.Only = "h1" }) // is not watched, and replaces nothing
	open, err := s.book.Watched(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 1)
	live, err := s.book.Live(t.Context(), "shop", "")
	require.NoError(t, err)
	assert.Equal(t, "c1", live.Commit)
	s.out("b3", "c3", func(b *build.Build) { b.Release = "a stored one" }) // is not watched
	s.run()
	require.Eventually(t, func() bool {
		open, err := s.book.Watched(t.Context())
		return err == nil && len(open) == 0
	}, patient, tick)
	events, err := s.book.Events(t.Context(), "", 1)
	require.NoError(t, err)
	assert.NotContains(t, []build.EventKind{build.EventStays, build.EventWithdrawn}, events[0].Kind)
}

func TestAWatchOutlivesAutobuilder(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(w *build.Watch) { w.Failures = 1000 })
	s.says(bad)
	s.out("b1", "c1", func(b *build.Build) { b.By = build.Itself })
	s.out("b2", "c2")
	stop := s.run()
	counted := func(n int) func() bool {
		return func() bool {
			open, err := s.book.Watched(t.Context())
			return err == nil && len(open) == 1 && open[0].Bad >= n
		}
	}
	require.Eventually(t, counted(3), patient, tick)
	stop()
	open, err := s.book.Watched(t.Context())
	require.NoError(t, err)
	s.options.Projects[0].Watch.Failures = open[0].Bad + 1
	s.run()
	s.hears(build.EventWithdrawn) // the answers before count
}

// nowhere is a Graphite that the test's monitor stands in for.
const nowhere = "http://graphite.test"

func TestARealGraphiteIsAsked(t *testing.T) {
	t.Parallel()
	carbon, limit := labtest.StartCarbon(t), 5.0
	web := carbon.Web()
	s := newStage(t, func(w *build.Watch) {
		w.Prometheus, w.Graphite, w.Query, w.Above = "", web, "sumSeries(shop.*.errors)", &limit
	})
	carbon.Write("shop.h1.errors", 2)
	carbon.Write("shop.h2.errors", 1)
	s.out("b1", "c1", func(b *build.Build) { b.By = build.Itself })
	s.out("b2", "c2")
	s.run()
	require.Eventually(t, func() bool {
		open, err := s.book.Watched(t.Context())
		return err == nil && len(open) == 1 && open[0].Answers > 0 && open[0].Bad == 0
	}, patient, tick, "it is well")
	carbon.Write("shop.h2.errors", 7)
	assert.Regexp(t, `sumSeries\(shop\.\*\.errors\) is [79], above 5; back to v1\.0\.1`, s.hears(build.EventWithdrawn))
}

func TestGraphite(t *testing.T) {
	t.Parallel()
	limit := 5.0
	graphite := func(w *build.Watch) {
		w.Prometheus, w.Graphite, w.Query, w.Above = "", nowhere, "errors", &limit
	}
	s := newStage(t, graphite)
	s.says(`[{"target":"errors","datapoints":[[9,1],[4.5,2],[null,3]]}]`)
	s.out("b1", "c1", func(b *build.Build) { b.By = build.Itself })
	s.out("b2", "c2")
	s.run()
	require.Eventually(t, func() bool {
		open, err := s.book.Watched(t.Context())
		return err == nil && len(open) == 1 && open[0].Answers > 3 && open[0].Bad == 0
	}, patient, tick, "the newest value counts")
	s.says(`[{"target":"errors","datapoints":[[1,1],[5.5,2],[null,3]]}]`)
	assert.Equal(t, "errors is 5.5, above 5; back to v1.0.1", s.hears(build.EventWithdrawn))

	s = newStage(t, func(w *build.Watch) { graphite(w); w.For = time.Second })
	s.says(`[{"target":"errors","datapoints":[[null,3]]}]`)
	s.out("b1", "c1")
	s.run()
	assert.Contains(t, s.hears(build.EventUnjudged), "there is no value in the last five minutes")
}
