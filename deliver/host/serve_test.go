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
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// serve gives input to Serve and returns the replies.
func serve(t testing.TB, input string) []host.Reply {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, host.Serve(t.Context(), strings.NewReader(input), &out))
	return replies(t, &out)
}

func replies(t testing.TB, out io.Reader) []host.Reply {
	t.Helper()
	var all []host.Reply
	for d := json.NewDecoder(out); d.More(); {
		var r host.Reply
		require.NoError(t, d.Decode(&r))
		all = append(all, r)
	}
	return all
}

// request is the line of a request.
func request(t testing.TB, op, root string, args any) string {
	t.Helper()
	raw, err := json.Marshal(args)
	require.NoError(t, err)
	line, err := json.Marshal(host.Request{V: 1, Op: op, Place: host.Place{App: "shop", Root: root}, Args: raw})
	require.NoError(t, err)
	return string(line) + "\n"
}

func TestServeRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ input, message string }{
		"nothing":             {"", "EOF"},
		"a line without end":  {`{"v":1,"op":"look"}`, "EOF"},
		"no JSON":             {"GET / HTTP/1.1\n", "GET / HTTP/1.1"},
		"another JSON":        {"[1,2]\n", "no JSON request"},
		"another version":     {`{"v":2,"op":"look"}` + "\n", "version 2"},
		"no version":          {`{"op":"look"}` + "\n", "version 0"},
		"unknown operation":   {`{"v":1,"op":"reboot","place":{"root":"/srv/x"}}` + "\n", "reboot"},
		"no arguments":        {`{"v":1,"op":"switch","place":{"root":"/srv/x"}}` + "\n", "arguments"},
		"other arguments":     {`{"v":1,"op":"switch","place":{"root":"/srv/x"},"args":{"id":7}}` + "\n", "arguments"},
		"a line of megabytes": {`{"v":1,"op":"` + strings.Repeat("x", 2<<20), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := serve(t, c.input)
			require.Len(t, answer, 1)
			known := hosttest.RequireKind(t, answer[0].Error, host.KindProtocol)
			assert.Contains(t, known.Message, c.message)
			assert.NotEmpty(t, known.Hint)
		})
	}
}

func TestServeRefusesAPlaceThatIsNone(t *testing.T) {
	t.Parallel()
	answer := serve(t, request(t, "look", "relative/path", map[string]any{}))
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
	answer := serve(t, request(t, "receive", root, map[string]any{"record": b.Record})+string(b.Zstd))
	last := answer[len(answer)-1]
	require.Nil(t, last.Error)
	var receipt host.Receipt
	require.NoError(t, json.Unmarshal(last.OK, &receipt))
	assert.Equal(t, int64(len(b.Zstd)), receipt.Bytes)
	assert.Zero(t, *answer[0].Progress)
	assert.Equal(t, receipt.Bytes, *answer[len(answer)-2].Progress)
	assert.LessOrEqual(t, len(answer), 4+int(time.Since(start)/(100*time.Millisecond)))
}

func TestServeDiscardsABuildThatEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	b := numbered(t, "v1", 10)
	answer := serve(t, request(t, "receive", root, map[string]any{"record": b.Record})+string(b.Zstd[:len(b.Zstd)-4]))
	hosttest.RequireKind(t, answer[len(answer)-1].Error, host.KindDigest)
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
	in := strings.NewReader(request(t, "switch", root, map[string]any{"id": "v1"}))
	require.ErrorIs(t, host.Serve(t.Context(), in, brokenWriter{gone}), gone)
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
	line, err := json.Marshal(host.Request{
		V: 1, Op: "receive", Timeout: 200 * time.Millisecond, Place: host.Place{Root: root}, Args: args,
	})
	require.NoError(t, err)
	in, w, err := os.Pipe() // as standard input is: a read of it cannot be interrupted
	require.NoError(t, err)
	defer in.Close()
	defer w.Close()
	_, err = w.Write(append(line, '\n'))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, host.Serve(t.Context(), in, &out))
	answer := replies(t, &out)
	assert.Contains(t, answer[len(answer)-1].Error.Message, "deadline")
}

// session is a far side that says what it is told to.
type session struct {
	io.Reader
	sent   bytes.Buffer
	closed bool
}

func (s *session) Write(p []byte) (int, error) { return s.sent.Write(p) }
func (s *session) CloseWrite() error           { return nil }
func (s *session) Close() error                { s.closed = true; return nil }

func clientOf(s host.Session) *host.Client {
	return host.NewClient(host.Place{App: "shop", Root: "/srv/shop"}, func(context.Context) (host.Session, error) { return s, nil })
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
		"a shell that greets":   {strings.NewReader("Welcome to web1!\n{\"ok\":{}}\n"), host.KindProtocol, "Welcome to web1!"},
		"another result":        {strings.NewReader(`{"ok":[1]}` + "\n"), host.KindProtocol, "[1]"},
		"no answer":             {strings.NewReader(""), host.KindUnreachable, "ended before the answer"},
		"progress and no more":  {strings.NewReader(`{"progress":1}` + "\n"), host.KindUnreachable, "ended before the answer"},
		"half an answer":        {strings.NewReader(`{"ok":{"current":"v`), host.KindProtocol, `{\"ok\"`},
		"a broken connection":   {failingReader{errors.New("reset by peer")}, host.KindUnreachable, "reset by peer"},
		"an error of its own":   {failingReader{fmt.Errorf("session: %w", believed)}, host.KindAuth, "taken back"},
		"a line without end":    {io.LimitReader(endless{}, 20<<20), host.KindProtocol, "over 8388608 bytes"},
		"an error that it says": {strings.NewReader(`{"error":{"kind":"space","message":"full","hint":"free some"}}` + "\n"), host.KindSpace, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &session{Reader: c.reader}
			_, err := clientOf(s).Look(t.Context(), host.Service{})
			assert.Contains(t, hosttest.RequireKind(t, err, c.kind).Message, c.message)
			assert.True(t, s.closed)
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
	s := &session{Reader: strings.NewReader(`{"ok":{"previous":"v0"}}` + "\n")}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	switched, err := clientOf(s).Switch(ctx, "v1", "")
	require.NoError(t, err)
	assert.Equal(t, "v0", switched.Previous)
	var sent host.Request
	require.NoError(t, json.Unmarshal(s.sent.Bytes(), &sent))
	assert.Equal(t, "switch", sent.Op)
	assert.Equal(t, 1, sent.V)
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
func (s *silent) CloseWrite() error           { return nil }

func TestClientStopsSendingWhenTheAnswerIsThere(t *testing.T) {
	t.Parallel()
	far := &farSide{}
	t.Cleanup(far.wait)
	client := host.NewClient(host.Place{App: "shop", Root: t.TempDir()}, far.open)
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
		line := request(t, ops[(op%len(ops)+len(ops))%len(ops)], root, json.RawMessage(args))
		all := serve(t, line+string(body))
		require.NotEmpty(t, all)
		last := all[len(all)-1]
		require.True(t, last.Error != nil || last.OK != nil || last.Progress == nil)
	})
}
