package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/crypto/ssh"

	"deliver/host"
)

// session runs one command on the server. It stands between its user and the
// SSH library so that Close ends every Read and Write at once, also when the
// connection is stuck; what is stuck then belongs to the connection.
type session struct {
	conn   *connection
	in     *io.PipeWriter
	inEnd  *io.PipeReader
	out    *bufio.Reader
	outEnd *io.PipeReader
	output *io.PipeWriter
	stderr tail

	mu     sync.Mutex
	ssh    *ssh.Session
	closed bool
}

// start runs command on the server.
func (c *connection) start(ctx context.Context, command string) (*session, error) {
	s := &session{conn: c}
	s.inEnd, s.in = io.Pipe()
	s.outEnd, s.output = io.Pipe()
	s.out = bufio.NewReader(s.outEnd)
	started := make(chan error, 1)
	if !c.spawn(func() { started <- s.run(ctx, command) }) {
		return nil, c.broke("before a session", errClosed)
	}
	if err := c.await(ctx, started); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// await waits for a session to start. A server that says nothing at all
// meanwhile is taken for gone long before the keep-alive would find it.
func (c *connection) await(ctx context.Context, started <-chan error) error {
	silent := time.NewTimer(c.answer)
	defer silent.Stop()
	for {
		select {
		case err := <-started:
			if err != nil {
				return c.broke("while a session was opened", err)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s: open a session: %w", c.name, context.Cause(ctx))
		case <-silent.C:
		}
		if silence := c.line.heard.since(); silence < c.answer {
			silent.Reset(c.answer - silence)
			continue
		}
		c.end(fmt.Errorf("no answer within %s", c.answer))
	}
}

func (s *session) run(ctx context.Context, command string) error {
	far, err := s.conn.newSession(ctx)
	if err != nil {
		return err
	}
	if !s.adopt(far) {
		return far.Close()
	}
	far.Stdout, far.Stderr = s.output, &s.stderr
	stdin, err := far.StdinPipe()
	if err != nil {
		return err
	}
	if err := far.Start(command); err != nil {
		return err
	}
	s.conn.spawn(func() {
		_, err := io.Copy(stdin, s.inEnd)
		s.inEnd.CloseWithError(err)
		stdin.Close()
	})
	s.conn.spawn(func() { s.output.CloseWithError(s.verdict(far.Wait())) })
	return nil
}

// newSession asks again for a while when the server has too many: with a low
// MaxSessions it may still count one that just ended.
func (c *connection) newSession(ctx context.Context) (*ssh.Session, error) {
	ask := func() (*ssh.Session, error) {
		far, err := c.client.NewSession()
		var refused *ssh.OpenChannelError
		if err != nil && !errors.As(err, &refused) {
			return nil, backoff.Permanent(err)
		}
		return far, err
	}
	pause := &backoff.ExponentialBackOff{InitialInterval: 10 * time.Millisecond, Multiplier: 1.5, MaxInterval: 500 * time.Millisecond}
	return backoff.Retry(ctx, ask, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(5*time.Second))
}

// adopt keeps the SSH session; false: nobody waits for it any more.
func (s *session) adopt(far *ssh.Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ssh = far
	return !s.closed
}

// verdict is what the user reads after the command's output.
func (s *session) verdict(err error) error {
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return io.EOF
	case errors.As(err, &exit):
		return s.exited(exit)
	}
	return s.conn.broke("before the answer was complete", err)
}

func (s *session) exited(exit *ssh.ExitError) error {
	e := &host.Error{Kind: host.KindFailed, Message: fmt.Sprintf("%s: the far side ended with status %d", s.conn.name, exit.ExitStatus())}
	if exit.Signal() != "" {
		e.Message = fmt.Sprintf("%s: the far side was ended by signal %s", s.conn.name, exit.Signal())
	}
	said := s.stderr.String()
	if said != "" {
		e.Message += ": " + said
	}
	switch {
	case strings.Contains(said, "No space left") || strings.Contains(said, "quota exceeded"):
		e.Kind = host.KindSpace
	case exit.ExitStatus() == 126:
		e.Hint = "may this user execute files there, and is it not on a noexec mount?"
	}
	return e
}

// Read reads what the command writes.
func (s *session) Read(p []byte) (int, error) { return s.out.Read(p) }

// Write writes what the command reads.
func (s *session) Write(p []byte) (int, error) { return s.in.Write(p) }

// Alive asks a server that has been silent for a while for a sign of life. One
// that gives none is taken for gone.
func (s *session) Alive(ctx context.Context) bool {
	if s.conn.line.heard.since() < freshness {
		return s.conn.alive()
	}
	answered := make(chan error, 1)
	asked := s.conn.spawn(func() {
		_, _, err := s.conn.client.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	})
	return asked && s.conn.await(ctx, answered) == nil
}

// freshness is how long a server that was heard is taken to be there. None is
// off and back again in this time.
const freshness = 5 * time.Second

// CloseWrite ends what the command reads.
func (s *session) CloseWrite() error { return s.in.Close() }

// Close ends the session.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.inEnd.CloseWithError(io.ErrClosedPipe)
	s.outEnd.CloseWithError(io.ErrClosedPipe)
	if s.ssh != nil {
		s.conn.spawn(func() { s.ssh.Close() })
	}
	return nil
}
