// Package remote is host.Server over SSH: it brings deliver itself to a server
// and speaks to it there.
package remote

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"

	"deliver/host"
	"deliver/inventory"
)

// Server is a host.Server at the far side of an SSH connection. The connection
// is kept for the whole run; one that broke is made anew by the next
// operation, so that a server can still be put back after a network failure.
type Server struct {
	*host.Client
	dialer dialer
	target inventory.Host
	far    *far

	contact *semaphore.Weighted // one at a time makes a connection or puts the helper there
	conn    *connection
	closed  bool
}

var _ host.Server = (*Server)(nil)

// Dial connects to h, whose app lives at place. An error of an unreachable
// host, of its key or of the login is a *host.Error of that Kind. The helper
// is put on the server by the first operation that needs it.
func Dial(ctx context.Context, h inventory.Host, place host.Place, opts Options) (*Server, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	opts = opts.withDefaults()
	if h.User == "" {
		h.User = opts.User
	}
	s := &Server{dialer: dialer{opts}, target: h, contact: semaphore.NewWeighted(1)}
	s.far = newFar(h.Name, place.Root, opts.Helper)
	s.Client = host.NewClient(place, s.open)
	var err error
	if s.conn, err = s.dialer.connect(ctx, h, route{}); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the connection and waits for all that belongs to it.
func (s *Server) Close() error {
	_ = s.Client.Close()
	_ = s.contact.Acquire(context.Background(), 1)
	defer s.contact.Release(1)
	s.closed = true
	s.conn.close()
	return nil
}

// open starts the helper in a new session, for the Client.
func (s *Server) open(ctx context.Context) (host.Session, error) {
	if err := s.contact.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("%s: wait for the connection: %w", s.target.Name, context.Cause(ctx))
	}
	defer s.contact.Release(1)
	fresh, err := s.reconnect(ctx)
	if err != nil {
		return nil, err
	}
	session, err := s.far.open(ctx, s.conn)
	if err != nil && !fresh && !s.conn.alive() && ctx.Err() == nil {
		// It died unnoticed since the last operation, as when the server was
		// rebooted. Nothing of this one was sent yet.
		if _, err := s.reconnect(ctx); err != nil {
			return nil, err
		}
		session, err = s.far.open(ctx, s.conn)
	}
	if err != nil {
		return nil, err
	}
	return session, nil
}

// reconnect makes a connection anew when the one there was is gone.
func (s *Server) reconnect(ctx context.Context) (fresh bool, err error) {
	if s.closed {
		return false, s.conn.broke("before the operation", errClosed)
	}
	if s.conn.alive() {
		return false, nil
	}
	conn, err := s.dialer.connect(ctx, s.target, route{})
	if err != nil {
		return false, err
	}
	s.conn.close()
	s.conn = conn
	return true, nil
}
