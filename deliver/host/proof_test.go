package host_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// unmanaged is an app that no service manager knows: processes of the test.
func unmanaged(t *testing.T) *managed {
	t.Helper()
	m := newManaged(t, "none")
	m.service = host.Service{Command: "true", Name: "shop"}
	return m
}

// start runs the test's app in dir and waits until it listens.
func (m *managed) start(t *testing.T, dir, binary string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("HOST_TEST_APP=127.0.0.1:%d", m.port))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { stop(cmd) })
	m.awaitListener(t)
	return cmd
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func (m *managed) awaitListener(t *testing.T) {
	t.Helper()
	eventually(t, func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// brief is a health check of the port that gives up soon.
func (m *managed) brief() host.Health {
	return host.Health{Port: m.port, Rise: 2, Interval: 20 * time.Millisecond, Deadline: 2 * time.Second}
}

func TestProofByWorkingDirectory(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	cmd := m.start(t, filepath.Join(m.root, "current"), testBinary())
	checked, err := m.check(t, m.brief(), "v1")
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)
	assert.Equal(t, cmd.Process.Pid, checked.PID)
	_, err = m.check(t, m.brief(), "v2")
	known := hosttest.RequireKind(t, err, host.KindOldRelease)
	assert.Contains(t, known.Message, fmt.Sprintf("pid %d, which runs from releases/v1", cmd.Process.Pid))
}

func TestProofByExecutable(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	binary := filepath.Join(m.root, "releases/v2/server")
	content, err := os.ReadFile(testBinary())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, content, 0o755))
	m.start(t, "/", binary)
	checked, err := m.check(t, m.brief(), "v2")
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)
}

func TestProofByArgument(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	m.start(t, "/", testBinary(), filepath.Join(m.root, "releases/v2/server.js"))
	checked, err := m.check(t, m.brief(), "v2")
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)
}

func TestProofByParent(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	m.start(t, filepath.Join(m.root, "releases/v2"), "sh", "-c", "(cd /; "+testBinary()+"); true")
	checked, err := m.check(t, m.brief(), "v2")
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)
	stopListener(t, checked.PID)
}

func stopListener(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func TestProofThroughCurrentIsThatOfTheStart(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	m.start(t, "/", testBinary(), filepath.Join(m.root, "current/server.js"))
	checked, err := m.check(t, m.brief(), "v1")
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)

	m.switchTo(t, "v2")
	_, err = m.check(t, m.brief(), "v2")
	assert.Contains(t, hosttest.RequireKind(t, err, host.KindOldRelease).Message, "before the switch")

	m.service = host.Service{Manager: "none"} // nobody was to restart it
	checked, err = m.check(t, m.brief(), "v2")
	require.NoError(t, err)
	assert.False(t, checked.Proven)
}

func TestProofOfAPrunedRelease(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	m.start(t, filepath.Join(m.root, "releases/v1"), testBinary())
	require.NoError(t, os.RemoveAll(filepath.Join(m.root, "releases/v1")))
	_, err := m.check(t, m.brief(), "v2")
	assert.Contains(t, hosttest.RequireKind(t, err, host.KindOldRelease).Message, "releases/v1")
}

func TestProofWhereTheRootIsALink(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(m.root, link))
	m.start(t, filepath.Join(link, "current"), testBinary())
	m.Local = newLocal(t, link)
	checked, err := m.check(t, m.brief(), "v1")
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)
}

func TestNoProofOfAProcessThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	mustBeRoot(t)
	m := unmanaged(t)
	public := publicDir(t)
	require.NoError(t, os.Chown(public, int(nobody().Uid), int(nobody().Gid)))
	client := clientAt(t, public, farProcess{publicBinary(t), nobody()}.open)
	b := numbered(t, "v1", 1)
	_, err := client.Receive(t.Context(), b.Record, b.Reader(), nil)
	require.NoError(t, err)
	m.start(t, filepath.Join(public, "releases/v1"), testBinary()) // as root
	checked, err := client.Check(t.Context(), m.brief(), host.Service{Manager: "none"}, "v1")
	require.NoError(t, err, "what cannot be seen is no failure")
	assert.False(t, checked.Proven)
	assert.Contains(t, checked.Detail, "root")
	assert.Contains(t, checked.Detail, "nobody")
}

func TestProcessesThatComeAndGoAreACrashLoop(t *testing.T) {
	t.Parallel()
	m := unmanaged(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	dir := filepath.Join(m.root, "releases/v1")
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, "timeout", "0.5", testBinary())
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // which timeout passes on
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), fmt.Sprintf("HOST_TEST_APP=127.0.0.1:%d", m.port))
			_ = cmd.Run()
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	h := m.brief()
	h.Rise, h.Deadline = 100_000, time.Minute
	_, err := m.check(t, h, "v1")
	hosttest.RequireKind(t, err, host.KindCrashLoop)
}
