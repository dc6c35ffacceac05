package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/web"
)

var pushed = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// shelf is a ledger in memory.
type shelf struct {
	mu     sync.Mutex
	builds []build.Build // newest first
	fates  []build.Fate
	locks  []build.Lock

	backlogs []build.Backlog
	watched  []build.Watching

	err     error
	version int64
}

func (s *shelf) Builds(_ context.Context, project string, limit int) ([]build.Build, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []build.Build
	for _, b := range s.builds {
		if (project == "" || b.Project == project) && len(found) < limit {
			found = append(found, b)
		}
	}
	return found, s.err
}

func (s *shelf) Build(_ context.Context, id string) (build.Build, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.builds {
		if b.ID == id {
			return b, s.err
		}
	}
	return build.Build{}, build.ErrUnknown
}

func (s *shelf) Fates(_ context.Context, limit int) ([]build.Fate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fates[:min(limit, len(s.fates))], s.err
}

func (s *shelf) Older(context.Context, string, string, int) ([]build.Build, error) { return nil, s.err }

func (s *shelf) FatesOf(context.Context, string) ([]build.Fate, error) { return nil, s.err }

func (s *shelf) Fate(context.Context, string) (build.Fate, error) { return build.Fate{}, s.err }

func (s *shelf) Search(_ context.Context, word string, _ int) ([]build.Fate, error) {
	var found []build.Fate
	for _, f := range s.fates {
		if strings.HasPrefix(f.Commit, word) {
			found = append(found, f)
		}
	}
	return found, s.err
}

func (s *shelf) RolloutsOf(context.Context, string) ([]build.Rollout, error) { return nil, s.err }

func (s *shelf) Locks(context.Context) ([]build.Lock, error) { return s.locks, s.err }

func (s *shelf) Watched(context.Context) ([]build.Watching, error) { return s.watched, s.err }

func (s *shelf) Backlogs(context.Context) ([]build.Backlog, error) {
	return slices.Clone(s.backlogs), s.err
}

func (s *shelf) Undecided(context.Context) (int, error) { return 3, s.err }

func (s *shelf) Version(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, nil
}

func (s *shelf) begin(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.builds {
		if s.builds[i].ID == id {
			s.builds[i].State, s.builds[i].Number = build.Running, 1
		}
	}
}

func (s *shelf) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
}

func (s *shelf) end(id string, state build.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.builds {
		if s.builds[i].ID == id {
			s.builds[i].State = state
		}
	}
}

// tape is a console that grows.
type tape struct {
	mu   sync.Mutex
	text []byte
	more bool
	err  error
}

// close says that nothing more comes.
func (t *tape) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.more = false
}

func (t *tape) write(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, s...)
}

func (t *tape) read(_ context.Context, _ string, _, offset int64) ([]byte, int64, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return nil, 0, false, t.err
	}
	offset = min(offset, int64(len(t.text)))
	return append([]byte(nil), t.text[offset:]...), int64(len(t.text)), t.more, nil
}

func stock() *shelf {
	return &shelf{
		builds: []build.Build{
			{
				ID: "b3", Project: "shop", Job: "shop", Commit: "cccccccccccccccccccc", Branch: "master", Tag: "v1.2.0", Version: "v1.2.0",
				By: "octocat", Message: "answer <b>500</b>", State: build.Failed, Why: "deliver took it back", Number: 3,
				URL: "http://127.0.0.1:1/job/shop/3/", Created: pushed.Add(2 * time.Hour), Started: pushed.Add(2 * time.Hour), Ended: pushed.Add(2*time.Hour + 9*time.Second),
			},
			{
				ID: "b2", Project: "shop", Job: "shop", Commit: "bbbbbbbbbbbbbbbbbbbb", Branch: "master", Tag: "v1.1.0", Version: "v1.1.0",
				By: "octocat", State: build.Succeeded, Number: 2, Created: pushed.Add(time.Hour), Ended: pushed.Add(time.Hour + 7*time.Second),
			},
			{ID: "b1", Project: "shop", Job: "shop", Commit: "aaaaaaaaaaaaaaaaaaaa", Branch: "master", State: build.Succeeded, Number: 1, Created: pushed},
		},
		fates: []build.Fate{
			{Delivery: "d2", Event: "push", Repo: "acme/shop", Ref: "refs/tags/v1.2.0", Commit: "cccccccccccccccccccc", By: "octocat", Received: pushed, Verdict: "joined", Why: "the same release as build b3", Build: "b3"},
			{Delivery: "d1", Event: "push", Repo: "acme/<other>", Ref: "refs/heads/topic", Received: pushed, Verdict: "ignored", Why: "no project has this repository"},
		},
	}
}

// open serves the page over ledger and console until the test ends.
func open(t *testing.T, ledger web.Ledger, console web.Console) *httptest.Server {
	t.Helper()
	h, err := web.New(t.Context(), web.Options{
		Projects: func() []build.Project {
			return []build.Project{{Name: "shop", Repo: "acme/shop", Branch: "master"}, {Name: "empty", Repo: "acme/empty", Branch: "main"}}
		},
		Ledger: ledger, People: &crew{live: []build.Live{{Project: "shop", Version: "v1.1.0", Since: pushed}}}, Desk: desk(),
		Console: console, Log: slog.New(slog.DiscardHandler), Poll: time.Millisecond,
	})
	require.NoError(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(body)
}

func TestPages(t *testing.T) {
	console := &tape{text: []byte("+ ./app setup\n<script>alert(1)</script>\n")}
	server := open(t, stock(), console.read)
	for _, c := range []struct {
		path, name string
		status     int
		has, not   []string
	}{
		{
			path: "/", name: "the board has the last good version, and what went wrong since", status: 200,
			has: []string{"<strong>v1.1.0</strong>", "failed", "v1.2.0", "deliver took it back", "answer &lt;b&gt;500"}, not: []string{"<b>500"},
		},
		{path: "/projects/shop", name: "a project lists its builds", status: 200, has: []string{"/builds/b3", "/builds/b2", "aaaaaaaaa", "9.0 s"}},
		{path: "/projects/none", name: "an unknown project", status: 404, has: []string{"there is no project none"}},
		{
			path: "/builds/b3", name: "a build has its console", status: 200,
			has: []string{"./app setup", "&lt;script&gt;alert", "http://127.0.0.1:1/job/shop/3/", "tag v1.2.0"}, not: []string{"<script>alert", "data-events"},
		},
		{path: "/builds/nope", name: "an unknown build", status: 404, has: []string{"there is no such build"}},
		{path: "/builds/b3/console", name: "the console as text", status: 200, has: []string{"<script>alert(1)</script>"}},
		{path: "/ledger", name: "the ledger explains each delivery", status: 200, has: []string{"the same release as build b3", "acme/&lt;other&gt;", "no project has this repository"}},
		{path: "/nowhere", name: "an unknown page", status: 404, has: []string{"no such page"}},
		{path: "/static/style.css", name: "the style", status: 200, has: []string{"prefers-color-scheme"}},
		{path: "/api/v1/builds?limit=1", name: "builds as JSON", status: 200, has: []string{`"id":"b3"`}, not: []string{`"id":"b2"`}},
		{path: "/api/v1/builds?limit=-1&project=empty", name: "a limit that is none", status: 200, has: []string{"null"}},
		{path: "/api/v1/builds/b2", name: "a build as JSON", status: 200, has: []string{`"version":"v1.1.0"`}},
		{path: "/api/v1/builds/nope", name: "an unknown build as JSON", status: 404, has: []string{`{"error":"there is no such build"}`}},
		{path: "/api/v1/projects", name: "projects as JSON", status: 200, has: []string{`"good":{"id":"b2"`, `"last":{"id":"b3"`}},
		{path: "/api/v1/status", name: "how far all is as JSON", status: 200, has: []string{`"pending":3`, `"last":{"id":"b3"`}},
		{path: "/api/v1/ledger", name: "the ledger as JSON", status: 200, has: []string{`"verdict":"joined"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, body := get(t, server.URL+c.path)
			assert.Equal(t, c.status, answer.StatusCode)
			for _, want := range c.has {
				assert.Contains(t, body, want)
			}
			for _, never := range c.not {
				assert.NotContains(t, body, never)
			}
			assert.Contains(t, answer.Header.Get("Content-Security-Policy"), "default-src 'none'")
		})
	}
}

func TestALockIsSeen(t *testing.T) {
	ledger := stock()
	ledger.locks = []build.Lock{{Project: "shop", By: "octocat", Reason: "the <db> moves", Since: pushed, Until: pushed.Add(time.Hour)}}
	server := open(t, ledger, (&tape{}).read)
	for _, path := range []string{"/", "/projects/shop"} {
		_, page := get(t, server.URL+path)
		assert.Contains(t, page, "the &lt;db&gt; moves", path)
		assert.Contains(t, page, "shop is locked by octocat", path)
	}
}

func TestAPageWithNothingSaysWhatToDo(t *testing.T) {
	server := open(t, &shelf{}, (&tape{}).read)
	_, board := get(t, server.URL+"/")
	assert.Contains(t, board, "autobuilder trigger PROJECT")
	_, ledger := get(t, server.URL+"/ledger")
	assert.Contains(t, ledger, "Nothing was received yet")
}

func TestALedgerThatFailsIsNamedWithoutItsSecrets(t *testing.T) {
	server := open(t, &shelf{err: errors.New("disk full at /secret/path")}, (&tape{}).read)
	for _, path := range []string{"/", "/projects/shop", "/ledger", "/api/v1/builds", "/api/v1/projects"} {
		answer, body := get(t, server.URL+path)
		assert.Equal(t, 500, answer.StatusCode, path)
		assert.NotContains(t, body, "/secret/path", path)
		assert.Contains(t, body, "ledger could not be read", path)
	}
}

func TestAConsoleThatCannotBeReadDoesNotHideTheBuild(t *testing.T) {
	server := open(t, stock(), (&tape{err: errors.New("jenkins is down")}).read)
	answer, body := get(t, server.URL+"/builds/b3")
	assert.Equal(t, 200, answer.StatusCode)
	assert.Contains(t, body, "jenkins is down")
	assert.Contains(t, body, "deliver took it back")
}

func TestABuildThatHasNotBegunHasNoConsole(t *testing.T) {
	ledger := &shelf{builds: []build.Build{{ID: "b1", Project: "shop", State: build.Triggered, Why: "jenkins is down, next try in 4s", Created: pushed}}}
	server := open(t, ledger, (&tape{}).read)
	_, text := get(t, server.URL+"/builds/b1/console")
	assert.Contains(t, text, "next try in 4s")
	_, page := get(t, server.URL+"/builds/b1")
	assert.Contains(t, page, "data-events")
	assert.Contains(t, page, `http-equiv="refresh" content="3"`)
}

func TestALongConsoleIsCutOnThePageOnly(t *testing.T) {
	console := &tape{text: []byte("first line\n" + strings.Repeat("x", 100<<10) + "\nlast line\n")}
	server := open(t, stock(), console.read)
	_, page := get(t, server.URL+"/builds/b3")
	assert.NotContains(t, page, "first line")
	assert.Contains(t, page, "last line")
	assert.Less(t, len(page), 100<<10)
	_, text := get(t, server.URL+"/builds/b3/console")
	assert.Contains(t, text, "first line")
}

// event is one server-sent event.
type event struct{ id, name, data string }

// listen reads a stream; what else than its name stands among them is left out.
func listen(t *testing.T, request *http.Request, name string) <-chan event {
	t.Helper()
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	t.Cleanup(func() { answer.Body.Close() })
	events := make(chan event)
	go func() {
		defer close(events)
		var e event
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = strings.TrimPrefix(e.data+"\n"+value, "\n")
			case "":
				if e.name == name || e.name == "end" {
					select {
					case events <- e:
					case <-request.Context().Done():
						return
					}
				}
				e = event{}
			}
		}
	}()
	return events
}

func streamOf(t *testing.T, url string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return request
}

// line is a line of the console as the page has it.
func line(n int, text string) string {
	return fmt.Sprintf(`<i id="L%d"><a href="#L%[1]d" data-n="%[1]d" tabindex="-1"></a>%s</i>`, n, text)
}

func TestTheConsoleIsLive(t *testing.T) {
	ledger, tape := stock(), &tape{}
	ledger.builds[0].State = build.Running
	server := open(t, ledger, tape.read)
	events := listen(t, streamOf(t, server.URL+"/builds/b3/console/events"), "lines")

	tape.write("step <one>\n")
	assert.Equal(t, event{"1", "lines", line(1, "step &lt;one&gt;")}, <-events)
	tape.write("half a ")
	tape.write("line\n")
	assert.Equal(t, event{"2", "lines", line(2, "half a line")}, <-events)
	tape.write("no end")
	ledger.end("b3", build.Succeeded)
	assert.Equal(t, event{"3", "lines", line(3, "no end")}, <-events)
	assert.Equal(t, "end", (<-events).name)
	_, open := <-events
	assert.False(t, open, "the stream ends with the build")
}

func TestAReaderResumesWhereItWasCut(t *testing.T) {
	server := open(t, stock(), (&tape{text: []byte("one\ntwo\nthree\n")}).read)
	request := streamOf(t, server.URL+"/builds/b3/console/events?from=1")
	assert.Equal(t, line(2, "two")+"\n"+line(3, "three"), (<-listen(t, request, "lines")).data)
	request.Header.Set("Last-Event-ID", "2")
	assert.Equal(t, line(3, "three"), (<-listen(t, request, "lines")).data)
}

func TestAStreamOfAnUnknownBuildIsRefused(t *testing.T) {
	answer, _ := get(t, open(t, stock(), (&tape{}).read).URL+"/builds/nope/console/events")
	assert.Equal(t, 404, answer.StatusCode)
}

func TestTheLastLinesComeEvenAfterTheBuildIsOver(t *testing.T) {
	tape := &tape{more: true}
	events := listen(t, streamOf(t, open(t, stock(), tape.read).URL+"/builds/b3/console/events"), "lines")
	tape.write("Finished: FAILURE\n")
	assert.Equal(t, line(1, "Finished: FAILURE"), (<-events).data)
	tape.close()
	assert.Equal(t, "end", (<-events).name)
}

func TestTheConsoleIsFollowedAsText(t *testing.T) {
	ledger, tape := stock(), &tape{text: []byte("one\n")}
	ledger.builds[0].State, ledger.builds[0].Number = build.Triggered, 0
	server := open(t, ledger, tape.read)
	request := streamOf(t, server.URL+"/builds/b3/console?follow")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	ledger.begin("b3")
	lines := bufio.NewScanner(answer.Body)
	require.True(t, lines.Scan())
	assert.Equal(t, "one", lines.Text())
	tape.write("two\n")
	require.True(t, lines.Scan())
	assert.Equal(t, "two", lines.Text())
	ledger.end("b3", build.Failed)
	assert.False(t, lines.Scan(), "it ends with the build")
	require.NoError(t, lines.Err())
}

// A page that is open hears of every change, whoever makes it.
func TestAPageHearsThatSomethingHasChanged(t *testing.T) {
	ledger := stock()
	server := open(t, ledger, (&tape{}).read)
	for _, address := range []string{"/events", "/builds/b3/console/events"} {
		ledger.builds[0].State = build.Running
		events := listen(t, streamOf(t, server.URL+address), "change")
		changing, stop := context.WithCancel(t.Context())
		go func() { // the first may come before the stream listens
			for changing.Err() == nil {
				ledger.change()
			}
		}()
		assert.Equal(t, "change", (<-events).name, address)
		stop()
	}
}

func TestTheLedgerSaysWhoHasNotBeenTold(t *testing.T) {
	ledger := stock()
	ledger.backlogs = []build.Backlog{{Notifier: "pagerduty"}, {Notifier: "webhook ops"}}
	server := open(t, ledger, (&tape{}).read)
	_, page := get(t, server.URL+"/ledger")
	assert.Contains(t, page, "Everybody has been told everything: pagerduty, webhook ops.")
	ledger.backlogs[1] = build.Backlog{
		Notifier: "webhook ops", Letters: 3, Oldest: pushed, Tries: 4, Error: "reach <ops.test>: connection refused", Next: pushed.Add(time.Hour),
	}
	_, page = get(t, server.URL+"/ledger")
	assert.Contains(t, page, "Who has not been told yet")
	assert.Contains(t, page, "webhook ops")
	assert.Contains(t, page, "not taken")
	assert.Contains(t, page, "2026-11-23 11:00:00")
	assert.NotContains(t, page, "connection refused", "that is for those who have signed in")
	assert.NotContains(t, page, "pagerduty")
	_, text := get(t, server.URL+"/api/v1/status")
	assert.Contains(t, text, `"notifier":"webhook ops","letters":3`)
	assert.NotContains(t, text, "connection refused")

	c := waiting()
	v := visit(t, c)
	v.send(http.MethodGet, "/", nil)
	c.backlogs = ledger.backlogs
	_, _ = v.signIn("token of eve")
	_, page = v.send(http.MethodGet, "/ledger", nil)
	assert.Contains(t, page, "reach &lt;ops.test&gt;: connection refused")
	_, page = v.send(http.MethodGet, "/ledger?q=cccc", nil)
	assert.NotContains(t, page, "ops.test")
}

func TestAWatchIsShown(t *testing.T) {
	ledger := stock()
	ledger.watched = []build.Watching{{Build: "b2", Project: "shop", Since: pushed, Until: pushed.Add(time.Hour), Answers: 7}}
	server := open(t, ledger, (&tape{}).read)
	for _, c := range []struct {
		bad, answers int
		says         string
	}{
		{0, 0, "the monitor has not answered yet"},
		{0, 1, "nothing bad in 1 answer"},
		{0, 7, "nothing bad in 7 answers"},
		{2, 9, "2 bad answers in a row"},
	} {
		ledger.watched[0].Bad, ledger.watched[0].Answers = c.bad, c.answers
		for _, path := range []string{"/", "/builds/b2"} {
			_, page := get(t, server.URL+path)
			assert.Contains(t, page, "2026-11-23 11:00:00", path)
			assert.Contains(t, page, c.says, path)
		}
	}
	_, page := get(t, server.URL+"/builds/b3")
	assert.NotContains(t, page, "bad answers")
}
