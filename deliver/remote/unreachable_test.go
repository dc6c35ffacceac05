package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/inventory"
	"deliver/remote"
)

// deaf accepts connections and never says anything.
func deaf(t *testing.T, network, address string) net.Addr {
	t.Helper()
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return l.Addr()
}

func deafSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "deaf")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return deaf(t, "unix", filepath.Join(dir, "s")).String()
}

func TestWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		block func(t *testing.T) string
		says  []string
	}{
		"nothing listens": {
			func(t *testing.T) string { return fmt.Sprintf("HostName 127.0.0.1\n  Port %d", freePort(t)) },
			[]string{"connect", "connection refused"},
		},
		"no such name": {
			func(*testing.T) string { return "HostName nowhere.invalid" },
			[]string{"connect", "nowhere.invalid"},
		},
		"it never greets": {
			func(t *testing.T) string {
				return fmt.Sprintf("HostName 127.0.0.1\n  Port %s", portOf(deaf(t, "tcp", "127.0.0.1:0")))
			},
			[]string{"shake hands", "no answer within 2s"},
		},
		"a ProxyCommand that fails": {
			func(*testing.T) string { return `ProxyCommand sh -c "echo no way to %h >&2; exit 3"` },
			[]string{"no way to h1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			c.configure(t, "Host h1\n  "+test.block(t)+"\n")
			c.opts.ConnectTimeout = 2 * time.Second
			e := c.refused(t, "h1", host.KindUnreachable)
			for _, words := range test.says {
				assert.Contains(t, e.Message, words)
			}
		})
	}
}

func TestConnectTimeoutOfSSHConfigHolds(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.ConnectTimeout = 0
	c.configure(t, fmt.Sprintf("Host h1\n  HostName 127.0.0.1\n  Port %s\n  ConnectTimeout 1\n", portOf(deaf(t, "tcp", "127.0.0.1:0"))))
	assert.Contains(t, c.refused(t, "h1", host.KindUnreachable).Message, "no answer within 1s")
}

func TestAnInterruptionEndsADialAtOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.configure(t, fmt.Sprintf("Host h1\n  HostName 127.0.0.1\n  Port %s\n", portOf(deaf(t, "tcp", "127.0.0.1:0"))))
	c.opts.ConnectTimeout = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	time.AfterFunc(100*time.Millisecond, func() { cancel(interrupted) })
	_, err := remote.Dial(ctx, inventory.Host{Name: "h1"}, host.Place{Root: "/srv/shop"}, c.opts)
	require.ErrorIs(t, err, interrupted)
}

func TestACallersDeadlineIsAnUnreachableHost(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.configure(t, fmt.Sprintf("Host h1\n  HostName 127.0.0.1\n  Port %s\n", portOf(deaf(t, "tcp", "127.0.0.1:0"))))
	c.opts.ConnectTimeout = time.Hour
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errors.New("preflight took over 2s"))
	defer cancel()
	_, err := remote.Dial(ctx, inventory.Host{Name: "h1"}, host.Place{Root: "/srv/shop"}, c.opts)
	e := hosttest.RequireKind(t, err, host.KindUnreachable)
	assert.Contains(t, e.Message, "h1: shake hands")
	assert.Contains(t, e.Message, "preflight took over 2s")
}

func TestAServerThatSpeaksSomethingElse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("SSH-1.5-antique\r\nnonsense"))
			t.Cleanup(func() { conn.Close() })
		}
	}()
	c := newClient(t)
	c.configure(t, fmt.Sprintf("Host h1\n  HostName 127.0.0.1\n  Port %s\n", portOf(l.Addr())))
	c.opts.ConnectTimeout = 2 * time.Second
	assert.Contains(t, c.refused(t, "h1", host.KindUnreachable).Message, "shake hands")
}

func TestAServerThatTurnsManyAwayGetsThemAllIn(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1", "MaxStartups 1:100:1")
	c.opts.Ramp = remote.NewRamp(16)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			_, err := c.try(t, "h1")
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, 16, sshd.logged(t, "Accepted publickey"))
	assert.Positive(t, sshd.logged(t, "past MaxStartups"), "nobody was turned away: this tested nothing")
}

func TestAJumpHostThatTurnsManyAwayGetsThemAllIn(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	jump := startSSHD(t, "jump", c.authorized, "MaxStartups 1:100:1")
	target := startSSHD(t, "h1", c.authorized, "MaxStartups 1:100:1")
	c.know(t, jump)
	c.know(t, target)
	c.configure(t, reaches(jump), reaches(target, "ProxyJump jump"))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			_, err := c.try(t, "h1")
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, 6, target.logged(t, "Accepted publickey"))
}

func TestAPortThatHangsUpIsGivenUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	var accepted atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_, _ = conn.Write([]byte("Not allowed at this time\r\n"))
			conn.Close()
		}
	}()
	c := newClient(t)
	c.configure(t, fmt.Sprintf("Host h1\n  HostName 127.0.0.1\n  Port %s\n", portOf(l.Addr())))
	c.opts.Ramp.Patience = 2 * time.Second
	e := c.refused(t, "h1", host.KindUnreachable)
	assert.Greater(t, accepted.Load(), int32(1))
	assert.Contains(t, e.Message, fmt.Sprintf("closed the connection before the handshake, %d times", accepted.Load()))
	assert.Contains(t, e.Hint, "MaxStartups")
}

func TestARampBoundsHandshakes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	var accepted atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			t.Cleanup(func() { conn.Close() })
		}
	}()
	c := newClient(t)
	c.configure(t, fmt.Sprintf("Host h*\n  HostName 127.0.0.1\n  Port %s\n", portOf(l.Addr())))
	c.opts.ConnectTimeout = time.Hour
	c.opts.Ramp = remote.NewRamp(2)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			_, err := remote.Dial(ctx, inventory.Host{Name: fmt.Sprintf("h%d", i)}, host.Place{Root: "/srv/shop"}, c.opts)
			assert.ErrorIs(t, err, context.Canceled)
		})
	}
	require.Eventually(t, func() bool { return accepted.Load() == 2 }, 30*time.Second, time.Millisecond)
	require.Never(t, func() bool { return accepted.Load() > 2 }, time.Second, 10*time.Millisecond)
	cancel()
	all.Wait()
	assert.EqualValues(t, 2, accepted.Load(), "those that waited did not begin")
}

func TestAServerThatStopsAnsweringIsFound(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1")
	c.opts.KeepAlive = time.Second
	stopsInTheMiddle(t, c.dial(t, "h1"), sshd)
}

// stopsInTheMiddle stops the sessions of a server while it takes a build, and
// asks that this is found.
func stopsInTheMiddle(t *testing.T, s *remote.Server, sshd *sshd) {
	t.Helper()
	look(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // the keep-alive finds it long before
	defer cancel()
	build := hosttest.Make(t, "v1", hosttest.File("noise", noise(32<<20)))
	body := &stopping{Reader: build.Reader(), after: 1 << 20, stop: func() { sshd.signalSessions(t, syscall.SIGSTOP) }}
	_, err := s.Receive(ctx, build.Record, body, nil)
	e := hosttest.RequireKind(t, err, host.KindUnreachable)
	assert.Contains(t, e.Message, "no sign of life")
}

func TestTheKeepAliveOfSSHConfigHolds(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := startSSHD(t, "h1", c.authorized)
	c.know(t, sshd)
	c.configure(t, reaches(sshd, "ServerAliveInterval 1", "ServerAliveCountMax 2"))
	c.opts.KeepAlive = time.Hour
	stopsInTheMiddle(t, c.dial(t, "h1"), sshd)
}

func TestAConnectionThatStoppedAnsweringIsMadeAnew(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1")
	c.opts.KeepAlive, c.opts.ConnectTimeout = time.Hour, 2*time.Second
	s := c.dial(t, "h1")
	look(t, s)
	sshd.signalSessions(t, syscall.SIGSTOP)
	look(t, s)
	assert.Equal(t, 2, sshd.logged(t, "Accepted publickey"))
}

func TestADeadlineHoldsOnAServerThatStopsAnswering(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.KeepAlive = time.Hour // no keep-alive comes to help
	sshd := c.serve(t, "h1")
	s := c.dial(t, "h1")
	look(t, s)
	sshd.signalSessions(t, syscall.SIGSTOP)
	for name, do := range map[string]func(context.Context) error{
		"look": func(ctx context.Context) error {
			_, err := s.Look(ctx, host.Service{})
			return err
		},
		"receive": func(ctx context.Context) error {
			build := hosttest.Make(t, "v1", hosttest.File("a", "1"))
			_, err := s.Receive(ctx, build.Record, build.Reader(), nil)
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		require.ErrorIs(t, do(ctx), context.DeadlineExceeded, name)
		cancel()
	}
	require.NoError(t, s.Close(), "closing does not wait for the server")
}

func TestAQuietConnectionIsKept(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1", "LogLevel DEBUG2")
	c.opts.KeepAlive = 500 * time.Millisecond
	s := c.dial(t, "h1")
	require.Eventually(t, func() bool { return sshd.logged(t, "keepalive@openssh.com") > 3 }, 20*time.Second, 10*time.Millisecond)
	look(t, s)
	assert.Equal(t, 1, sshd.logged(t, "Accepted publickey"))
}

// cutReader ends a connection in the middle of a build.
type cutReader struct {
	io.Reader
	after int
	cut   func()
}

func (r *cutReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.after -= n; r.after < 0 {
		r.cut()
	}
	return n, err
}

func TestAConnectionLostDuringReceiveLeavesTheServerAsItWas(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1")
	relay := startRelay(t, sshd.address())
	c.configure(t, fmt.Sprintf("Host h1\n  HostName 127.0.0.1\n  Port %d\n  HostKeyAlias h1\n", relay.port))
	write(t, c.known, "h1 "+sshd.publicKey(t)+"\n")
	root := t.TempDir()
	s := c.dialAt(t, "h1", root)

	build := hosttest.Make(t, "v1", hosttest.File("noise", noise(4<<20)))
	cut := &cutReader{Reader: build.Reader(), after: 1 << 20, cut: relay.cut}
	_, err := s.Receive(t.Context(), build.Record, cut, nil)
	e := hosttest.RequireKind(t, err, host.KindUnreachable)
	assert.Contains(t, e.Message, "h1: connection lost")
	assert.NoDirExists(t, filepath.Join(root, "releases", "v1"))

	// The next operation connects anew.
	receipt, err := s.Receive(t.Context(), build.Record, build.Reader(), nil)
	require.NoError(t, err)
	assert.False(t, receipt.Already)
	assert.DirExists(t, filepath.Join(root, "releases", "v1"))
}

// noise does not get smaller by compression.
func noise(n int) string {
	out := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x)
	}
	return string(out)
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	c := newClient(t)
	sshd := c.serve(t, "h1")
	before := runtime.NumGoroutine()
	for range 3 {
		s, err := c.try(t, "h1")
		require.NoError(t, err)
		look(t, s)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "a second time does nothing")
		_, err = s.Look(t.Context(), host.Service{})
		hosttest.RequireKind(t, err, host.KindUnreachable)
	}
	// One more: the condition has a goroutine of its own.
	if !assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, 10*time.Millisecond) {
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	}
	require.Eventually(t, func() bool { return len(descendants(sshd.pid)) == 0 }, 10*time.Second, 10*time.Millisecond)
}

func portOf(a net.Addr) string { return fmt.Sprint(a.(*net.TCPAddr).Port) }
