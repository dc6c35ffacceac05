package host_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"deliver/host"
)

// newClient is a Client whose far side is Serve in this process.
func newClient(t testing.TB, root string) *host.Client {
	t.Helper()
	return clientAt(t, root, newFarSide(t).open)
}

// clientAt is a Client that is closed when the test ends.
func clientAt(t testing.TB, root string, open func(context.Context) (host.Session, error)) *host.Client {
	t.Helper()
	client := host.NewClient(host.Place{App: "shop", Root: root}, open)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// farSide runs a Serve for each session.
type farSide struct{ sessions sync.WaitGroup }

func newFarSide(t testing.TB) *farSide {
	far := &farSide{}
	t.Cleanup(far.wait)
	return far
}

func (f *farSide) open(ctx context.Context) (host.Session, error) {
	farIn, in := io.Pipe()
	out, farOut := io.Pipe()
	f.sessions.Go(func() {
		err := host.Serve(context.WithoutCancel(ctx), farIn, farOut)
		farOut.CloseWithError(errors.Join(err, io.EOF))
		farIn.CloseWithError(io.ErrClosedPipe)
	})
	return &pipeSession{Reader: out, in: in, out: out}, nil
}

func (f *farSide) wait() { f.sessions.Wait() }

// pipeSession is this side's end.
type pipeSession struct {
	io.Reader
	in  *io.PipeWriter
	out *io.PipeReader
}

func (s *pipeSession) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s *pipeSession) Alive(context.Context) bool  { return true }

func (s *pipeSession) Close() error {
	return errors.Join(s.in.Close(), s.out.Close())
}

// noLinger keeps a binary with the race detector from sleeping for a second
// before it ends.
const noLinger = "GORACE=atexit_sleep_ms=0"

// farProcess runs `deliver host`, as this test's own binary has it, for each session.
type farProcess struct {
	binary     string // empty: this test's
	credential *syscall.Credential
}

func (f farProcess) open(context.Context) (host.Session, error) {
	cmd := exec.Command(cmp.Or(f.binary, testBinary()))
	cmd.Env = append(cmd.Environ(), "HOST_TEST_SERVE=1", noLinger)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: f.credential}
	return startSession(cmd)
}

// startSession is the session of a process that serves.
func startSession(cmd *exec.Cmd) (host.Session, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &processSession{Reader: out, in: in, cmd: cmd}, nil
}

// processSession ends as an SSH session does: its input ends, and whether the
// process does, too, is its own affair.
type processSession struct {
	io.Reader
	in    io.WriteCloser
	cmd   *exec.Cmd
	close sync.Once
}

func (s *processSession) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s *processSession) Alive(context.Context) bool  { return true }

func (s *processSession) Close() error {
	s.close.Do(func() {
		_ = s.in.Close()
		_ = s.cmd.Wait()
	})
	return nil
}

func nobody() *syscall.Credential { return &syscall.Credential{Uid: 65534, Gid: 65534} }

func asUser(c *syscall.Credential) *syscall.SysProcAttr { return &syscall.SysProcAttr{Credential: c} }

// publicDir is a directory that other users may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// publicBinary is this test's binary where other users may run it.
func publicBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(publicDir(t), "host.test")
	content, err := os.ReadFile(testBinary())
	if err == nil {
		err = os.WriteFile(path, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
