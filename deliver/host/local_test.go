package host_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	hosttest.Run(t, func(t *testing.T) (host.Server, string) {
		root := t.TempDir()
		return newLocal(t, root), root
	})
}

func TestClientOverPipe(t *testing.T) {
	t.Parallel()
	hosttest.Run(t, func(t *testing.T) (host.Server, string) {
		root := t.TempDir()
		return newClient(t, root), root
	})
}

func newLocal(t testing.TB, root string) *host.Local {
	t.Helper()
	local, err := host.NewLocal(host.Place{App: "shop", Root: root})
	require.NoError(t, err)
	return local
}

// newClient is a Client whose far side is Serve in this process.
func newClient(t testing.TB, root string) *host.Client {
	t.Helper()
	far := &farSide{}
	t.Cleanup(far.wait)
	return host.NewClient(host.Place{App: "shop", Root: root}, far.open)
}

// farSide runs a Serve for each session.
type farSide struct{ sessions sync.WaitGroup }

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
func (s *pipeSession) CloseWrite() error           { return s.in.Close() }

func (s *pipeSession) Close() error {
	return errors.Join(s.in.Close(), s.out.Close())
}
