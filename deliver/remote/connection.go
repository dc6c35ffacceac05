package remote

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"deliver/host"
)

// mostMissed is how many intervals of silence a connection survives, where
// ssh_config says nothing.
const mostMissed = 3

// patience is how long a connection waits for a server that is silent.
type patience struct {
	answer   time.Duration // to the opening of a session
	interval time.Duration // before it is asked for a sign of life
	missed   int           // such intervals, after which the connection is given up
}

// connection is one logged-in SSH connection. What it starts, it waits for.
type connection struct {
	name   string
	client *ssh.Client
	line   *line
	patience
	proven bool // the helper was seen to be there and whole; set under Server.contact

	lost chan struct{} // closed when the connection is gone
	why  error         // set before lost is closed

	mu     sync.Mutex
	cause  error // why this side ended it
	closed bool
	work   sync.WaitGroup
}

func newConnection(name string, client *ssh.Client, line *line, p patience) *connection {
	c := &connection{name: name, client: client, line: line, patience: p, lost: make(chan struct{})}
	c.spawn(c.wait)
	c.spawn(c.keepAlive)
	return c
}

// spawn runs f in a goroutine that close waits for; false: it is too late.
func (c *connection) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Go(f)
	return true
}

func (c *connection) wait() {
	err := c.client.Wait()
	c.mu.Lock()
	c.why = c.cause
	c.mu.Unlock()
	if c.why == nil {
		c.why = c.line.explain(err)
	}
	close(c.lost)
}

// keepAlive asks a silent server for a sign of life, and ends the connection
// when none comes. Whatever arrives is a sign: a busy link is not a dead one.
func (c *connection) keepAlive() {
	ticks := time.NewTicker(c.interval)
	defer ticks.Stop()
	var asking atomic.Bool
	for {
		select {
		case <-c.lost:
			return
		case <-ticks.C:
		}
		silence := c.line.heard.since()
		if silence >= time.Duration(c.missed)*c.interval {
			c.end(fmt.Errorf("the server gave no sign of life for %s", silence.Round(time.Millisecond)))
			return
		}
		// A request can itself be stuck behind a full line.
		if silence >= c.interval/2 && asking.CompareAndSwap(false, true) {
			c.spawn(func() {
				_, _, _ = c.client.SendRequest("keepalive@openssh.com", true, nil)
				asking.Store(false)
			})
		}
	}
}

// end ends the connection at once.
func (c *connection) end(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	c.line.abort()
}

var errClosed = errors.New("it was closed")

// close ends the connection and waits for all that it started.
func (c *connection) close() {
	c.end(errClosed)
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.client.Close()
	c.work.Wait()
}

func (c *connection) alive() bool {
	select {
	case <-c.lost:
		return false
	default:
		return true
	}
}

// broke is the error of an operation that ended before its end, most often
// with the connection.
func (c *connection) broke(doing string, err error) error {
	e := &host.Error{Kind: host.KindUnreachable, Hint: "run it again: it goes on from what is complete"}
	select {
	case <-c.lost:
		e.Message = fmt.Sprintf("%s: connection lost %s: %v", c.name, doing, c.why)
	case <-time.After(time.Second):
		e.Message = fmt.Sprintf("%s: session lost %s: %v", c.name, doing, err)
	}
	return e
}
