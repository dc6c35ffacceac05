package hosttest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
)

func restartStories() []story {
	return []story{
		{"a command runs in current", restartCommand},
		{"a command that fails says why", restartFails},
		{"a command that hangs is ended", restartHangs},
		{"a command may leave a process behind", restartLeavesProcess},
		{"none restarts nothing", restartNone},
		{"a service that nobody knows is an error with a hint", restartUnknown},
		{"a name that would be an option is refused", restartOption},
	}
}

func restartCommand(t *testing.T, s *site) {
	s.deliver(t, "v1")
	err := s.Restart(s.ctx, host.Service{Command: `pwd -P >../../said; echo "$APP $RELEASE $DELIVER_TO" >>../../said`})
	require.NoError(t, err)
	assert.Equal(t, s.path("releases", "v1")+"\nshop v1 "+s.root+"\n", s.read(t, "said"))
}

func restartFails(t *testing.T, s *site) {
	s.deliver(t, "v1")
	err := s.Restart(s.ctx, host.Service{Command: "echo no such socket >&2; exit 3"})
	known := RequireKind(t, err, host.KindService)
	assert.Contains(t, known.Message, "exit status 3")
	assert.Contains(t, known.Message, "no such socket")
}

func restartHangs(t *testing.T, s *site) {
	s.deliver(t, "v1")
	ctx, cancel := context.WithTimeout(s.ctx, 300*time.Millisecond)
	defer cancel()
	require.Error(t, s.Restart(ctx, host.Service{Command: "sleep 3600"}))
}

func restartLeavesProcess(t *testing.T, s *site) {
	s.deliver(t, "v1")
	command := `sh -c 'while ! [ -e ../../over ]; do sleep 0.05; done; echo last words; echo >../../ended' &`
	require.NoError(t, s.Restart(s.ctx, host.Service{Command: command}))
	require.NoError(t, s.Restart(s.ctx, host.Service{Command: "touch ../../over"}))
	require.Eventually(t, func() bool { return fileExists(s.path("ended")) }, 10*time.Second, 20*time.Millisecond,
		"it can go on writing after the restart")
}

func restartNone(t *testing.T, s *site) {
	s.deliver(t, "v1")
	require.NoError(t, s.Restart(s.ctx, host.Service{Manager: "none", Name: "shop"}))
}

func restartUnknown(t *testing.T, s *site) {
	s.deliver(t, "v1")
	for _, manager := range []string{"", "launchd"} {
		err := s.Restart(s.ctx, host.Service{Manager: manager, Name: "no-such-service-anywhere"})
		known := RequireKind(t, err, host.KindService)
		assert.Contains(t, known.Hint, "RESTART_CMD")
	}
}

func restartOption(t *testing.T, s *site) {
	s.deliver(t, "v1")
	err := s.Restart(s.ctx, host.Service{Manager: "systemd", Name: "--now"})
	assert.Contains(t, RequireKind(t, err, host.KindService).Message, "--now")
}

func checkStories() []story {
	return []story{
		{"good answers in a row", checkAnswers},
		{"a redirect is good", checkRedirect},
		{"bad answers are named", checkBadAnswer},
		{"a bad answer between good ones starts the count anew", checkCountsAnew},
		{"nothing listens", checkRefused},
		{"an answer that takes too long", checkSlow},
		{"a connection is enough for a port", checkPort},
		{"a command that turns good", checkCommand},
		{"a command that stays bad", checkCommandBad},
		{"a command that hangs", checkCommandHangs},
		{"a release that is not there", checkMissing},
		{"a URL that is none", checkBadURL},
		{"nothing to ask is told", checkNothing},
		{"a caller who gives up", checkGivesUp},
	}
}

// quick is a health check that waits for little.
func quick(h host.Health) host.Health {
	h.Rise, h.Interval, h.Timeout, h.Deadline = max(h.Rise, 1), 20*time.Millisecond, 500*time.Millisecond, time.Second
	return h
}

// patient is quick for what turns good, whenever a busy machine lets it.
func patient(h host.Health) host.Health {
	h = quick(h)
	h.Timeout, h.Deadline = 30*time.Second, time.Minute
	return h
}

var none = host.Service{Manager: "none", Name: "shop"}

// answering is a web server of this test, with how often it was asked.
func answering(t *testing.T, answer func(n int32, w http.ResponseWriter)) (address string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(asked.Add(1), w) }))
	t.Cleanup(web.Close)
	return web.URL, asked
}

func checkAnswers(t *testing.T, s *site) {
	s.deliver(t, "v1")
	url, asked := answering(t, func(int32, http.ResponseWriter) {})
	checked, err := s.Check(s.ctx, patient(host.Health{URL: url, Rise: 3}), none, "v1")
	require.NoError(t, err)
	assert.Equal(t, 3, checked.Answers)
	assert.Equal(t, int32(3), asked.Load())
	assert.Positive(t, checked.Took)
	assert.False(t, checked.Proven, "this test does not run from a release")
	assert.NotEmpty(t, checked.Detail)
}

func checkRedirect(t *testing.T, s *site) {
	s.deliver(t, "v1")
	url, _ := answering(t, func(_ int32, w http.ResponseWriter) {
		w.Header().Set("Location", "https://nowhere.invalid/")
		w.WriteHeader(http.StatusFound)
	})
	_, err := s.Check(s.ctx, patient(host.Health{URL: url}), none, "v1")
	require.NoError(t, err)
}

func checkBadAnswer(t *testing.T, s *site) {
	s.deliver(t, "v1")
	url, _ := answering(t, func(_ int32, w http.ResponseWriter) {
		http.Error(w, "no database\nand more", http.StatusServiceUnavailable)
	})
	_, err := s.Check(s.ctx, quick(host.Health{URL: url}), none, "v1")
	known := RequireKind(t, err, host.KindBadAnswer)
	assert.Contains(t, known.Message, "503 Service Unavailable: no database")
	assert.NotContains(t, known.Message, "and more")
}

func checkCountsAnew(t *testing.T, s *site) {
	s.deliver(t, "v1")
	url, _ := answering(t, func(n int32, w http.ResponseWriter) {
		if n == 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	checked, err := s.Check(s.ctx, patient(host.Health{URL: url, Rise: 3}), none, "v1")
	require.NoError(t, err)
	assert.Equal(t, 6, checked.Answers)
}

// freePort is one that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func checkRefused(t *testing.T, s *site) {
	s.deliver(t, "v1")
	port := freePort(t)
	for _, h := range []host.Health{{Port: port}, {URL: "http://127.0.0.1:" + strconv.Itoa(port) + "/health"}} {
		_, err := s.Check(s.ctx, quick(h), none, "v1")
		assert.Contains(t, RequireKind(t, err, host.KindNoAnswer).Message, "refused")
	}
}

func checkSlow(t *testing.T, s *site) {
	s.deliver(t, "v1")
	release := make(chan struct{})
	url, _ := answering(t, func(int32, http.ResponseWriter) { <-release })
	t.Cleanup(func() { close(release) })
	health := quick(host.Health{URL: url})
	health.Timeout = 100 * time.Millisecond
	_, err := s.Check(s.ctx, health, none, "v1")
	assert.Contains(t, RequireKind(t, err, host.KindHang).Message, "in time")
}

func checkPort(t *testing.T, s *site) {
	s.deliver(t, "v1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	_, err = s.Check(s.ctx, patient(host.Health{Port: l.Addr().(*net.TCPAddr).Port, Rise: 2}), none, "v1")
	require.NoError(t, err)
}

func checkCommand(t *testing.T, s *site) {
	s.deliver(t, "v1")
	command := `test "$RELEASE" = v1 && echo x >>../../tries && test $(wc -l <../../tries) -ge 3`
	checked, err := s.Check(s.ctx, patient(host.Health{Command: command}), none, "v1")
	require.NoError(t, err)
	assert.Equal(t, 3, checked.Answers)
}

func checkCommandBad(t *testing.T, s *site) {
	s.deliver(t, "v1")
	_, err := s.Check(s.ctx, quick(host.Health{Command: "echo queue is full; false"}), none, "v1")
	assert.Contains(t, RequireKind(t, err, host.KindBadAnswer).Message, "queue is full")
}

func checkCommandHangs(t *testing.T, s *site) {
	s.deliver(t, "v1")
	health := quick(host.Health{Command: "sleep 3600"})
	health.Timeout = 100 * time.Millisecond
	_, err := s.Check(s.ctx, health, none, "v1")
	RequireKind(t, err, host.KindNoAnswer)
}

func checkMissing(t *testing.T, s *site) {
	_, err := s.Check(s.ctx, quick(host.Health{Command: "true"}), none, "v1")
	RequireKind(t, err, host.KindMissing)
}

func checkBadURL(t *testing.T, s *site) {
	s.deliver(t, "v1")
	for _, url := range []string{"localhost:3000", "/health", "ftp://localhost/", "http://"} {
		_, err := s.Check(s.ctx, quick(host.Health{URL: url}), none, "v1")
		require.ErrorContains(t, err, url)
	}
}

func checkNothing(t *testing.T, s *site) {
	s.deliver(t, "v1")
	checked, err := s.Check(s.ctx, quick(host.Health{}), none, "v1")
	require.NoError(t, err)
	assert.False(t, checked.Proven)
	assert.Contains(t, checked.Detail, "nothing was asked")
}

func checkGivesUp(t *testing.T, s *site) {
	s.deliver(t, "v1")
	ctx, cancel := context.WithCancel(s.ctx)
	url, _ := answering(t, func(_ int32, w http.ResponseWriter) {
		cancel()
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, err := s.Check(ctx, quick(host.Health{URL: url}), none, "v1")
	require.ErrorIs(t, err, context.Canceled)
}
