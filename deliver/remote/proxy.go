package remote

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runProxy starts a ProxyCommand. The command and what it started end with
// the line.
func runProxy(ctx context.Context, command string) (*line, error) {
	p := &proxy{stderr: &tail{}}
	// It lives as long as the line, which is longer than the dial.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", "exec "+command)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = p.stderr
	p.cmd.WaitDelay = time.Second // something it left behind may hold its output
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("run ProxyCommand %q: %w", command, err)
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("run ProxyCommand %q: %w", command, err)
	}
	if err = p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("run ProxyCommand %q: %w", command, err)
	}
	l := newLine(p, func() { p.end(0) })
	l.explain = func(err error) error { return p.explain(command, err) }
	return l, nil
}

// proxy is a command's input and output as a net.Conn.
type proxy struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	stderr *tail
	once   sync.Once
}

// Read reads what the command writes.
func (p *proxy) Read(b []byte) (int, error) { return p.out.Read(b) }

// Write writes what the command reads.
func (p *proxy) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends the command, which may find out by itself that nobody speaks to
// it any more, and waits for it.
func (p *proxy) Close() error {
	p.end(200 * time.Millisecond)
	return nil
}

func (p *proxy) end(grace time.Duration) {
	p.once.Do(func() {
		p.in.Close()
		term := time.AfterFunc(grace, func() { p.signal(syscall.SIGTERM) })
		kill := time.AfterFunc(grace+2*time.Second, func() { p.signal(syscall.SIGKILL) })
		_ = p.cmd.Wait()
		term.Stop()
		kill.Stop()
	})
}

func (p *proxy) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// explain adds the command's last words, which come with its end. A command
// that failed is not a server that turned us away: err is not passed on as such.
func (p *proxy) explain(command string, err error) error {
	p.Close()
	status := p.cmd.ProcessState.String()
	if said := p.stderr.String(); said != "" {
		status += ", it said: " + said
	}
	if p.cmd.ProcessState.ExitCode() > 0 {
		return fmt.Errorf("%v; ProxyCommand %q: %s", err, command, status) //nolint:errorlint // see above
	}
	return fmt.Errorf("%w; ProxyCommand %q: %s", err, command, status)
}

// LocalAddr is nothing that has an address.
func (p *proxy) LocalAddr() net.Addr { return proxyAddr{} }

// RemoteAddr is nothing that has an address.
func (p *proxy) RemoteAddr() net.Addr { return proxyAddr{} }

// SetDeadline is not there: closing ends what waits.
func (p *proxy) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not there either.
func (p *proxy) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not there either.
func (p *proxy) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

type proxyAddr struct{}

func (proxyAddr) Network() string { return "command" }
func (proxyAddr) String() string  { return "ProxyCommand" }

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// longestTail is how much of an output is worth showing in an error.
const longestTail = 2 << 10

// Write keeps the end.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - longestTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// String is the end on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.FieldsFunc(strings.TrimSpace(string(t.text)), isNewline), "; ")
}
