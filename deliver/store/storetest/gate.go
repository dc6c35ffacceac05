package storetest

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Gate is another address of a Server. It counts what the server sends, and
// can be shut.
type Gate struct {
	Endpoint string
	listener net.Listener
	to       string

	mu     sync.Mutex
	passed int64
	cut    int64 // at how many bytes all connections break; 0: never
	shut   bool
	conns  []net.Conn
}

// Gate opens one, for as long as the test goes on.
func (s *Server) Gate(t testing.TB) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &Gate{Endpoint: "http://" + listener.Addr().String(), listener: listener, to: s.Address}
	go g.serve()
	t.Cleanup(g.Shut)
	return g
}

// Passed is how many bytes the server has sent.
func (g *Gate) Passed() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

// CutAfter breaks all connections once the server has sent n more bytes. Those
// that are made afterwards are good.
func (g *Gate) CutAfter(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = g.passed + n
}

// ShutAfter is CutAfter, and from then on nobody listens.
func (g *Gate) ShutAfter(n int64) {
	g.CutAfter(n)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

// Shut breaks all connections, and nobody listens any more.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hangUp()
	g.listener.Close()
}

func (g *Gate) hangUp() {
	for _, conn := range g.conns {
		conn.Close()
	}
	g.conns = nil
}

func (g *Gate) serve() {
	for {
		near, err := g.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", g.to)
		if err != nil {
			near.Close()
			continue
		}
		g.mu.Lock()
		g.conns = append(g.conns, near, far)
		g.mu.Unlock()
		go pass(far, near, func(int) bool { return true })
		go pass(near, far, g.count)
	}
}

// pass copies until one side ends, or may says no.
func pass(to, from net.Conn, may func(n int) bool) {
	defer to.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if !may(n) {
			return
		}
		if _, writeErr := to.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

func (g *Gate) count(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed += int64(n)
	if g.cut == 0 || g.passed < g.cut {
		return true
	}
	g.cut = 0
	g.hangUp()
	if g.shut {
		g.listener.Close()
	}
	return false
}
