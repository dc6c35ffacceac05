package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// longestLine bounds a line of an answer, so that a far side gone mad does not
// take this side's memory.
const longestLine = 8 << 20

// exchange sends req over session and, when the far side asks for it, what b
// gives; it returns the result in the answer. A body must come to its end or
// fail by itself: exchange waits for it. It closes the session, also when ctx ends.
func exchange(ctx context.Context, session Session, req Request, b build) (json.RawMessage, error) {
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()

	c := &call{session: session, build: b}
	err := c.begin(req)
	var result json.RawMessage
	if err == nil {
		result, err = c.answer(req.Op)
	}
	if bodyErr := c.end(); bodyErr != nil {
		err = bodyErr
	}
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", req.Op, context.Cause(ctx))
	}
	return result, err
}

// build is what is sent after a request, and who is told of it.
type build struct {
	open     Parts // nil: nothing
	progress func(int64)
}

// whole is a body that is sent as it is.
func whole(r io.Reader) Parts {
	return func([]Range) (io.Reader, error) { return r, nil }
}

// call is one request under way.
type call struct {
	session Session
	build
	sent chan error // nil until the body is asked for
}

func (c *call) begin(req Request) error {
	line, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("%s: encode the request: %w", req.Op, err)
	}
	// A far side that could not start has an answer of its own; a failure
	// to write to it says less, so the answer is read first.
	_, err = c.session.Write(append(line, '\n'))
	if err == nil && c.open == nil {
		_ = c.session.CloseWrite()
	}
	return nil
}

// answer reads replies up to the last one.
func (c *call) answer(op string) (json.RawMessage, error) {
	lines := bufio.NewScanner(c.session)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var reply Reply
		if err := json.Unmarshal(lines.Bytes(), &reply); err != nil {
			return nil, notUnderstood(op, lines.Bytes(), err)
		}
		switch {
		case reply.Error != nil:
			return nil, reply.Error
		case reply.Progress != nil:
			c.took(*reply.Progress, reply.Lacks)
		default:
			return reply.OK, nil
		}
	}
	return nil, broken(op, lines.Err())
}

// took is told how much of the body the far side has; the first time it is
// asked to start sending.
func (c *call) took(n int64, lacks []Range) {
	if c.sent == nil && c.open != nil {
		c.sent = make(chan error, 1)
		go func() { c.sent <- c.send(lacks) }()
	}
	if c.progress != nil {
		c.progress(n)
	}
}

// send returns only errors of the body: those of the session show in the answer.
func (c *call) send(lacks []Range) error {
	body, err := c.open(lacks)
	if err != nil {
		c.session.Close()
		return err
	}
	source := newSource(context.Background(), body, nil)
	_, _ = io.Copy(c.session, source)
	if source.err != nil {
		c.session.Close()
		return source.err
	}
	_ = c.session.CloseWrite()
	return nil
}

// end waits for send.
func (c *call) end() error {
	if c.sent == nil {
		return nil
	}
	c.session.Close()
	return <-c.sent
}

func broken(op string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, bufio.ErrTooLong) {
		return &Error{Kind: KindProtocol, Message: fmt.Sprintf("%s: the far side sent a line of over %d bytes", op, longestLine)}
	}
	return &Error{
		Kind:    KindUnreachable,
		Message: fmt.Sprintf("%s: the connection ended before the answer: %v", op, err),
		Hint:    "run it again: it goes on from what is complete",
	}
}

func notUnderstood(op string, line []byte, err error) error {
	return &Error{
		Kind:    KindProtocol,
		Message: fmt.Sprintf("%s: the far side answered %q: %v", op, shorten(string(line), 120), err),
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
	return max(time.Until(deadline), time.Millisecond)
}
