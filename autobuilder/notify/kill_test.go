package notify_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
	"autobuilder/notify"
)

// The test's program is one that tells what is in a ledger, where both are named.
const (
	tellerLedger = "AUTOBUILDER_TEST_TELLER_LEDGER"
	tellerURL    = "AUTOBUILDER_TEST_TELLER_URL"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(tellerLedger); path != "" {
		os.Exit(tell(path, os.Getenv(tellerURL)))
	}
	os.Exit(m.Run())
}

func tell(path, url string) int {
	book, err := ledger.Open(context.Background(), path)
	if err == nil {
		err = notify.Run(context.Background(), options(book, map[string]notify.Sink{"ops": notify.Webhook{URL: url, Secret: []byte("k")}}))
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// killer is a place that kills who tells it, in the middle of some requests:
// before it has heard them, or after.
type killer struct {
	mu     sync.Mutex
	victim *os.Process
	calls  int
	kills  int
	heard  []int64
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	before, after := k.calls%7 == 3, k.calls%7 == 6
	if !before {
		seq, _ := strconv.ParseInt(r.Header.Get("X-Autobuilder-Delivery"), 10, 64)
		k.heard = append(k.heard, seq)
	}
	if before || after {
		k.kills++
		_ = k.victim.Kill()
	}
	w.WriteHeader(http.StatusNoContent)
}

// untilKilled runs a teller until it is killed, or all is told.
func (k *killer) untilKilled(t *testing.T, path, url string, told func() bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), tellerLedger+"="+path, tellerURL+"="+url)
	k.mu.Lock()
	require.NoError(t, cmd.Start())
	k.victim = cmd.Process
	k.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it was killed
		close(ended)
	}()
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			return true
		default:
			return told()
		}
	}, patient, tick)
	_ = cmd.Process.Kill()
	<-ended
}

func TestNothingIsLostWhenAutobuilderIsKilled(t *testing.T) {
	t.Parallel()
	k := &killer{}
	place := serve(t, k)
	s := newStage(t, map[string]notify.Sink{"ops": notify.Webhook{}})
	path := filepath.Join(t.TempDir(), "ledger.db")
	book, err := ledger.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, book.Close()) })
	s.book = book
	s.names()
	for i := range 6 {
		id := fmt.Sprintf("b%d", i)
		s.add(id, fmt.Sprintf("%040d", i))
		s.move(id, build.Running, "")
		s.move(id, build.Succeeded, "")
	}
	told := func() bool {
		left, err := book.Backlogs(t.Context())
		return err == nil && left[0].Letters == 0
	}
	for !told() {
		k.untilKilled(t, path, place, told)
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	events, err := book.Events(t.Context(), "", 100)
	require.NoError(t, err)
	require.Len(t, events, 18)
	count, last := map[int64]int{}, map[string]int64{}
	threads := map[int64]string{}
	for _, e := range events {
		threads[e.Seq] = e.Thread
	}
	for _, seq := range k.heard {
		count[seq]++
		assert.LessOrEqual(t, last[threads[seq]], seq, "each thread in its order")
		last[threads[seq]] = seq
	}
	assert.Len(t, count, 18, "all was told")
	assert.GreaterOrEqual(t, k.kills, 4)
	assert.LessOrEqual(t, len(k.heard), 18+k.kills, "twice only what it was killed in, under the same delivery")
}
