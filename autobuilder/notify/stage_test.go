package notify_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
	"autobuilder/notify"
)

const (
	patient = 60 * time.Second
	tick    = 10 * time.Millisecond
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	oldCommit = "1111111111111111111111111111111111111111"
	newCommit = "2222222222222222222222222222222222222222"
)

// stage is a ledger in which things happen, and those who are told.
type stage struct {
	t       *testing.T
	book    *ledger.Ledger
	options notify.Options
}

func newStage(t *testing.T, sinks map[string]notify.Sink) *stage {
	t.Helper()
	book, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, book.Close()) })
	s := &stage{t: t, book: book, options: options(book, sinks)}
	s.names()
	return s
}

// names lets the ledger know who is told, as the first Run does.
func (s *stage) names() {
	s.t.Helper()
	orders := map[string]build.Order{}
	for name, sink := range s.options.Sinks {
		orders[name] = sink.Order()
	}
	require.NoError(s.t, s.book.Tell(s.t.Context(), orders))
}

func options(book *ledger.Ledger, sinks map[string]notify.Sink) notify.Options {
	p := build.Project{Name: "shop", Repo: "acme/shop", Env: map[string]string{"DELIVER_ENV": "production"}, Site: "https://shop.test"}
	p.Defaults()
	log := slog.New(slog.DiscardHandler)
	return notify.Options{
		Outbox: book, Sinks: sinks, Every: 20 * time.Millisecond, Log: log,
		Write: notify.Writer{
			Facts: book, Projects: []build.Project{p}, URL: "https://ci.test", Hub: "https://github.test", Log: log,
			Changes: func(context.Context, build.Project, string, string, int) ([]build.Commit, int, error) {
				return []build.Commit{{ID: newCommit, Author: "Ada", Subject: "add a till"}}, 3, nil
			},
			Console: func(context.Context, build.Build) (string, error) {
				return "===== 12:00:00.000 checkout\nok\n===== 12:00:01.000 1 setup\n\x1b[31mnpm: not found\x1b[0m\n", nil
			},
		},
	}
}

// run tells until the test, or what it returns, ends it.
func (s *stage) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- notify.Run(ctx, s.options) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(s.t, <-done)
	})
	s.t.Cleanup(stop)
	return stop
}

func (s *stage) add(id, commit string, change ...func(*build.Build)) {
	s.t.Helper()
	b := build.Build{
		ID: id, Project: "shop", Job: "shop", Commit: commit, Attempt: 1, Branch: "master", Tag: "v1.2.0", Version: "v1.2.0",
		By: "ada", Message: "add a till", State: build.Queued, Created: noon,
	}
	for _, c := range change {
		c(&b)
	}
	require.NoError(s.t, s.book.Store(s.t.Context(), build.Delivery{ID: "for " + id, Event: "push", Received: noon}))
	require.NoError(s.t, s.book.Decide(s.t.Context(), ledger.Decision{
		Delivery: "for " + id, Verdict: ledger.Built, Build: id, Add: []build.Build{b},
	}))
}

// move takes a build on, as the dispatcher does.
func (s *stage) move(id string, state build.State, why string) {
	s.t.Helper()
	b, err := s.book.Build(s.t.Context(), id)
	require.NoError(s.t, err)
	from := b.State
	b.State, b.Why = state, why
	switch {
	case state == build.Running:
		b.Number, b.Started = 7, noon
	case state.Final():
		b.Ended = noon.Add(2 * time.Minute)
	}
	require.NoError(s.t, s.book.Move(s.t.Context(), from, b))
}

// live lets a build before all others be what is on the servers.
func (s *stage) live() {
	s.t.Helper()
	s.add("b0", oldCommit, func(b *build.Build) { b.Tag, b.Version, b.Created = "v1.1.0", "v1.1.0", noon.Add(-time.Hour) })
	require.NoError(s.t, s.book.Rollout(s.t.Context(), build.Rollout{
		Run: "r0", Build: "b0", Project: "shop", Environment: "production", Action: "push", Release: "x", Version: "v1.1.0", Commit: oldCommit,
		Result: "ok", Started: noon.Add(-time.Hour), Ended: noon.Add(-time.Hour),
	}))
	require.NoError(s.t, s.book.Tell(s.t.Context(), nil)) // nobody is told of it
	s.names()
}

// told waits until nothing is left to be told.
func (s *stage) told() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		backlogs, err := s.book.Backlogs(s.t.Context())
		for _, b := range backlogs {
			if err != nil || b.Letters > 0 {
				return false
			}
		}
		return err == nil
	}, patient, tick, "all is told")
}

// request is one that a fake place got.
type request struct {
	path   string
	header http.Header
	body   []byte
}

// endpoint is a place on the web that is told.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	got    []request
	answer func(n int) (status int, header http.Header) // nil: 202
}

func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = append(e.got, request{r.URL.Path, r.Header, body})
	status := http.StatusAccepted
	if e.answer != nil {
		var header http.Header
		status, header = e.answer(len(e.got))
		for name := range header {
			w.Header().Set(name, header.Get(name))
		}
	}
	w.WriteHeader(status)
	fmt.Fprint(w, `{"status":"x"}`)
}

func (e *endpoint) requests() []request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]request{}, e.got...)
}

// list is a sink that remembers, and fails as a test wants.
type list struct {
	mu   sync.Mutex
	got  []notify.Message
	fail func(m notify.Message) error
}

func (l *list) Order() build.Order { return build.ByThread }

func (l *list) Send(_ context.Context, m notify.Message) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		if err := l.fail(m); err != nil {
			return "", err
		}
	}
	l.got = append(l.got, m)
	return fmt.Sprintf("%s%d", m.Thread, len(l.got)), nil
}

func (l *list) messages() []notify.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]notify.Message{}, l.got...)
}

// said are the headlines that came.
func (l *list) said() []string {
	var all []string
	for _, m := range l.messages() {
		all = append(all, m.Headline())
	}
	return all
}

func consoleOf(text string) func(context.Context, build.Build) (string, error) {
	return func(context.Context, build.Build) (string, error) { return text, nil }
}

func changesOf(c build.Commit) func(context.Context, build.Project, string, string, int) ([]build.Commit, int, error) {
	return func(context.Context, build.Project, string, string, int) ([]build.Commit, int, error) {
		return []build.Commit{c}, 1, nil
	}
}
