package remote_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sshd is a real OpenSSH server on the loopback, with keys and a
// configuration of its own.
type sshd struct {
	name    string
	port    int
	pid     int
	hostKey string // path of the private half
	log     string
}

// startSSHD runs a server that lets the owner of authorized in. Lines come
// first in its configuration, where they win.
func startSSHD(t testing.TB, name, authorized string, lines ...string) *sshd {
	t.Helper()
	dir := t.TempDir()
	s := &sshd{name: name, hostKey: filepath.Join(dir, "host_ed25519"), log: filepath.Join(dir, "log")}
	keygen(t, "-t", "ed25519", "-N", "", "-f", s.hostKey)
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "MaxStartups") }) {
		lines = append(lines, "MaxStartups 100") // the last one wins
	}
	s.run(t, dir, append(lines,
		"HostKey "+s.hostKey, "AuthorizedKeysFile "+authorized, "ListenAddress 127.0.0.1", "PidFile none", "UsePAM no",
		"StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "LogLevel VERBOSE",
		"MaxSessions 100"))
	return s
}

// run starts the server on a free port; another one when somebody was faster.
func (s *sshd) run(t testing.TB, dir string, lines []string) {
	t.Helper()
	program := sshdProgram(t)
	config := filepath.Join(dir, "sshd_config")
	write(t, config, strings.Join(lines, "\n")+"\n")
	require.Eventually(t, func() bool {
		s.port = freePort(t)
		log, err := os.Create(s.log)
		require.NoError(t, err)
		defer log.Close()
		// A test binary that panics leaves it behind; it then ends by itself.
		cmd := exec.Command("timeout", "-k", "1", "15m", program, "-D", "-e", "-f", config, "-p", strconv.Itoa(s.port))
		cmd.Stderr = log
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		if !s.listens(ended) {
			return false
		}
		s.pid = descendants(cmd.Process.Pid)[0]
		t.Cleanup(func() { s.stop(t, ended) })
		return true
	}, 20*time.Second, time.Millisecond, "sshd does not start: see %s", s.log)
}

// listens waits until the server's log says so; asking by a connection would
// count for its MaxStartups.
func (s *sshd) listens(ended chan struct{}) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return false
		case <-tick.C:
			if text, _ := os.ReadFile(s.log); bytes.Contains(text, []byte("Server listening on")) {
				return true
			}
		}
	}
}

// stop ends the server and all its sessions.
func (s *sshd) stop(t testing.TB, ended chan struct{}) {
	for _, pid := range append(descendants(s.pid), s.pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-ended
	if t.Failed() {
		lines := strings.Split(read(t, s.log), "\n")
		t.Logf("end of the log of %s:\n%s", s.name, strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

func (s *sshd) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// publicKey is the host key as known_hosts has it: type and base64.
func (s *sshd) publicKey(t testing.TB) string { return publicKey(t, s.hostKey) }

// logged counts the log's lines with text in them.
func (s *sshd) logged(t testing.TB, text string) int {
	t.Helper()
	log, err := os.ReadFile(s.log)
	require.NoError(t, err)
	return strings.Count(string(log), text)
}

// signalSessions sends a signal to the processes of the connections, not to
// the one that listens.
func (s *sshd) signalSessions(t testing.TB, signal syscall.Signal) {
	t.Helper()
	pids := descendants(s.pid)
	require.NotEmpty(t, pids, "no session of %s", s.name)
	for _, pid := range pids {
		_ = syscall.Kill(pid, signal)
	}
}

// descendants are all processes that pid started, and theirs.
func descendants(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var child, parent int
		_, _ = fmt.Sscanf(string(text), "%d", &child)
		_, after, _ := strings.Cut(string(text), ") ")
		_, _ = fmt.Sscanf(after, "%1s %d", new(string), &parent)
		children[parent] = append(children[parent], child)
	}
	var all []int
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

func sshdProgram(t testing.TB) string {
	t.Helper()
	if os.Getuid() == 0 {
		// sshd's own privilege separation wants it; its service would make it.
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755))
	}
	for _, path := range []string{"/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	lacking(t, "sshd (package openssh-server)")
	return ""
}

// lacking skips a test for what the machine has not; in CI it fails.
func lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
		t.Fatalf("this machine lacks %s", what)
	}
	t.Skipf("this machine lacks %s", what)
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func keygen(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		lacking(t, "ssh-keygen (package openssh-client)")
	}
	out, err := exec.Command("ssh-keygen", append([]string{"-q"}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func publicKey(t testing.TB, private string) string {
	t.Helper()
	fields := strings.Fields(read(t, private+".pub"))
	return fields[0] + " " + fields[1]
}

// fingerprint is what ssh-keygen -l says: SHA256:….
func fingerprint(t testing.TB, private string) string {
	t.Helper()
	return strings.Fields(keygen(t, "-l", "-f", private+".pub"))[1]
}

func me(t testing.TB) string {
	t.Helper()
	u, err := user.Current()
	require.NoError(t, err)
	return u.Username
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// relay is a line between client and server that counts its bytes, and that
// can be cut or made to flip a bit.
type relay struct {
	port   int
	conns  chan net.Conn
	passed atomic.Int64
	flipAt atomic.Int64 // of passed; 0: none
}

// pass passes on what one side says.
func (r *relay) pass(to, from net.Conn) {
	defer to.Close()
	part := make([]byte, 32<<10)
	for {
		n, err := from.Read(part)
		end := r.passed.Add(int64(n))
		if at := r.flipAt.Load() - (end - int64(n)); at > 0 && at <= int64(n) {
			part[at-1] ^= 0x10
		}
		if _, writeErr := to.Write(part[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// startRelay passes connections on to address.
func startRelay(t testing.TB, address string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{port: l.Addr().(*net.TCPAddr).Port, conns: make(chan net.Conn, 64)}
	t.Cleanup(func() { l.Close(); r.cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", address)
			if err != nil {
				near.Close()
				continue
			}
			r.conns <- near
			r.conns <- far
			go r.pass(far, near)
			go r.pass(near, far)
		}
	}()
	return r
}

// cut ends all connections there are.
func (r *relay) cut() {
	for {
		select {
		case conn := <-r.conns:
			conn.Close()
		default:
			return
		}
	}
}
