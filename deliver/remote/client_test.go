package remote_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/blake2b"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/inventory"
	"deliver/remote"
	"deliver/sshdtest"
)

// client is somebody who delivers: keys, known_hosts and an ssh_config.
type client struct {
	dir        string
	key        string // identity file
	authorized string // authorized_keys that lets key in
	known      string // known_hosts
	config     string // ssh_config
	opts       remote.Options
}

func newClient(t testing.TB) *client {
	t.Helper()
	dir := t.TempDir()
	c := &client{
		dir: dir, key: filepath.Join(dir, "id_ed25519"), authorized: filepath.Join(dir, "authorized_keys"),
		known: filepath.Join(dir, "known_hosts"), config: filepath.Join(dir, "ssh_config"),
	}
	keygen(t, "-t", "ed25519", "-N", "", "-f", c.key)
	write(t, c.authorized, read(t, c.key+".pub"))
	write(t, c.known, "")
	c.opts = remote.Options{ConfigFile: c.config, Helper: linkedHelper(t), Ramp: remote.NewRamp(8), ConnectTimeout: 20 * time.Second}
	c.configure(t)
	return c
}

// configure writes ssh_config: the blocks, then what holds for all hosts.
func (c *client) configure(t testing.TB, blocks ...string) {
	t.Helper()
	all := fmt.Sprintf("Host *\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n  IdentityAgent none\n", me(t), c.key, c.known)
	write(t, c.config, strings.Join(append(blocks, all), "\n"))
}

// reaches names a server in ssh_config.
func reaches(s *sshd, lines ...string) string {
	return fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n  %s\n", s.name, s.port, strings.Join(lines, "\n  "))
}

// serve starts a server that c reaches and knows.
func (c *client) serve(t testing.TB, name string, lines ...string) *sshd {
	t.Helper()
	s := startSSHD(t, name, c.authorized, lines...)
	c.configure(t, reaches(s))
	c.know(t, s)
	return s
}

func (c *client) know(t testing.TB, s *sshd) {
	t.Helper()
	write(t, c.known, read(t, c.known)+fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, s.publicKey(t)))
}

func (c *client) try(t testing.TB, name string) (*remote.Server, error) {
	t.Helper()
	return c.tryAt(t, name, filepath.Join(t.TempDir(), "app"))
}

func (c *client) tryAt(t testing.TB, name, root string) (*remote.Server, error) {
	t.Helper()
	s, err := remote.Dial(context.Background(), inventory.Host{Name: name}, host.Place{App: "shop", Root: root}, c.opts)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func (c *client) dial(t testing.TB, name string) *remote.Server {
	t.Helper()
	s, err := c.try(t, name)
	require.NoError(t, err)
	return s
}

func (c *client) dialAt(t testing.TB, name, root string) *remote.Server {
	t.Helper()
	s, err := c.tryAt(t, name, root)
	require.NoError(t, err)
	return s
}

// refused dials and wants an error of that kind, which starts with the host's name.
func (c *client) refused(t *testing.T, name string, kind host.Kind) *host.Error {
	t.Helper()
	_, err := c.try(t, name)
	e := hosttest.RequireKind(t, err, kind)
	require.True(t, strings.HasPrefix(e.Message, name+": "), "%q does not start with the host's name", e.Message)
	return e
}

// look is an operation that goes all the way.
func look(t *testing.T, s *remote.Server) host.State {
	t.Helper()
	state, err := s.Look(t.Context(), host.Service{Manager: "none"})
	require.NoError(t, err)
	return state
}

// linkedHelper is a few bytes that run this test binary, so that putting it on
// a server costs nothing.
func linkedHelper(t testing.TB) remote.Helper {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return linkedTo(self)
}

func linkedTo(program string) remote.Helper {
	return func(string, string) (remote.Binary, error) {
		return binary([]byte("#!/bin/sh\nexec '" + program + "' \"$@\"\n")), nil
	}
}

func binary(text []byte) remote.Binary {
	sum, fast := sha256.Sum256(text), blake2b.Sum512(text)
	return remote.Binary{
		SHA256: hex.EncodeToString(sum[:]), BLAKE2b: hex.EncodeToString(fast[:]), Size: int64(len(text)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
	}
}

func TestAServerOverSSHDoesWhatEveryServerDoes(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.Helper = linkedTo(inside(t, sshdtest.Helpers(t), runtime.GOARCH)) // what users have there
	c.serve(t, "h1")
	hosttest.Run(t, func(t *testing.T) (host.Server, string) {
		root := t.TempDir()
		return c.dialAt(t, "h1", root), root
	})
}

func TestOneConnectionServesTheWholeRun(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1")
	s := c.dial(t, "h1")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := s.Look(t.Context(), host.Service{Manager: "none"})
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.Equal(t, 1, sshd.logged(t, "Accepted publickey"))
}
