package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// longestRequest bounds a request.
	longestRequest = 1 << 20
	// progressEvery is how often progress is told at most, and progressOf how little
	// of it is not told by itself: an answer tells the rest.
	progressEvery = 100 * time.Millisecond
	progressOf    = 64 << 10
	// longestSilence is after what time a near side that says nothing is taken for
	// gone: one that is there renews its lease.
	longestSilence = time.Hour
)

// Serve takes part in a conversation: it does on this machine what the requests
// from in ask for, beside each other, and writes the answers to out. It returns
// when in has ended and all requests are done. An error is one of the
// conversation: whatever else goes wrong is in an answer.
//
// A conversation that breaks ends the bodies of "receive" and "update" early,
// and what came is kept or discarded as they say. Every other operation is
// finished whatever becomes of the conversation, within the deadline that the request carries; for
// that the caller ignores SIGHUP and SIGPIPE, which sshd and a closed out would send.
// Where in is an *os.File, also a read that waits ends with ctx.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	s := &server{ctx: ctx, out: newFrameWriter(out), bodies: map[uint64]*body{}, heard: time.Now()}
	s.in = newFrameReader(obeying(s.over, in), longestRequest)
	err := s.listen()
	s.hangUp(err)
	s.work.Wait()
	s.lookAhead()
	if s.failed != nil {
		return s.failed
	}
	return err
}

// server is the far side of one conversation.
type server struct {
	ctx  context.Context //nolint:containedctx // of Serve
	in   *frameReader
	out  *frameWriter
	work sync.WaitGroup

	mu     sync.Mutex
	bodies map[uint64]*body // of the requests under way
	heard  time.Time        // when the last frame came
	failed error            // to write
	moved  *Local           // where a release was switched to
	ended  bool             // the lease was given back after that
}

// lookAhead lays out the spare tree of the next delivery when this one is over,
// on a thread that lets all others go first.
func (s *server) lookAhead() {
	if s.moved == nil || !s.ended {
		return
	}
	var over sync.WaitGroup
	over.Go(func() {
		defer yield()()
		_ = s.moved.layOut(s.ctx, spareWorth) // or the next delivery takes a little longer
	})
	over.Wait()
}

// yield has the thread of its caller let all others go first. Where the thread
// may not have its priority back it ends with the caller's goroutine; where it may, it
// stays: what was started from it may have been told to die with it.
func yield() (back func()) {
	const highest, last = 20, 19 // the kernel gives a priority as 20 less what it is set to
	runtime.LockOSThread()
	was, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err == nil {
		err = unix.Setpriority(unix.PRIO_PROCESS, 0, last)
	}
	return func() {
		if err != nil || unix.Setpriority(unix.PRIO_PROCESS, 0, highest-was) == nil {
			runtime.UnlockOSThread()
		}
	}
}

// note remembers what was done.
func (s *server) note(op string, l *Local) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch op {
	case opSwitch:
		s.moved, s.ended = l, false
	case opRelease:
		s.ended = true
	}
}

// over says why nothing more is waited for, if so.
func (s *server) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bodies) == 0 && time.Since(s.heard) > longestSilence {
		return fmt.Errorf("nothing was asked for %s", longestSilence)
	}
	return context.Cause(s.ctx)
}

// listen reads frames up to the end.
func (s *server) listen() error {
	said, err := s.in.greeted()
	if len(said) > 0 {
		return noConversation(said)
	}
	for err == nil {
		var f frame
		if f, err = s.in.next(); err == nil {
			err = s.hear(f)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("read the conversation: %w", err)
}

// noConversation tells who did not begin one what this is.
func noConversation(said []byte) error {
	return &Error{
		Kind: KindProtocol, Message: fmt.Sprintf("%q begins no conversation with this deliver", shorten(string(said), 80)), Hint: internalHint,
	}
}

const internalHint = "`deliver host` is run by deliver itself, through SSH; to deliver, run deliver on your own machine"

func (s *server) hear(f frame) error {
	s.mu.Lock()
	b := s.bodies[f.id]
	s.heard = time.Now()
	s.mu.Unlock()
	switch {
	case f.kind == frameMessage:
		return s.begin(f.id, f.payload)
	case b == nil: // its operation is over
	case (f.kind == frameBody || f.kind == frameEnd) && !b.add(f.payload):
		return garbled{"more of a body than was asked for"}
	case f.kind == frameEnd:
		b.end(io.EOF)
	case f.kind == frameCancel:
		b.end(errGivenUp)
	}
	return nil
}

var errGivenUp = errors.New("it was given up")

// begin does a request in a goroutine of its own.
func (s *server) begin(id uint64, message []byte) error {
	ctx, cancel := s.ctx, context.CancelFunc(func() {})
	req, err := readRequest(message)
	if req.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, req.Timeout)
	}
	b := newBody(ctx, func(n int) { s.write(taken(id, n)) })
	s.mu.Lock()
	_, again := s.bodies[id]
	s.bodies[id] = b
	s.mu.Unlock()
	if again {
		cancel()
		return garbled{"two requests of one number"}
	}
	s.work.Go(func() {
		defer cancel()
		a := &answering{server: s, id: id, body: b}
		if err == nil {
			a.end(a.do(ctx, req))
		} else {
			a.end(nil, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.bodies, id)
	})
	return nil
}

// readRequest reads what a message asks for.
func readRequest(message []byte) (Request, error) {
	var req Request
	if err := json.Unmarshal(message, &req); err != nil {
		return Request{}, &Error{
			Kind:    KindProtocol,
			Message: fmt.Sprintf("the request %q is no JSON request: %v", shorten(string(message), 80), err),
			Hint:    internalHint,
		}
	}
	if req.V != wireVersion {
		return Request{}, &Error{
			Kind:    KindProtocol,
			Message: fmt.Sprintf("the request is of version %d; this deliver speaks version %d", req.V, wireVersion),
			Hint:    "both sides must run the same deliver",
		}
	}
	return req, nil
}

// hangUp ends the bodies that will not come any more.
func (s *server) hangUp(why error) {
	if why == nil {
		why = io.ErrUnexpectedEOF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bodies {
		b.end(why)
	}
}

func (s *server) reply(id uint64, r Reply) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	s.write(frame{id: id, kind: frameMessage, payload: line})
	return nil
}

// write remembers that nobody hears this side any more: what was begun is done
// all the same.
func (s *server) write(f frame) {
	err := s.out.write(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
}

// answering is one request under way.
type answering struct {
	*server
	id    uint64
	body  *body
	told  time.Time // when progress was told
	said  int64     // what was told
	taken *int64    // progress that was not told yet
}

func (a *answering) end(result any, err error) {
	reply := Reply{Progress: a.taken}
	if err == nil {
		reply.OK, err = json.Marshal(result)
	}
	if err != nil {
		reply.OK, reply.Error = nil, asError(err)
	}
	_ = a.reply(a.id, reply)
}

// progress tells of the first call, which asks for the build, and then now and
// then, when there is enough to tell. A caller who is gone does not hear it: the
// build ends early then.
func (a *answering) progress(n int64) {
	now := time.Now()
	if !a.told.IsZero() && (now.Sub(a.told) < progressEvery || n-a.said < progressOf) {
		a.taken = &n
		return
	}
	a.told, a.said, a.taken = now, n, nil
	_ = a.reply(a.id, Reply{Progress: &n})
}

// parts asks for the body, of which only what lacks names is needed.
func (a *answering) parts(lacks []Range) (io.Reader, error) {
	a.told = time.Now()
	return a.body, a.reply(a.id, Reply{Progress: new(int64), Lacks: lacks})
}

// orders asks for where to get the body.
func (a *answering) orders(lacks []Range) (Order, error) {
	body, err := a.parts(lacks)
	if err != nil {
		return Order{}, err
	}
	return readOrder(body)
}

func (a *answering) do(ctx context.Context, req Request) (any, error) {
	local, err := NewLocal(req.Place)
	if err != nil {
		return nil, err
	}
	local.token.Store(req.Token)
	op, ok := operations()[req.Op]
	if !ok {
		return nil, &Error{
			Kind:    KindProtocol,
			Message: fmt.Sprintf("unknown operation %q", req.Op),
			Hint:    "both sides must run the same deliver",
		}
	}
	result, err := op(ctx, a, local, req.Args)
	if err == nil {
		a.note(req.Op, local)
	}
	return result, err
}
