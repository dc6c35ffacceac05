// Package labtest starts for tests the real programs that autobuilder works with:
// a browser, a chat bot, monitors. Of a pager there is only a stand-in.
package labtest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	patient = 60 * time.Second
	tick    = 20 * time.Millisecond
)

// Lacks skips a test for want of something, except where nothing may be skipped.
func Lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
		t.Fatalf("this machine lacks %s: lab/requirements --install test", what)
	}
	t.Skipf("this machine lacks %s", what)
}

// Program is where a program is, which the test needs.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Lacks(t, name)
	}
	return path
}

// Free are addresses of this machine that nobody listens on. Another may take them
// meanwhile: who uses them says so.
func Free(t testing.TB, n int) []string {
	t.Helper()
	addresses := make([]string, n)
	for i := range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		addresses[i] = listener.Addr().String()
	}
	return addresses
}

// Log is what a program says; it may be read while it is written.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to it.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Says tells whether the words stand in it.
func (l *Log) Says(words string) bool { return strings.Contains(l.String(), words) }

// start runs a program until the test ends; what it said is shown if that failed.
func start(t testing.TB, cmd *exec.Cmd) *Log {
	t.Helper()
	said := &Log{}
	cmd.Stdout, cmd.Stderr = said, said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said)
		}
	})
	return said
}

// listens waits until somebody does at the address.
func listens(t testing.TB, address string) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, patient, tick, "somebody listens at %s", address)
}

func portOf(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}
