package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// longestRequest bounds the line of a request.
	longestRequest = 1 << 20
	// progressEvery is how often progress is told at most.
	progressEvery = 100 * time.Millisecond
)

// Serve reads one request from in, does it on this machine, and writes the
// answer to out. An error is one of out: whatever else goes wrong is in the answer.
//
// Serve reads in only for the request and, after its first progress line, the
// build. A connection that breaks during "receive" ends the build early, and
// what came is discarded. Every other operation is finished whatever becomes
// of the connection, within the deadline that the request carries; for that
// the caller ignores SIGHUP and SIGPIPE, which sshd and a closed out would send.
// Where in is an *os.File, also a read that waits ends with ctx.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	s := &server{out: json.NewEncoder(out)}
	requests := bufio.NewReader(in)
	req, err := readRequest(requests)
	if err != nil {
		return s.answer(nil, err)
	}
	if req.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, req.Timeout)
		defer cancel()
	}
	local, err := NewLocal(req.Place)
	if err != nil {
		return s.answer(nil, err)
	}
	local.token.Store(req.Token)
	early, _ := requests.Peek(requests.Buffered())
	s.build = io.MultiReader(bytes.NewReader(early), obeying(ctx, in))
	return s.answer(s.do(ctx, local, req))
}

// readRequest reads the first line and nothing of what follows it.
func readRequest(in *bufio.Reader) (Request, error) {
	var req Request
	line, err := readLine(in)
	if err != nil {
		return req, &Error{Kind: KindProtocol, Message: "read the request: " + err.Error(), Hint: internalHint}
	}
	if err := json.Unmarshal(line, &req); err != nil {
		return req, &Error{
			Kind:    KindProtocol,
			Message: fmt.Sprintf("the request %q is no JSON request: %v", shorten(string(line), 80), err),
			Hint:    internalHint,
		}
	}
	if req.V != wireVersion {
		return req, &Error{
			Kind:    KindProtocol,
			Message: fmt.Sprintf("the request is of version %d; this deliver speaks version %d", req.V, wireVersion),
			Hint:    "both sides must run the same deliver",
		}
	}
	return req, nil
}

const internalHint = "`deliver host` is run by deliver itself, through SSH; to deliver, run deliver on your own machine"

func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > longestRequest {
			return nil, fmt.Errorf("its line is longer than %d bytes", longestRequest)
		}
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// server answers one request.
type server struct {
	out   *json.Encoder
	build io.Reader
	told  time.Time // when progress was told
	taken *int64    // progress that was not told yet
}

func (s *server) answer(result any, err error) error {
	if s.taken != nil {
		_ = s.out.Encode(Reply{Progress: s.taken})
	}
	reply := Reply{}
	if err == nil {
		reply.OK, err = json.Marshal(result)
	}
	if err != nil {
		reply = Reply{Error: asError(err)}
	}
	if err := s.out.Encode(reply); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// progress tells of the first call, which asks for the build, and then now and
// then. A caller who is gone does not hear it: the build ends early then.
func (s *server) progress(n int64) {
	now := time.Now()
	if !s.told.IsZero() && now.Sub(s.told) < progressEvery {
		s.taken = &n
		return
	}
	s.told, s.taken = now, nil
	_ = s.out.Encode(Reply{Progress: &n})
}

// parts asks for the body, of which only what lacks names is needed.
func (s *server) parts(lacks []Range) (io.Reader, error) {
	s.told = time.Now()
	err := s.out.Encode(Reply{Progress: new(int64), Lacks: lacks})
	return s.build, err
}

// orders asks for where to get the body.
func (s *server) orders(lacks []Range) (Order, error) {
	body, err := s.parts(lacks)
	if err != nil {
		return Order{}, err
	}
	return readOrder(body)
}

// operation does one op; args are those of the request.
type operation func(ctx context.Context, s *server, l *Local, args json.RawMessage) (any, error)

func operations() map[string]operation {
	return map[string]operation{
		opLook: with(func(ctx context.Context, _ *server, l *Local, a lookArgs) (any, error) {
			return l.Look(ctx, a.Service)
		}),
		opReceive: with(func(ctx context.Context, s *server, l *Local, a receiveArgs) (any, error) {
			return l.Receive(ctx, a.Record, s.build, s.progress)
		}),
		opUpdate: with(func(ctx context.Context, s *server, l *Local, a updateArgs) (any, error) {
			return l.Update(ctx, a.Record, a.Base, s.parts, s.progress)
		}),
		opPull: with(func(ctx context.Context, s *server, l *Local, a updateArgs) (any, error) {
			return l.Pull(ctx, a.Record, a.Base, s.orders, s.progress)
		}),
		opManifest: with(func(ctx context.Context, _ *server, l *Local, a manifestArgs) (any, error) {
			return l.Manifest(ctx, a.ID)
		}),
		opSwitch: with(func(ctx context.Context, _ *server, l *Local, a switchArgs) (any, error) {
			return l.Switch(ctx, a.ID, a.Over)
		}),
		opRestart: with(func(ctx context.Context, _ *server, l *Local, a restartArgs) (any, error) {
			return nothing{}, l.Restart(ctx, a.Service)
		}),
		opCheck: with(func(ctx context.Context, _ *server, l *Local, a checkArgs) (any, error) {
			return l.Check(ctx, a.Health, a.Service, a.ID)
		}),
		opHook: with(hookOperation),
		opRecord: with(func(ctx context.Context, _ *server, l *Local, a historyArgs) (any, error) {
			return nothing{}, l.Record(ctx, a.Entry)
		}),
		opPrune: with(func(ctx context.Context, _ *server, l *Local, a pruneArgs) (any, error) {
			return l.Prune(ctx, a.Keep)
		}),
		opHistory: with(func(ctx context.Context, _ *server, l *Local, a entriesArgs) (any, error) {
			return l.History(ctx, a.Limit)
		}),
		opClaim: with(func(ctx context.Context, _ *server, l *Local, a claimArgs) (any, error) {
			return l.Claim(ctx, a.Claim)
		}),
		opRelease: with(func(ctx context.Context, _ *server, l *Local, _ nothing) (any, error) {
			return nothing{}, l.Release(ctx)
		}),
		opPin: with(func(ctx context.Context, _ *server, l *Local, a pinArgs) (any, error) {
			return nothing{}, l.Pin(ctx, a.Pin)
		}),
	}
}

// hookOperation sends the output of a hook that fails, too.
func hookOperation(ctx context.Context, _ *server, l *Local, a hookArgs) (any, error) {
	output, err := l.Hook(ctx, a.Name, a.ID, a.Env)
	result := hookResult{Output: output}
	if err != nil {
		result.Failed = asError(err)
	}
	return result, nil
}

// with reads an operation's arguments.
func with[A any](do func(context.Context, *server, *Local, A) (any, error)) operation {
	return func(ctx context.Context, s *server, l *Local, raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, &Error{Kind: KindProtocol, Message: "the arguments are not understood: " + err.Error(), Hint: internalHint}
		}
		return do(ctx, s, l, args)
	}
}

func (s *server) do(ctx context.Context, l *Local, req Request) (any, error) {
	op, ok := operations()[req.Op]
	if !ok {
		return nil, &Error{
			Kind:    KindProtocol,
			Message: fmt.Sprintf("unknown operation %q", req.Op),
			Hint:    "both sides must run the same deliver",
		}
	}
	return op(ctx, s, l, req.Args)
}
