package host_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// gated is a body that stops in its middle until it is let go on.
func gated(b hosttest.Build) (body io.Reader, reached <-chan struct{}, letGo func()) {
	at, gate := make(chan struct{}), make(chan struct{})
	middle := len(b.Zstd) / 2
	stop := &waiting{at: at, gate: gate}
	return io.MultiReader(io.LimitReader(b.Reader(), int64(middle)), stop, readerFrom(b, middle)), at, sync.OnceFunc(func() { close(gate) })
}

func readerFrom(b hosttest.Build, n int) io.Reader {
	r := b.Reader()
	_, _ = io.CopyN(io.Discard, r, int64(n))
	return r
}

// waiting is empty, after a while.
type waiting struct {
	at, gate chan struct{}
	once     sync.Once
}

func (w *waiting) Read([]byte) (int, error) {
	w.once.Do(func() { close(w.at) })
	<-w.gate
	return 0, io.EOF
}

func TestOthersAreServedWhileABodyComesIn(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	client := newClient(t, root)
	claimed, err := client.Claim(t.Context(), host.Claim{Run: "r1", TTL: time.Minute})
	require.NoError(t, err)
	require.True(t, claimed.Granted)
	b := numbered(t, "v1", 50)
	body, reached, letGo := gated(b)
	defer letGo()
	received := make(chan error, 1)
	go func() {
		_, err := client.Receive(t.Context(), b.Record, body, nil)
		received <- err
	}()
	<-reached
	for range 3 {
		renewed, err := client.Claim(t.Context(), host.Claim{Run: "r1", TTL: time.Minute, Renew: true})
		require.NoError(t, err)
		assert.True(t, renewed.Granted)
	}
	assert.Empty(t, received)
	letGo()
	require.NoError(t, <-received)
	requireWhole(t, root, "v1", 50)
}

func TestABodyThatIsGivenUpEndsOnTheFarSideToo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	client := newClient(t, root)
	b := numbered(t, "v1", 50)
	body, reached, letGo := gated(b)
	ctx, cancel := context.WithCancel(t.Context())
	received := make(chan error, 1)
	go func() {
		_, err := client.Receive(ctx, b.Record, body, nil)
		received <- err
	}()
	<-reached
	cancel()
	letGo()
	require.ErrorIs(t, <-received, context.Canceled)
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(filepath.Join(root, ".deliver/incoming"))
		return err == nil && len(left) == 0
	}, 20*time.Second, 5*time.Millisecond, "what came is discarded while the conversation goes on")
	_, err := client.Look(t.Context(), host.Service{Manager: "none"})
	require.NoError(t, err)
}

func TestAConversationThatIsLostIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var sessions []*processSession
	client := clientAt(t, root, func(ctx context.Context) (host.Session, error) {
		s, err := farProcess{}.open(ctx)
		if err == nil {
			sessions = append(sessions, s.(*processSession))
		}
		return s, err
	})
	b := numbered(t, "v1", 50)
	body, reached, letGo := gated(b)
	received := make(chan error, 1)
	go func() {
		_, err := client.Receive(t.Context(), b.Record, body, nil)
		received <- err
	}()
	<-reached
	require.NoError(t, sessions[0].cmd.Process.Kill())
	letGo()
	hosttest.RequireKind(t, <-received, host.KindUnreachable)
	_, err := client.Receive(t.Context(), b.Record, b.Reader(), nil)
	require.NoError(t, err)
	_, err = client.Switch(t.Context(), "v1", "")
	require.NoError(t, err)
	assert.Len(t, sessions, 2, "one for all that follows")
}

// dying is a far side whose machine gives no sign of life.
type dying struct {
	*pipeSession
	asked chan struct{}
	once  sync.Once
}

func (d *dying) Alive(context.Context) bool {
	d.once.Do(func() {
		close(d.asked)
		_ = d.Close()
	})
	return false
}

func TestARequestWithoutAnAnswerIsDoubted(t *testing.T) {
	t.Parallel()
	in, near := io.Pipe()
	out, far := io.Pipe()
	defer far.Close()
	go func() { _, _ = io.Copy(io.Discard, in) }()
	silent := &dying{pipeSession: &pipeSession{Reader: out, in: near, out: out}, asked: make(chan struct{})}
	client := clientOf(silent)
	err := client.Restart(t.Context(), host.Service{Manager: "none"})
	hosttest.RequireKind(t, err, host.KindUnreachable)
	<-silent.asked
}
