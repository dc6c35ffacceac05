package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/console"
)

// reader is a browser that follows a console.
type reader struct {
	mu      sync.Mutex
	lines   []int // numbers, as they came
	skipped int
	ended   bool
	gate    chan struct{} // nil: it reads at once
}

var lineNumber = regexp.MustCompile(`id="L(\d+)"`)

func (r *reader) send(parts ...[]byte) error {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text := string(bytes.Join(parts, nil))
	for _, m := range lineNumber.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		r.lines = append(r.lines, n)
	}
	if _, after, ok := strings.Cut(text, "event: skip\ndata: "); ok {
		number, _, _ := strings.Cut(after, "\n")
		n, _ := strconv.Atoi(number)
		r.skipped += n
	}
	r.ended = r.ended || strings.Contains(text, "event: end")
	return nil
}

func (r *reader) got() (lines []int, skipped int, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]int(nil), r.lines...), r.skipped, r.ended
}

const patient = 30 * time.Second

func hub(t *testing.T, s *source) *console.Hub {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	h := console.NewHub(ctx, s.read, time.Millisecond)
	t.Cleanup(func() {
		stop()
		h.Wait()
	})
	return h
}

func TestManyReadersAreOneReading(t *testing.T) {
	t.Parallel()
	s := &source{}
	h := hub(t, s)
	readers := make([]*reader, 50)
	var parts sync.WaitGroup
	for i := range readers {
		readers[i] = &reader{}
		parts.Go(func() { assert.NoError(t, h.Follow(t.Context(), "b1", 0, readers[i].send)) })
	}
	for n := range 100 {
		s.write(fmt.Sprintf("line %d\n", n))
	}
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.reads > 20 }, patient, time.Millisecond)
	s.end()
	parts.Wait()
	for _, r := range readers {
		lines, skipped, ended := r.got()
		require.Len(t, lines, 100)
		assert.Equal(t, []int{1, 100}, []int{lines[0], lines[99]})
		assert.Zero(t, skipped)
		assert.True(t, ended)
	}
}

// A reader that does not read keeps neither the build's other readers nor the
// tail: it goes on at the end, and is told how much it missed.
func TestASlowReaderSkips(t *testing.T) {
	t.Parallel()
	s := &source{}
	h := hub(t, s)
	fast, slow := &reader{}, &reader{gate: make(chan struct{})}
	var parts sync.WaitGroup
	for _, r := range []*reader{fast, slow} {
		parts.Go(func() { assert.NoError(t, h.Follow(t.Context(), "b1", 0, r.send)) })
	}
	const most = 40_000
	line := strings.Repeat("x", 60) + "\n"
	s.write(line)
	for written := 1; written < most; written += 500 {
		s.write(strings.Repeat(line, 500))
		require.Eventually(t, func() bool {
			lines, skipped, _ := fast.got()
			return len(lines)+skipped > written
		}, patient, time.Millisecond, "the fast one has all so far")
	}
	close(slow.gate)
	s.end()
	parts.Wait()
	lines, skipped, _ := fast.got()
	assert.Zero(t, skipped)
	assert.Greater(t, len(lines), most-500)
	lines, skipped, ended := slow.got()
	assert.True(t, ended)
	assert.Greater(t, skipped, most/2)
	assert.Less(t, len(lines), most/4)
	all := len(lines) + skipped
	assert.Equal(t, lines[len(lines)-1], all, "what it has and what it missed is all")
}

func TestAReaderThatGoesAwayIsLetGo(t *testing.T) {
	t.Parallel()
	s := &source{}
	h := hub(t, s)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Follow(ctx, "b1", 0, (&reader{}).send) }()
	leave()
	require.ErrorIs(t, <-done, context.Canceled)
	s.write("x\n")
	broken := errors.New("broken pipe")
	require.ErrorIs(t, h.Follow(t.Context(), "b1", 0, func(...[]byte) error { return broken }), broken)
}

func TestThePageOfARunningBuildIsOfTheSameTail(t *testing.T) {
	t.Parallel()
	s := &source{piece: 64}
	for n := range 2000 {
		s.write(fmt.Sprintf("line %d\n", n+1))
	}
	h := hub(t, s)
	v, err := h.View(t.Context(), "b1")
	require.NoError(t, err)
	assert.Equal(t, 2000, v.Last, "all that is there, however many pieces it takes")
	r := &reader{}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go func() { _ = h.Follow(ctx, "b1", v.Last, r.send) }()
	s.write("the next\n")
	require.Eventually(t, func() bool { lines, _, _ := r.got(); return len(lines) == 1 && lines[0] == 2001 }, patient, time.Millisecond)
}
