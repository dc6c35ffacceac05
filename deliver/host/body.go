package host

import (
	"context"
	"sync"
)

// body is what comes in after a request, as the far side's operation reads it:
// others are served while it reads slowly.
type body struct {
	ctx  context.Context //nolint:containedctx // of one request
	took func(n int)     // lets as much more come

	mu     sync.Mutex
	parts  [][]byte
	size   int
	bell   chan struct{}
	err    error // what comes after the parts
	unsaid int   // read since took was called
}

func newBody(ctx context.Context, took func(int)) *body {
	return &body{ctx: ctx, took: took, bell: make(chan struct{}, 1)}
}

// add is told what has come; false: more than was allowed.
func (b *body) add(part []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.parts = append(b.parts, part)
		b.size += len(part)
	}
	b.ring()
	return b.size <= bodyWindow
}

// end is told that no more comes, and why.
func (b *body) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.ring()
}

func (b *body) ring() {
	select {
	case b.bell <- struct{}{}:
	default:
	}
}

// Read waits for what comes.
func (b *body) Read(p []byte) (int, error) {
	for {
		n, err := b.read(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-b.bell:
		case <-b.ctx.Done():
			return 0, context.Cause(b.ctx)
		}
	}
}

// read takes of what is there.
func (b *body) read(p []byte) (int, error) {
	n, due, err := b.take(p)
	if due > 0 {
		b.took(due)
	}
	return n, err
}

func (b *body) take(p []byte) (n, due int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.parts) == 0 {
		return 0, 0, b.err
	}
	n = copy(p, b.parts[0])
	if b.parts[0] = b.parts[0][n:]; len(b.parts[0]) == 0 {
		b.parts = b.parts[1:]
	}
	b.size -= n
	if b.unsaid += n; b.unsaid >= bodyWindow/4 && b.err == nil {
		due, b.unsaid = b.unsaid, 0
	}
	return n, due, nil
}
