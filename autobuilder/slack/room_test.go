package slack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/notify"
	"autobuilder/slack"
)

// workspace is the part of Slack's API that a room needs. slack-go's own test
// server knows no chat.update.
type workspace struct {
	*httptest.Server
	mu       sync.Mutex
	messages []*posted
	calls    []string
	lose     int    // so many answers to what was posted are lost
	refuse   string // the error of every call
	limit    bool   // the next call comes too soon
	blind    bool   // the bot may not read the channel
}

// posted is one message.
type posted struct {
	url.Values
	ts string
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	s := &workspace{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *workspace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	method := strings.TrimPrefix(r.URL.Path, "/")
	s.calls = append(s.calls, method)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Header.Get("Authorization") != "Bearer xoxb-1" && r.Form.Get("token") != "xoxb-1":
		s.answer(w, map[string]any{"ok": false, "error": "invalid_auth"})
	case s.limit:
		s.limit = false
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	case s.refuse != "":
		s.answer(w, map[string]any{"ok": false, "error": s.refuse})
	case method == "chat.postMessage":
		s.post(w, r)
	case method == "chat.update":
		s.update(w, r)
	case s.blind:
		s.answer(w, map[string]any{"ok": false, "error": "missing_scope"})
	default:
		s.list(w, r)
	}
}

func (s *workspace) answer(w http.ResponseWriter, v map[string]any) { _ = json.NewEncoder(w).Encode(v) }

func (s *workspace) post(w http.ResponseWriter, r *http.Request) {
	p := &posted{r.Form, fmt.Sprintf("%d.%06d", time.Now().Unix(), len(s.messages)+1)}
	s.messages = append(s.messages, p)
	if s.lose > 0 {
		s.lose--
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	s.answer(w, map[string]any{"ok": true, "channel": r.Form.Get("channel"), "ts": p.ts})
}

func (s *workspace) update(w http.ResponseWriter, r *http.Request) {
	for _, p := range s.messages {
		if p.ts == r.Form.Get("ts") {
			for name := range r.Form {
				p.Set(name, r.Form.Get(name))
			}
			s.answer(w, map[string]any{"ok": true, "channel": r.Form.Get("channel"), "ts": p.ts})
			return
		}
	}
	s.answer(w, map[string]any{"ok": false, "error": "message_not_found"})
}

func (s *workspace) list(w http.ResponseWriter, r *http.Request) {
	var found []map[string]any
	for _, p := range s.messages {
		if p.Get("thread_ts") == r.Form.Get("ts") && p.Get("channel") == r.Form.Get("channel") {
			found = append(found, map[string]any{"ts": p.ts, "text": p.Get("text"), "metadata": json.RawMessage(p.Get("metadata"))})
		}
	}
	s.answer(w, map[string]any{"ok": true, "messages": found})
}

// said are the messages of a thread; without ts, those of the channel.
func (s *workspace) said(ts string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, p := range s.messages {
		if p.Get("thread_ts") == ts {
			all = append(all, p.Get("text"))
		}
	}
	return all
}

func message(seq int64, kind build.EventKind, change ...func(*notify.Message)) notify.Message {
	m := notify.Message{
		Letter:  build.Letter{Event: build.Event{Seq: seq, Kind: kind, Project: "shop", Build: "b1", Thread: "b1", By: "ada"}, Begun: time.Now()},
		Project: build.Project{Name: "shop"}, About: build.Build{ID: "b1", Tag: "v1.2.0", By: "ada", Message: "add a <till>"},
		Page: "https://ci.test/builds/b1", Notes: "https://github.test/acme/shop/releases/tag/v1.2.0",
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

// tell sends messages one after the other, as the outbox does.
func tell(t *testing.T, r *slack.Room, messages ...notify.Message) (ref string) {
	t.Helper()
	for _, m := range messages {
		m.Ref = ref
		for {
			got, err := r.Send(context.Background(), m)
			if err == nil {
				ref = got
				break
			}
			require.Less(t, m.Tries, 5, err)
			m.Tries++
		}
	}
	return ref
}

func TestAReleaseHasOneMessage(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	room := slack.NewRoom(s.URL, "xoxb-1", "C1", nil)
	ref := tell(t, room, message(1, build.EventQueued), message(2, build.EventRunning), message(3, build.EventDelivered),
		message(4, build.EventFailed, func(m *notify.Message) { m.Step, m.Tail = "1 setup", []string{"npm: <not> found ```"} }))
	channel, ts, _ := strings.Cut(ref, "/")
	assert.Equal(t, "C1", channel)
	assert.Equal(t, []string{":x: shop v1.2.0 failed in 1 setup, pushed by ada"}, s.said(""), "it was changed as the release went on")
	assert.Equal(t, []string{":x: shop v1.2.0 failed in 1 setup, pushed by ada"}, s.said(ts), "what failed is said below it")
	below := s.messages[1]
	assert.Equal(t, "true", below.Get("reply_broadcast"))
	assert.Contains(t, below.Get("blocks"), `npm: \u0026lt;not\u0026gt; found '''`)
	assert.Contains(t, s.messages[0].Get("blocks"), "release notes")
}

func TestARoomOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	room := slack.NewRoom(s.URL, "xoxb-1", "C1", map[string]string{"shop": "C2"})
	assert.True(t, strings.HasPrefix(tell(t, room, message(1, build.EventQueued)), "C2/"))
}

func TestAHeldReleaseHasButtons(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	room := slack.NewRoom(s.URL, "xoxb-1", "C1", nil)
	hold := func(state build.HoldState) func(*notify.Message) {
		return func(m *notify.Message) { m.Hold = &build.Hold{Build: "b1", State: state, Needed: 1} }
	}
	ref := tell(t, room, message(1, build.EventHeld, hold(build.Waiting)))
	assert.Contains(t, s.messages[0].Get("blocks"), `"action_id":"approve"`)
	assert.Contains(t, s.messages[0].Get("blocks"), `"value":"b1"`)
	m := message(2, build.EventApproved, hold(build.Released), func(m *notify.Message) { m.Ref = ref })
	_, err := room.Send(t.Context(), m)
	require.NoError(t, err)
	assert.NotContains(t, s.messages[0].Get("blocks"), `"action_id"`)
	_, ts, _ := strings.Cut(ref, "/")
	assert.Equal(t, []string{":raised_hand: shop v1.2.0 was approved by ada"}, s.said(ts))
}

func TestSlackIsNotToldTwiceWhenItsAnswerIsLost(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	s.lose = 1
	room := slack.NewRoom(s.URL, "xoxb-1", "C1", nil)
	ref := tell(t, room, message(1, build.EventQueued))
	s.lose = 1
	m := message(2, build.EventFailed)
	m.Ref = ref
	_, err := room.Send(t.Context(), m)
	require.Error(t, err)
	m.Tries = 1
	_, err = room.Send(t.Context(), m)
	require.NoError(t, err)
	_, ts, _ := strings.Cut(ref, "/")
	assert.Len(t, s.said(""), 1)
	assert.Len(t, s.said(ts), 1)

	s.blind, s.lose = true, 1
	tell(t, room, message(3, build.EventQueued))
	assert.Len(t, s.said(""), 3, "a bot that may not read says it again")
}

func TestADeletedMessageIsPostedAnew(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	room := slack.NewRoom(s.URL, "xoxb-1", "C1", nil)
	m := message(1, build.EventRunning)
	m.Ref = "C1/1.000009"
	ref, err := room.Send(t.Context(), m)
	require.NoError(t, err)
	assert.NotEqual(t, m.Ref, ref)
	assert.Len(t, s.said(""), 1)
}

func TestLocksAreSaidEachByItself(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	room := slack.NewRoom(s.URL, "xoxb-1", "C1", nil)
	tell(t, room, message(1, build.EventLocked, func(m *notify.Message) { m.Note = "the tables move" }), message(2, build.EventUnlocked))
	assert.Equal(t, []string{":lock: shop is locked by ada: the tables move", ":unlock: shop is unlocked by ada"}, s.said(""))
}

func TestWhatSlackSays(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	room := slack.NewRoom(s.URL, "xoxb-1", "C1", nil)
	s.limit = true
	_, err := room.Send(t.Context(), message(1, build.EventQueued))
	var later *notify.Later
	require.ErrorAs(t, err, &later)
	assert.Equal(t, 7*time.Second, later.After)
	s.refuse = "not_in_channel"
	_, err = room.Send(t.Context(), message(1, build.EventQueued))
	require.ErrorIs(t, err, notify.ErrRefused)
	require.ErrorContains(t, err, "not_in_channel")
	s.refuse = "internal_error"
	_, err = room.Send(t.Context(), message(1, build.EventQueued))
	require.Error(t, err)
	require.NotErrorIs(t, err, notify.ErrRefused)
	_, err = slack.NewRoom(s.URL, "wrong", "C1", nil).Send(t.Context(), message(1, build.EventQueued))
	require.ErrorIs(t, err, notify.ErrRefused)
}
