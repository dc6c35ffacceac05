package sshdtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server is one server. All of them are this machine and this user; what
// tells them apart is $HOME and $SVDIR.
type Server struct {
	Name string
	Port int
	Home string // what ~ is there
	dir  string
	sshd *child
}

func startServer(t testing.TB, name, authorized string) *Server {
	t.Helper()
	dir := t.TempDir()
	s := &Server{Name: name, dir: dir, Home: filepath.Join(dir, "home")}
	for _, d := range []string{s.Home, s.services()} {
		require.NoError(t, os.Mkdir(d, 0o755))
	}
	keygen(t, s.hostKey())
	s.startSSHD(t, authorized)
	return s
}

func (s *Server) hostKey() string  { return filepath.Join(s.dir, "host_key") }
func (s *Server) services() string { return filepath.Join(s.dir, "service") }

// PublicKey is the server's key as known_hosts has it.
func (s *Server) PublicKey(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(s.hostKey() + ".pub")
	require.NoError(t, err)
	return strings.Join(strings.Fields(string(text))[:2], " ")
}

// Path is a file in the server's home.
func (s *Server) Path(parts ...string) string {
	return filepath.Join(append([]string{s.Home}, parts...)...)
}

// Stop ends the SSH server and all its sessions, as if the machine were gone.
func (s *Server) Stop() { s.sshd.kill() }

// Cut ends the sessions that are open, as if the network were lost; the server
// takes new ones.
func (s *Server) Cut() {
	for _, pid := range descendants(s.sshd.cmd.Process.Pid) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if strings.HasPrefix(string(name), "sshd") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// Service makes a service of the server's runit, which runs from now on.
// script is its run script; it starts in the server's home.
func (s *Server) Service(t testing.TB, name, script string) {
	t.Helper()
	runsvdir := Need(t, "runsvdir", "runit")
	Need(t, "sv", "runit")
	dir := filepath.Join(s.services(), name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	text := fmt.Sprintf("#!/bin/sh\nexec >>%s/service.log 2>&1\ncd %s\n%s\n", s.dir, s.Home, script)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run"), []byte(text), 0o755))
	cmd := exec.Command(runsvdir, "-P", s.services())
	runit := start(t, cmd)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "supervise", "ok"))
		return err == nil
	}, 20*time.Second, 10*time.Millisecond, "runit does not take the service")
	t.Cleanup(runit.kill)
}

// startSSHD starts the SSH server on a free port; on another one when somebody
// was faster.
func (s *Server) startSSHD(t testing.TB, authorized string) {
	t.Helper()
	program := Need(t, "sshd", "openssh-server")
	if os.Getuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // as its service does
	}
	config := filepath.Join(s.dir, "sshd_config")
	require.NoError(t, os.WriteFile(config, []byte(strings.Join([]string{
		"HostKey " + s.hostKey(), "AuthorizedKeysFile " + authorized, "ListenAddress 127.0.0.1", "PidFile none",
		"UsePAM no", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password",
		fmt.Sprintf("SetEnv HOME=%s SVDIR=%s", s.Home, s.services()), "MaxStartups 100", "MaxSessions 100",
	}, "\n")+"\n"), 0o600))
	require.Eventually(t, func() bool {
		s.Port = freePort(t)
		log := filepath.Join(s.dir, "sshd.log")
		cmd := exec.Command(program, "-D", "-f", config, "-p", strconv.Itoa(s.Port), "-E", log)
		s.sshd = start(t, cmd)
		return s.listens(log)
	}, 30*time.Second, time.Millisecond, "sshd does not start")
	t.Cleanup(s.sshd.kill)
}

func (s *Server) listens(log string) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.sshd.ended:
			return false
		case <-tick.C:
			if text, _ := os.ReadFile(log); bytes.Contains(text, []byte("Server listening on")) {
				return true
			}
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// child is a process that a test started.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func start(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{cmd: cmd, ended: make(chan struct{})}
	require.NoError(t, cmd.Start())
	go func() {
		_ = cmd.Wait()
		close(c.ended)
	}()
	return c
}

// kill ends the process and all that came of it.
func (c *child) kill() {
	pid := c.cmd.Process.Pid
	for _, p := range append([]int{pid}, descendants(pid)...) {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	<-c.ended
}

// descendants are all processes that pid started, and theirs.
func descendants(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	children := map[int][]int{}
	for _, path := range stats {
		if text, err := os.ReadFile(path); err == nil {
			child, parent := family(string(text))
			children[parent] = append(children[parent], child)
		}
	}
	var all []int
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// family reads a process and its parent from /proc/PID/stat.
func family(stat string) (child, parent int) {
	_, _ = fmt.Sscan(stat, &child)
	end := strings.LastIndex(stat, ")")
	_, _ = fmt.Sscan(stat[end+1:], new(string), &parent)
	return child, parent
}
