package host

import (
	"errors"
	"io"
	"sync"
)

// conversation is the near side: many calls at once over one Session.
type conversation struct {
	session Session
	out     *frameWriter
	outbox  chan outgoing
	work    sync.WaitGroup

	mu     sync.Mutex
	calls  map[uint64]*call
	last   uint64        // number of a call
	lost   chan struct{} // closed when nothing more can be said or heard
	why    error         // set before lost is closed
	closed bool
}

// outgoing is a frame to be written.
type outgoing struct {
	frame
	written chan struct{}
}

func converse(session Session) *conversation {
	c := &conversation{
		session: session, out: newFrameWriter(session), outbox: make(chan outgoing),
		calls: map[uint64]*call{}, lost: make(chan struct{}),
	}
	c.work.Go(c.listen)
	c.work.Go(c.write)
	return c
}

// alive says whether there is somebody to talk to.
func (c *conversation) alive() bool {
	select {
	case <-c.lost:
		return false
	default:
		return true
	}
}

func (c *conversation) enter(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	call.id, call.conversation = c.last, c
	c.calls[call.id] = call
}

func (c *conversation) leave(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, call.id)
}

// say waits until a frame is written, the conversation is lost, or it is over
// for whoever says it. A far side that could not start has an answer of its
// own, which says more than a failure to write to it.
func (c *conversation) say(over <-chan struct{}, f frame) error {
	o := outgoing{f, make(chan struct{})}
	select {
	case c.outbox <- o:
	case <-over:
		return errOver
	case <-c.lost:
		return nil
	}
	select {
	case <-o.written:
	case <-over:
		return errOver
	case <-c.lost:
	}
	return nil
}

func (c *conversation) write() {
	for {
		select {
		case o := <-c.outbox:
			if c.out.write(o.frame) != nil {
				return // who cannot be written to is heard to be gone
			}
			close(o.written)
		case <-c.lost:
			return
		}
	}
}

// listen hands out what the far side says, until it is gone.
func (c *conversation) listen() {
	err := c.hearAll()
	c.mu.Lock()
	if c.why == nil {
		c.why = err
	}
	c.mu.Unlock()
	close(c.lost)
	c.session.Close()
}

func (c *conversation) hearAll() error {
	in := newFrameReader(c.session, longestAnswer)
	said, err := in.greeted()
	if len(said) > 0 {
		return notUnderstood("begin", said, err)
	}
	for err == nil {
		var f frame
		if f, err = in.next(); err == nil {
			err = c.hear(f)
		}
	}
	var g garbled
	if errors.As(err, &g) {
		return notUnderstood("listen", nil, err)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *conversation) hear(f frame) error {
	c.mu.Lock()
	call := c.calls[f.id]
	c.mu.Unlock()
	if call == nil {
		return nil // nobody waits for it any more
	}
	return call.hear(f)
}

// broken is what a call fails with when the conversation is lost.
func (c *conversation) broken(op string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return broken(op, c.why)
}

// close ends the conversation and waits for all that belongs to it.
func (c *conversation) close() {
	c.mu.Lock()
	c.closed = true
	if c.why == nil {
		c.why = io.ErrClosedPipe
	}
	c.mu.Unlock()
	c.session.Close()
	c.work.Wait()
}

// spawn runs f in a goroutine that close waits for, unless it is too late.
func (c *conversation) spawn(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.work.Go(f)
	}
}
