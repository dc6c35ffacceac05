package console

import (
	"context"
	"sync"
	"time"
)

// What a tail keeps for its readers, and what it sends them at once.
const (
	windowBytes = 1 << 20
	chunkLines  = 500
	chunkBytes  = 64 << 10
)

// chunk is a run of lines, encoded as readers are sent them.
type chunk struct {
	first int
	ends  []int // of each line in data
	data  []byte
}

func (c *chunk) last() int { return c.first + len(c.ends) - 1 }

func (c *chunk) full() bool { return len(c.ends) >= chunkLines || len(c.data) >= chunkBytes }

// after is what follows the line.
func (c *chunk) after(line int) []byte {
	if line < c.first {
		return c.data
	}
	return c.data[c.ends[line-c.first]:]
}

// tail follows one console for all who read it.
type tail struct {
	source Source
	id     string
	stop   context.CancelFunc

	mu      sync.Mutex
	readers int
	lines   lines
	chunks  []*chunk
	size    int
	page    View // the newest lines, for those who come
	ready   bool // what was there at the start has been read
	over    bool
	changed chan struct{} // closed at the next change
}

func newTail(source Source, id string) *tail {
	t := &tail{source: source, id: id, changed: make(chan struct{})}
	t.lines.each = t.add
	return t
}

// run reads until the build is over or ctx ends.
func (t *tail) run(ctx context.Context, poll time.Duration) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var offset int64
	for {
		piece, err := t.source(ctx, t.id, offset)
		if ctx.Err() != nil {
			return
		}
		grew := err == nil && piece.Next > offset
		if grew {
			offset = piece.Next
		}
		if t.take(piece, err, grew) {
			return
		}
		if grew && !t.caughtUp() {
			continue // a long console comes in several pieces
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// take adds a piece, and says whether it was the last.
func (t *tail) take(piece Piece, err error, grew bool) (over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ready := t.ready
	if grew {
		t.lines.feed(piece.Text)
	}
	t.ready = t.ready || !grew || piece.Over
	// An over build with more to read is read on.
	t.over = piece.Over && (!grew || err != nil)
	if t.over {
		t.lines.close()
	}
	if grew || t.over || t.ready != ready {
		close(t.changed)
		t.changed = make(chan struct{})
	}
	return t.over
}

func (t *tail) caughtUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ready
}

// add puts a line into the last chunk; the oldest chunks go.
func (t *tail) add(number int, html []byte) {
	t.page.add(number, html)
	n := len(t.chunks)
	if n == 0 || t.chunks[n-1].full() {
		t.chunks = append(t.chunks, &chunk{first: number})
		n++
	}
	c := t.chunks[n-1]
	before := len(c.data)
	c.data = append(c.data, "data: "...)
	c.data = append(c.data, html...)
	c.data = append(c.data, '\n')
	c.ends = append(c.ends, len(c.data))
	t.size += len(c.data) - before
	for t.size > windowBytes && len(t.chunks) > 1 {
		t.size -= len(t.chunks[0].data)
		t.chunks = t.chunks[1:]
	}
}

// batch is what a reader gets at once.
type batch struct {
	data    []byte // lines; may be empty
	last    int    // number of the last of them
	skipped int    // lines that the reader was too slow for
	over    bool
	changed <-chan struct{}
}

// after is what comes after a line. Who is behind the window goes on at its end.
func (t *tail) after(line int) batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := batch{last: line, over: t.over, changed: t.changed}
	if len(t.chunks) == 0 || line >= t.lines.count {
		return b
	}
	if first := t.chunks[0].first; line+1 < first {
		newest := t.chunks[len(t.chunks)-1]
		b.skipped = newest.first - 1 - line
		line = newest.first - 1
	}
	for _, c := range t.chunks {
		if c.last() > line {
			// It may grow while this is sent, but only behind its present end.
			b.data, b.last = c.after(line), c.last()
			break
		}
	}
	return b
}

// view is a copy of the newest lines.
func (t *tail) view() (v *View, ready bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	page := t.page
	page.html = append([][]byte(nil), t.page.html...)
	page.Steps = append([]Step(nil), t.lines.steps...)
	page.Total = t.lines.count
	return &page, t.ready || t.over, t.changed
}
