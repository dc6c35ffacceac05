package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// longestAnswer bounds a message of the far side, so that one gone mad does not
// take this side's memory.
const longestAnswer = 8 << 20

// build is what is sent after a request, and who is told of it.
type build struct {
	open     Parts // nil: nothing
	progress func(int64)
}

// whole is a body that is sent as it is.
func whole(r io.Reader) Parts {
	return func([]Range) (io.Reader, error) { return r, nil }
}

// call is one request under way in a conversation.
type call struct {
	*conversation
	build
	id uint64
	op string

	mu      sync.Mutex
	replies []Reply
	window  int           // how much more of the body may be sent
	bell    chan struct{} // rings for replies
	room    chan struct{} // rings for window

	over chan struct{} // closed when the answer is there, or nobody waits for it
	sent chan error    // nil until the body is asked for
}

func newCall(op string, b build) *call {
	return &call{
		op: op, build: b, window: bodyWindow,
		bell: make(chan struct{}, 1), room: make(chan struct{}, 1), over: make(chan struct{}),
	}
}

// exchange sends a request and, when the far side asks for it, what b
// gives; it returns the result in the answer. A body must come to its end or
// fail by itself: exchange waits for it.
func (c *conversation) exchange(ctx context.Context, req Request, b build) (json.RawMessage, error) {
	message, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("%s: encode the request: %w", req.Op, err)
	}
	call := newCall(req.Op, b)
	c.enter(call)
	defer c.leave(call)
	var result json.RawMessage
	if err = call.send(ctx.Done(), frame{kind: frameMessage, payload: message}); err == nil {
		result, err = call.answer(ctx)
	}
	close(call.over)
	if bodyErr := call.end(); bodyErr != nil {
		err = bodyErr
	}
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", req.Op, context.Cause(ctx))
	}
	return result, err
}

// send gives a frame to the conversation; it waits until it is written, or not
// to be written any more.
func (c *call) send(over <-chan struct{}, f frame) error {
	f.id = c.id
	return c.say(over, f)
}

// doubt is for how long a far side may say nothing before it is asked for a
// sign of life; from then on it is asked ever less often.
const doubt = 6 * time.Second

// answer waits for replies up to the last one.
func (c *call) answer(ctx context.Context) (json.RawMessage, error) {
	silence := doubt
	doubting := time.NewTimer(silence)
	defer doubting.Stop()
	for {
		if last := c.last(); last != nil {
			return last.result()
		}
		select {
		case <-c.bell:
		case <-doubting.C:
			c.askForLife(ctx)
			silence *= 2
			doubting.Reset(silence)
		case <-c.lost:
			if c.heardAll() {
				return nil, c.broken(c.op)
			}
		case <-ctx.Done():
			c.giveUp()
			return nil, context.Cause(ctx)
		}
	}
}

// askForLife asks where no body is under way: that is its own sign of life, and in
// the way of others.
func (c *call) askForLife(ctx context.Context) {
	if c.sent == nil {
		c.spawn(func() { c.session.Alive(ctx) })
	}
}

// last takes the replies that have come up to the last one of the call; nil
// while that is not among them.
func (c *call) last() *Reply {
	for _, reply := range c.heard() {
		if reply.Progress != nil {
			c.took(*reply.Progress, reply.Lacks)
		}
		if reply.Error != nil || reply.OK != nil || reply.Progress == nil {
			return &reply
		}
	}
	return nil
}

// result is what the last reply of a call says.
func (r *Reply) result() (json.RawMessage, error) {
	if r.Error != nil {
		return nil, r.Error
	}
	return r.OK, nil
}

// heard takes the replies that have come.
func (c *call) heard() []Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	replies := c.replies
	c.replies = nil
	return replies
}

// heardAll says whether no reply is left.
func (c *call) heardAll() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.replies) == 0
}

// hear is told of a frame for this call.
func (c *call) hear(f frame) error {
	switch f.kind {
	case frameMessage:
		var reply Reply
		if err := json.Unmarshal(f.payload, &reply); err != nil {
			return notUnderstood(c.op, f.payload, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.replies = append(c.replies, reply)
		ring(c.bell)
	case frameTaken:
		n, err := f.allowed()
		if err != nil {
			return notUnderstood(c.op, f.payload, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.window = min(c.window+n, bodyWindow)
		ring(c.room)
	}
	return nil
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// took is told how much of the body the far side has; the first time it is
// asked to start sending.
func (c *call) took(n int64, lacks []Range) {
	if c.sent == nil && c.open != nil {
		c.sent = make(chan error, 1)
		go func() { c.sent <- c.sendBody(lacks) }()
	}
	if c.progress != nil {
		c.progress(n)
	}
}

// sendBody returns only errors of the body: those of the conversation show in
// the answer.
func (c *call) sendBody(lacks []Range) error {
	body, err := c.open(lacks)
	if err == nil {
		err = c.pump(body)
	}
	switch {
	case errors.Is(err, errOver):
		return nil
	case err != nil:
		c.giveUp()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.replies = append(c.replies, Reply{Error: asError(err)})
		ring(c.bell)
	}
	return err
}

// errOver says that no more is to be sent.
var errOver = errors.New("nobody takes more")

// pump sends parts that are as large as they may be, and the last one as such.
func (c *call) pump(body io.Reader) error {
	source := newSource(context.Background(), body, nil)
	part := make([]byte, bodyPart)
	for {
		room, err := c.allowance()
		if err != nil {
			return err
		}
		n, err := io.ReadFull(source, part[:min(room, len(part))])
		f := frame{kind: frameBody, payload: part[:n]}
		switch {
		case source.err != nil:
			return source.err
		case err != nil:
			f.kind = frameEnd
		}
		c.spend(n)
		if c.send(c.over, f) != nil {
			return errOver
		}
		if f.kind == frameEnd {
			return nil
		}
	}
}

// allowance waits until some of the body may be sent. Of a conversation that is
// lost none may: its last part may still be on its way to the writer.
func (c *call) allowance() (int, error) {
	for {
		select {
		case <-c.lost:
			return 0, errOver
		default:
		}
		c.mu.Lock()
		room := c.window
		c.mu.Unlock()
		if room > 0 {
			return room, nil
		}
		select {
		case <-c.room:
		case <-c.over:
			return 0, errOver
		case <-c.lost:
		}
	}
}

func (c *call) spend(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window -= n
}

// end waits for sendBody.
func (c *call) end() error {
	if c.sent == nil {
		return nil
	}
	return <-c.sent
}

// giveUp tells the far side that nobody waits any more, when the line has room.
func (c *call) giveUp() {
	c.spawn(func() { _ = c.send(nil, frame{kind: frameCancel}) })
}

func broken(op string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return &Error{
		Kind:    KindUnreachable,
		Message: fmt.Sprintf("%s: the connection ended before the answer: %v", op, err),
		Hint:    "run it again: it goes on from what is complete",
	}
}

func notUnderstood(op string, said []byte, err error) error {
	return &Error{
		Kind:    KindProtocol,
		Message: fmt.Sprintf("%s: the far side answered %q: %v", op, shorten(string(said), 120), err),
		Hint:    "does a shell start file on the server print something? It must be silent without a terminal",
	}
}

// shorten cuts s to at most n bytes for a message.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// timeLeft is what ctx leaves, zero when it has no deadline.
func timeLeft(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline).Round(time.Millisecond), time.Millisecond)
}
