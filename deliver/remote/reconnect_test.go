package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/remote"
)

// relayed reaches a server through a line that can be cut.
func relayed(t *testing.T) (*client, *sshd, *relay) {
	t.Helper()
	c := newClient(t)
	sshd := c.serve(t, "h1")
	relay := startRelay(t, sshd.address())
	c.configure(t, fmt.Sprintf("Host h1\n  HostName 127.0.0.1\n  Port %d\n  HostKeyAlias h1\n", relay.port))
	write(t, c.known, "h1 "+sshd.publicKey(t)+"\n")
	return c, sshd, relay
}

func TestALostConnectionIsMadeAnew(t *testing.T) {
	t.Parallel()
	c, sshd, relay := relayed(t)
	s := c.dial(t, "h1")
	for range 3 {
		look(t, s)
		relay.cut()
	}
	look(t, s)
	assert.GreaterOrEqual(t, sshd.logged(t, "Accepted publickey"), 4)
}

func TestAConnectionMadeAnewChecksTheHostKeyAgain(t *testing.T) {
	t.Parallel()
	c, sshd, relay := relayed(t)
	s := c.dial(t, "h1")
	look(t, s)
	other := filepath.Join(c.dir, "other")
	keygen(t, "-t", "ed25519", "-N", "", "-f", other)
	write(t, c.known, "h1 "+publicKey(t, other)+"\n")
	relay.cut()
	var err error
	require.Eventually(t, func() bool {
		_, err = s.Look(t.Context(), host.Service{Manager: "none"})
		var e *host.Error
		return errors.As(err, &e) && e.Kind == host.KindHostKey
	}, 30*time.Second, time.Millisecond)
	assert.ErrorContains(t, err, fingerprint(t, sshd.hostKey))
}

func TestAServerThatIsGoneForGood(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1")
	s := c.dial(t, "h1")
	look(t, s)
	sshd.signalSessions(t, syscall.SIGKILL)
	require.NoError(t, syscall.Kill(sshd.pid, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		_, err := s.Look(t.Context(), host.Service{})
		return strings.Contains(hosttest.RequireKind(t, err, host.KindUnreachable).Message, "connection refused")
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, s.Close())
}

// stopping stops a server's sessions when some of the build was read.
type stopping struct {
	io.Reader
	after int
	once  sync.Once
	stop  func()
}

func (r *stopping) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.after -= n; r.after < 0 {
		r.once.Do(r.stop)
	}
	return n, err
}

func TestADeadlineHoldsWhileABuildIsStuckOnTheWay(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.KeepAlive = time.Hour // no keep-alive comes to help
	sshd := c.serve(t, "h1")
	s := c.dial(t, "h1")
	look(t, s)
	build := hosttest.Make(t, "v1", hosttest.File("noise", noise(32<<20)))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	late := errors.New("too late")
	body := &stopping{Reader: build.Reader(), after: 1 << 20, stop: func() {
		sshd.signalSessions(t, syscall.SIGSTOP)
		time.AfterFunc(200*time.Millisecond, func() { cancel(late) })
	}}
	_, err := s.Receive(ctx, build.Record, body, nil)
	require.ErrorIs(t, err, late)
	require.NoError(t, s.Close())
}

func TestAnInterruptedReceiveLeavesNothing(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	root := t.TempDir()
	s := c.dialAt(t, "h1", root)
	build := hosttest.Make(t, "v1", hosttest.File("noise", noise(4<<20)))
	ctx, cancel := context.WithCancel(t.Context())
	body := &stopping{Reader: build.Reader(), after: 1 << 20, stop: cancel}
	_, err := s.Receive(ctx, build.Record, body, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.NoDirExists(t, filepath.Join(root, "releases", "v1"))
	look(t, s)
}

func TestABuildThatCannotBeReadIsItsOwnError(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	s := c.dial(t, "h1")
	build := hosttest.Make(t, "v1", hosttest.File("noise", noise(1<<20)))
	broken := errors.New("the disk is broken")
	_, err := s.Receive(t.Context(), build.Record, io.MultiReader(bytes.NewReader(build.Zstd[:1000]), failing{broken}), nil)
	require.ErrorIs(t, err, broken)
	receipt, err := s.Receive(t.Context(), build.Record, build.Reader(), nil)
	require.NoError(t, err)
	assert.Equal(t, int64(len(build.Zstd)), receipt.Bytes)
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func TestAServerThatAllowsOneSessionAtATime(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1", "MaxSessions 1")
	s := c.dial(t, "h1")
	for range 20 {
		look(t, s)
	}
}

func TestAServerThatAllowsNoSession(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1", "MaxSessions 0")
	_, err := c.dial(t, "h1").Look(t.Context(), host.Service{})
	assert.Contains(t, hosttest.RequireKind(t, err, host.KindUnreachable).Message, "open failed")
}

func TestAnIPv6Address(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := startSSHD(t, "h1", c.authorized, "ListenAddress ::1")
	c.configure(t, fmt.Sprintf("Host h1\n  HostName ::1\n  Port %d\n", sshd.port))
	c.opts.HostKeys = remote.AcceptNew
	if _, err := c.try(t, "h1"); err != nil && strings.Contains(err.Error(), "cannot assign requested address") {
		lacking(t, "IPv6")
	}
	assert.Contains(t, read(t, c.known), fmt.Sprintf("[::1]:%d ", sshd.port))
	c.opts.HostKeys = remote.Strict
	look(t, c.dial(t, "h1"))
}

func TestTheAgentOfTheEnvironment(t *testing.T) {
	c := newClient(t)
	sshd := c.serve(t, "h1")
	t.Setenv("SSH_AUTH_SOCK", agent(t, c.key))
	write(t, c.config, fmt.Sprintf("%s\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n", reaches(sshd), me(t), filepath.Join(c.dir, "none"), c.known))
	c.dial(t, "h1")
	write(t, c.config, read(t, c.config)+"  IdentityAgent none\n")
	c.refused(t, "h1", host.KindAuth)
}

func TestAHelperBesideTheProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	beside := filepath.Join(filepath.Dir(self), "deliver-plan9-amd64")
	write(t, beside, "for plan 9")
	t.Cleanup(func() { os.Remove(beside) })
	b, err := remote.Executable()("plan9", "amd64")
	require.NoError(t, err)
	assert.Equal(t, binary([]byte("for plan 9")).SHA256, b.SHA256)
	assert.EqualValues(t, 10, b.Size)
	mine, err := remote.Executable()(runtime.GOOS, runtime.GOARCH)
	require.NoError(t, err)
	assert.Equal(t, binary([]byte(read(t, self))).SHA256, mine.SHA256)
}

func TestAcceptNewWithoutAFileToRememberIn(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := startSSHD(t, "h1", c.authorized)
	c.configure(t, reaches(sshd, "UserKnownHostsFile none"))
	c.opts.HostKeys = remote.AcceptNew
	assert.Contains(t, c.refused(t, "h1", host.KindHostKey).Message, "not known")
}
