package soak

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load is clients that ask the balancer for one page after the other, each on a
// connection of its own, until they are stopped.
type load struct {
	answered, failed atomic.Int64

	mu       sync.Mutex
	failures []string // the first few

	cancel  context.CancelFunc
	clients sync.WaitGroup
}

const (
	clients     = 12
	slowClients = 4 // of them: they ask for a page that takes a second
)

func startLoad(front string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for i := range clients {
		path := "/"
		if i < slowClients {
			path = "/slow"
		}
		l.clients.Go(func() { l.ask(ctx, front, path) })
	}
	return l
}

// stop ends the load, and tells how the first failures looked.
func (l *load) stop() []string {
	l.cancel()
	l.clients.Wait()
	return l.failures
}

func (l *load) ask(ctx context.Context, front, path string) {
	c := client{address: front, request: []byte("GET " + path + " HTTP/1.1\r\nHost: app\r\n\r\n")}
	defer c.close()
	for ctx.Err() == nil {
		err := c.get()
		l.answered.Add(1)
		if err != nil {
			l.note(err)
			c.close()
		}
	}
}

// client asks for one page over one connection. It is simpler than net/http's,
// and takes less of the processors from what is measured.
type client struct {
	address string
	request []byte
	conn    net.Conn
	in      *bufio.Reader
}

// get asks once. A request that was begun is not cut short by the end of the load.
func (c *client) get() error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, 30*time.Second)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %.100s", resp.Status, body)
	case resp.Close:
		c.close()
	}
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (l *load) note(err error) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < 100 {
		l.failures = append(l.failures, time.Now().Format(time.StampMilli)+" "+err.Error())
	}
}
