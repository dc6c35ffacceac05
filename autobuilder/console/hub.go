package console

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Hub lets any number of readers follow the consoles of builds, each of which is
// fetched once, by its tail.
type Hub struct {
	source Source
	poll   time.Duration
	ctx    context.Context //nolint:containedctx // of the tails, which outlive the requests that start them

	mu    sync.Mutex
	tails map[string]*tail
	parts sync.WaitGroup
}

// linger is how long a tail goes on when nobody reads: who has just got the page
// asks for the stream next.
const linger = 5 * time.Second

// keepAlive is how often something is sent when there is nothing to say, so that
// neither side thinks the other gone.
const keepAlive = 20 * time.Second

// NewHub makes a Hub whose tails read every poll. They end with ctx.
func NewHub(ctx context.Context, source Source, poll time.Duration) *Hub {
	return &Hub{source: source, poll: poll, ctx: ctx, tails: map[string]*tail{}}
}

// Wait returns when all tails have ended.
func (h *Hub) Wait() { h.parts.Wait() }

// join gives the tail of a build, which is started if there is none.
func (h *Hub) join(id string) *tail {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tails[id]
	if t == nil {
		t = newTail(h.source, id)
		var ctx context.Context
		ctx, t.stop = context.WithCancel(h.ctx)
		h.tails[id] = t
		h.parts.Go(func() { t.run(ctx, h.poll) })
	}
	t.readers++
	return t
}

// leave ends a tail that nobody reads any more, after a while.
func (h *Hub) leave(t *tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.readers--
	if t.readers > 0 {
		return
	}
	time.AfterFunc(linger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if t.readers == 0 && h.tails[t.id] == t {
			delete(h.tails, t.id)
			t.stop()
		}
	})
}

// View is the end of a console that is still written.
func (h *Hub) View(ctx context.Context, id string) (*View, error) {
	t := h.join(id)
	defer h.leave(t)
	for {
		v, ready, changed := t.view()
		if ready {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("read console: %w", ctx.Err())
		case <-changed:
		}
	}
}

// Send gives a reader some server-sent events, in parts that belong together.
type Send func(parts ...[]byte) error

// Follow sends the lines after the given one as they are written, as events
// "lines" whose id is the number of the last of them; "skip" with the number of
// lines that the reader was too slow for; and "end". It returns when the build is
// over, ctx ends or send fails. A reader that does not read holds up nobody.
func (h *Hub) Follow(ctx context.Context, id string, line int, send Send) error {
	t := h.join(id)
	defer h.leave(t)
	pace := time.NewTicker(h.poll)
	defer pace.Stop()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		b := t.after(line)
		line = b.last
		if err := b.send(send); err != nil || b.over && len(b.data) == 0 {
			return err
		}
		next := b.changed
		if len(b.data) > 0 {
			next = nil // at most one batch each time, whatever the build writes
		}
		if err := h.pause(ctx, next, pace.C, alive.C, send); err != nil {
			return err
		}
	}
}

// pause waits for news or, without, for the reader's turn.
func (h *Hub) pause(ctx context.Context, news <-chan struct{}, pace, alive <-chan time.Time, send Send) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.ctx.Done():
			return h.ctx.Err()
		case <-news:
			return nil
		case <-pace:
			if news == nil {
				return nil
			}
		case <-alive:
			if err := send([]byte(": still here\n\n")); err != nil {
				return err
			}
		}
	}
}

func (b batch) send(send Send) error {
	var parts [][]byte
	if b.skipped > 0 {
		parts = append(parts, fmt.Appendf(nil, "event: skip\ndata: %d\n\n", b.skipped))
	}
	switch {
	case len(b.data) > 0:
		parts = append(parts, fmt.Appendf(nil, "id: %d\nevent: lines\n", b.last), b.data, []byte("\n"))
	case b.over:
		parts = append(parts, []byte("event: end\ndata: over\n\n"))
	}
	if len(parts) == 0 {
		return nil
	}
	return send(parts...)
}
