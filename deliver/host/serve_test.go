package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/host"
	"deliver/host/hosttest"
)

// serve gives a conversation to Serve and returns the replies.
func serve(t testing.TB, say func(host.Side)) []host.Reply {
	t.Helper()
	var in, out bytes.Buffer
	say(host.NewSide(&in))
	require.NoError(t, host.Serve(t.Context(), &in, &out))
	return replies(t, &out)
}

func replies(t testing.TB, out io.Reader) []host.Reply {
	t.Helper()
	all, err := host.Heard(out)
	require.ErrorIs(t, err, io.EOF)
	return all
}

// request is the message of a request.
func request(t testing.TB, op, root string, args any) []byte {
	t.Helper()
	raw, err := json.Marshal(args)
	require.NoError(t, err)
	message, err := json.Marshal(host.Request{V: 2, Op: op, Place: host.Place{App: "shop", Root: root}, Args: raw})
	require.NoError(t, err)
	return message
}

func TestServeRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ request, message string }{
		"no JSON":           {"GET / HTTP/1.1", "GET / HTTP/1.1"},
		"another JSON":      {"[1,2]", "no JSON request"},
		"another version":   {`{"v":1,"op":"look"}`, "version 1"},
		"no version":        {`{"op":"look"}`, "version 0"},
		"unknown operation": {`{"v":2,"op":"reboot","place":{"root":"/srv/x"}}`, "reboot"},
		"no arguments":      {`{"v":2,"op":"switch","place":{"root":"/srv/x"}}`, "arguments"},
		"other arguments":   {`{"v":2,"op":"switch","place":{"root":"/srv/x"},"args":{"id":7}}`, "arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := serve(t, func(near host.Side) { near.Message(1, []byte(c.request)) })
			require.Len(t, answer, 1)
			known := hosttest.RequireKind(t, answer[0].Error, host.KindProtocol)
			assert.Contains(t, known.Message, c.message)
			assert.NotEmpty(t, known.Hint)
		})
	}
}

func TestServeEndsAConversationThatIsNone(t *testing.T) {
	t.Parallel()
	said := func(say func(host.Side)) string {
		var in bytes.Buffer
		say(host.NewSide(&in))
		return in.String()
	}
	look := string(request(t, "look", t.TempDir(), map[string]any{}))
	whole := said(func(near host.Side) { near.Message(1, []byte(look)) })
	const greeting = "deliver conversation 3\n"
	for name, c := range map[string]struct{ input, says string }{
		"another protocol":         {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1"},
		"another deliver":          {"deliver conversation 1\n", "deliver conversation 1"},
		"a line without end":       {strings.Repeat("x", 1<<20), "xxx"},
		"half a frame":             {whole[:len(whole)-3], "unexpected EOF"},
		"a damaged message":        {greeting + "\x05\x04\xff\xff\xff\xff", "damaged"},
		"a frame of gigabytes":     {greeting + "\x06\xff\xff\xff\xff\x0f", "where 8388608 are the most"},
		"a message of megabytes":   {said(func(near host.Side) { near.Message(1, []byte(strings.Repeat("x", 2<<20))) }), "over 1048576 bytes"},
		"two requests of a number": {said(func(near host.Side) { near.Message(1, receiving(t)); near.Message(1, receiving(t)) }), "two requests"},
		"more than was asked for": {said(func(near host.Side) {
			near.Message(1, receiving(t))
			near.Body(1, make([]byte, 2*host.BodyWindow))
		}), "more of a body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := host.Serve(ctx, strings.NewReader(c.input), io.Discard)
			require.ErrorContains(t, err, c.says)
		})
	}
	require.NoError(t, host.Serve(t.Context(), strings.NewReader(""), io.Discard), "nobody said anything")
}

// receiving is a request that waits for its body.
func receiving(t *testing.T) []byte {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, ".deliver"), 0o755))
	lock, err := os.Create(filepath.Join(root, ".deliver/lock"))
	require.NoError(t, err)
	t.Cleanup(func() { lock.Close() })
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	message, err := json.Marshal(host.Request{
		V: 2, Op: "receive", Timeout: 2 * time.Second, Place: host.Place{App: "shop", Root: root},
		Args: json.RawMessage(`{"record":` + recordOf(t, numbered(t, "v1", 1)) + `}`),
	})
	require.NoError(t, err)
	return message
}

func recordOf(t testing.TB, b hosttest.Build) string {
	text, err := json.Marshal(b.Record)
	require.NoError(t, err)
	return string(text)
}

func TestServeRefusesAPlaceThatIsNone(t *testing.T) {
	t.Parallel()
	answer := serve(t, func(near host.Side) { near.Message(1, request(t, "look", "relative/path", map[string]any{})) })
	require.NotNil(t, answer[0].Error)
	assert.Contains(t, answer[0].Error.Message, "relative/path")
}

func TestServeTellsProgressNowAndThen(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	noise := strings.Builder{}
	for n := range 400_000 {
		fmt.Fprintf(&noise, "%x", n*n)
	}
	b := hosttest.Make(t, "v1", hosttest.File("noise", noise.String()))
	start := time.Now()
	answer := serve(t, func(near host.Side) {
		near.Message(1, request(t, "receive", root, map[string]any{"record": b.Record}))
		near.Body(1, b.Zstd)
	})
	last := answer[len(answer)-1]
	require.Nil(t, last.Error)
	var receipt host.Receipt
	require.NoError(t, json.Unmarshal(last.OK, &receipt))
	assert.Equal(t, int64(len(b.Zstd)), receipt.Bytes)
	assert.Zero(t, *answer[0].Progress)
	told := slices.DeleteFunc(slices.Clone(answer), func(r host.Reply) bool { return r.Progress == nil })
	assert.Equal(t, receipt.Bytes, *told[len(told)-1].Progress)
	assert.LessOrEqual(t, len(answer), 4+int(time.Since(start)/(100*time.Millisecond)))
}

func TestServeDiscardsABuildThatEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	b := numbered(t, "v1", 10)
	answer := serve(t, func(near host.Side) {
		near.Message(1, request(t, "receive", root, map[string]any{"record": b.Record}))
		near.Part(1, b.Zstd[:len(b.Zstd)-4])
	})
	require.NotNil(t, answer[len(answer)-1].Error)
	left, err := filepath.Glob(filepath.Join(root, ".deliver/incoming/*"))
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.NoDirExists(t, filepath.Join(root, "releases/v1"))
}

func TestServeFinishesASwitchThoughNobodyListens(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	receive(t, root, numbered(t, "v1", 1))
	gone := errors.New("broken pipe")
	var in bytes.Buffer
	host.NewSide(&in).Message(1, request(t, "switch", root, map[string]any{"id": "v1"}))
	require.ErrorIs(t, host.Serve(t.Context(), &in, brokenWriter{gone}), gone)
	assert.Equal(t, "v1", read(t, root, "current/id"))
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestServeEndsAtTheDeadlineOfTheRequest(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	b := numbered(t, "v1", 1)
	args, err := json.Marshal(map[string]any{"record": b.Record})
	require.NoError(t, err)
	message, err := json.Marshal(host.Request{
		V: 2, Op: "receive", Timeout: 200 * time.Millisecond, Place: host.Place{Root: root}, Args: args,
	})
	require.NoError(t, err)
	in, w, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	heard, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- host.Serve(t.Context(), in, out); out.Close() }()
	host.NewSide(w).Message(1, message)
	answer, err := host.FirstEnd(heard)
	require.NoError(t, err)
	assert.Contains(t, answer.Error.Message, "deadline")
	require.NoError(t, w.Close())
	require.NoError(t, <-done)
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	in, w, err := os.Pipe() // as standard input is: a read of it cannot be interrupted
	require.NoError(t, err)
	defer in.Close()
	defer w.Close()
	host.NewSide(w).Message(1, request(t, "look", t.TempDir(), map[string]any{}))
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	require.ErrorIs(t, host.Serve(ctx, in, io.Discard), stopped)
}

// session is a far side that says what it is told to.
type session struct {
	reader io.Reader
	sent   bytes.Buffer
	asked  chan struct{}
	closed chan struct{}
	first  sync.Once
	once   sync.Once
}

func newSession(r io.Reader) *session {
	return &session{reader: r, asked: make(chan struct{}), closed: make(chan struct{})}
}

// Write takes the request, before which the far side says nothing.
func (s *session) Write(p []byte) (int, error) {
	defer s.first.Do(func() { close(s.asked) })
	return s.sent.Write(p)
}

func (s *session) Read(p []byte) (int, error) {
	<-s.asked
	return s.reader.Read(p)
}

func (s *session) Alive(context.Context) bool { return true }

func (s *session) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func clientOf(s host.Session) *host.Client {
	return host.NewClient(host.Place{App: "shop", Root: "/srv/shop"}, func(context.Context) (host.Session, error) { return s, nil })
}

// farSays is what a far side says to the first request.
func farSays(replies ...string) io.Reader {
	var said bytes.Buffer
	far := host.NewSide(&said)
	for _, r := range replies {
		far.Message(1, []byte(r))
	}
	return &said
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestClientNamesWhatTheFarSideDoesWrong(t *testing.T) {
	t.Parallel()
	believed := &host.Error{Kind: host.KindAuth, Message: "the key was taken back"}
	for name, c := range map[string]struct {
		reader  io.Reader
		kind    host.Kind
		message string
	}{
		"a shell that greets":    {strings.NewReader("Welcome to web1!\n{\"ok\":{}}\n"), host.KindProtocol, "Welcome to web1!"},
		"another result":         {farSays(`{"ok":[1]}`), host.KindProtocol, "[1]"},
		"no answer":              {strings.NewReader(""), host.KindUnreachable, "ended before the answer"},
		"progress and no more":   {farSays(`{"progress":1}`), host.KindUnreachable, "ended before the answer"},
		"half an answer":         {farSays(`{"ok":{"current":"v`), host.KindProtocol, `{\"ok\"`},
		"a broken connection":    {failingReader{errors.New("reset by peer")}, host.KindUnreachable, "reset by peer"},
		"an error of its own":    {failingReader{fmt.Errorf("session: %w", believed)}, host.KindAuth, "taken back"},
		"a line without end":     {io.LimitReader(endless{}, 20<<20), host.KindProtocol, "xxx"},
		"a frame of gigabytes":   {strings.NewReader("deliver conversation 3\n\x05\xff\xff\xff\xff\x0f"), host.KindProtocol, "where 8388608 are the most"},
		"a damaged message":      {strings.NewReader("deliver conversation 3\n\x05\x04\xff\xff\xff\xff"), host.KindProtocol, "damaged"},
		"an answer of megabytes": {farSays(`{"ok":"` + strings.Repeat("x", 9<<20) + `"}`), host.KindProtocol, "over 8388608 bytes"},
		"an error that it says":  {farSays(`{"error":{"kind":"space","message":"full","hint":"free some"}}`), host.KindSpace, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(c.reader)
			_, err := clientOf(s).Look(t.Context(), host.Service{})
			assert.Contains(t, hosttest.RequireKind(t, err, c.kind).Message, c.message)
			<-s.closed
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestClientSendsOneRequest(t *testing.T) {
	t.Parallel()
	s := newSession(farSays(`{"ok":{"previous":"v0"}}`))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	switched, err := clientOf(s).Switch(ctx, "v1", "")
	require.NoError(t, err)
	assert.Equal(t, "v0", switched.Previous)
	sent, err := host.Asked(&s.sent)
	require.NoError(t, err)
	assert.Equal(t, "switch", sent.Op)
	assert.Equal(t, 2, sent.V)
	assert.Equal(t, "/srv/shop", sent.Place.Root)
	assert.JSONEq(t, `{"id":"v1"}`, string(sent.Args))
	assert.InDelta(t, time.Minute, sent.Timeout, float64(30*time.Second), "the deadline goes with it")
}

func TestClientGivesTheErrorOfOpening(t *testing.T) {
	t.Parallel()
	changed := &host.Error{Kind: host.KindHostKey, Message: "the host key of web1 has changed"}
	client := host.NewClient(host.Place{}, func(context.Context) (host.Session, error) { return nil, changed })
	_, err := client.Look(t.Context(), host.Service{})
	assert.Equal(t, changed, hosttest.RequireKind(t, err, host.KindHostKey))
}

func TestClientEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, _ := io.Pipe()
	client := clientOf(&silent{out, cancel})
	_, err := client.Look(ctx, host.Service{})
	require.ErrorIs(t, err, context.Canceled)
}

// silent is a far side that takes a request, and never answers.
type silent struct {
	*io.PipeReader
	taken func()
}

func (s *silent) Write(p []byte) (int, error) { s.taken(); return len(p), nil }
func (s *silent) Alive(context.Context) bool  { return true }

func TestClientStopsSendingWhenTheAnswerIsThere(t *testing.T) {
	t.Parallel()
	client := newClient(t, t.TempDir())
	b := hosttest.Make(t, "v1", hosttest.Symlink("out", "/etc"))
	_, err := client.Receive(t.Context(), b.Record, io.MultiReader(b.Reader(), endless{}), nil)
	hosttest.RequireKind(t, err, host.KindUnsafe)
}

func FuzzServe(f *testing.F) {
	b := numbered(f, "v1", 3)
	record, err := json.Marshal(map[string]any{"record": b.Record})
	require.NoError(f, err)
	f.Add(0, []byte(`{"service":{"manager":"none"}}`), []byte{})
	f.Add(1, record, b.Zstd)
	f.Add(1, record, b.Zstd[:9])
	f.Add(2, []byte(`{"id":"v1"}`), []byte("more"))
	f.Add(3, []byte(`{"entry":{"run":"1","release":"v1"}}`), []byte{})
	f.Add(4, []byte(`{"keep":-1}`), []byte{})
	ops := []string{"look", "receive", "switch", "record", "prune"}
	f.Fuzz(func(t *testing.T, op int, args, body []byte) {
		if !json.Valid(args) {
			return
		}
		root := t.TempDir()
		all := serve(t, func(near host.Side) {
			near.Message(1, request(t, ops[(op%len(ops)+len(ops))%len(ops)], root, json.RawMessage(args)))
			near.Body(1, body)
		})
		require.NotEmpty(t, all)
		last := all[len(all)-1]
		require.True(t, last.Error != nil || last.OK != nil)
	})
}
