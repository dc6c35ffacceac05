package remote

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// line carries the bytes of one connection: TCP, a channel through a jump
// host, or a command's input and output.
type line struct {
	net.Conn
	heard   *pulse
	abort   func()            // ends it at once, whatever is stuck
	explain func(error) error // adds what only the line knows
}

func openLine(ctx context.Context, set *settings, via *connection) (*line, error) {
	switch {
	case via != nil:
		return via.lineTo(ctx, set.address())
	case set.proxyCommand != "":
		return runProxy(ctx, set.proxyCommand)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", set.address())
	if err != nil {
		return nil, err
	}
	return newLine(conn, func() { conn.Close() }), nil
}

func newLine(conn net.Conn, abort func()) *line {
	return &line{Conn: conn, heard: newPulse(), abort: abort, explain: func(err error) error { return err }}
}

// Read notes that the other side lives.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.heard.beat()
	}
	return n, err
}

// pulse is when something was heard last.
type pulse struct {
	start time.Time
	last  atomic.Int64 // after start
}

func newPulse() *pulse { return &pulse{start: time.Now()} }

func (p *pulse) beat() { p.last.Store(int64(time.Since(p.start))) }

func (p *pulse) since() time.Duration { return time.Since(p.start) - time.Duration(p.last.Load()) }

// lineTo opens a line to an address as this host sees it. Ending the line ends
// this connection too: it serves no other.
func (c *connection) lineTo(ctx context.Context, address string) (*line, error) {
	conn, err := c.client.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("through %s: %w", c.name, err)
	}
	l := newLine(conn, c.close)
	l.explain = func(err error) error {
		select {
		case <-c.lost:
			return fmt.Errorf("jump host %s: %w", c.name, c.why)
		case <-time.After(100 * time.Millisecond): // the tunnel ended alone
			return err
		}
	}
	return l, nil
}
