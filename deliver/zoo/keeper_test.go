package zoo

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/host"
)

// service is one animal's place under a service manager.
type service struct {
	variant
	name, root      string
	port, elsewhere int
	asker           string // the health command on the machine
	eats            string // the argument for an animal that eats memory
}

// directory is where the service runs.
func (s service) directory() string {
	if s.pinned {
		return filepath.Join(s.root, "releases/v1")
	}
	return filepath.Join(s.root, "current")
}

// keeper is a real service manager, and the way to the machine that it is on.
type keeper interface {
	// keep makes a service known and does not start it.
	keep(s service) error
	// isUp is what the manager's own command says of it.
	isUp(name string) bool
	// end stops the service, and what its releases left behind.
	end(s service)
	// command runs on the keeper's machine.
	command(name string, args ...string) *exec.Cmd
	// tools is where deliver-host and the animal are there.
	tools() string
	// roots is a directory for roots there.
	roots() string
}

// server is the far side of deliver on a keeper's machine.
func server(k keeper, root string) host.Server {
	return host.NewClient(host.Place{App: "zoo", Root: root}, func(context.Context) (host.Session, error) {
		return open(k.command(filepath.Join(k.tools(), "deliver-host"), "host"))
	})
}

// session is a process that deliver speaks to.
type session struct {
	io.Reader
	in    io.WriteCloser
	cmd   *exec.Cmd
	close sync.Once
}

func open(cmd *exec.Cmd) (host.Session, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr // where a far side that dies says why
	return &session{Reader: out, in: in, cmd: cmd}, cmd.Start()
}

func (s *session) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s *session) Alive(context.Context) bool  { return true }

func (s *session) Close() error {
	s.close.Do(func() {
		_ = s.in.Close()
		_ = s.cmd.Wait()
	})
	return nil
}

// here is what runit and supervisor have in common: they run on this machine.
type here struct {
	bin, dir string
	env      []string
}

func (h here) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), h.env...)
	return c
}

func (h here) tools() string { return h.bin }
func (h here) roots() string { return filepath.Join(h.dir, "roots") }

// script runs the animal.
func (h here) script(s service) string {
	return fmt.Sprintf("#!/bin/sh\nexec 2>&1\ncd %s && exec %s/animal\n", s.directory(), h.bin)
}

// sweep ends what runs below a service's root.
func sweep(root string) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if dir, err := os.Readlink(link); err == nil && strings.HasPrefix(dir, root+"/") {
			kill(filepath.Base(filepath.Dir(link)))
		}
	}
}

func newHere(t *testing.T, bin string) here {
	t.Helper()
	dir, err := os.MkdirTemp("", "zoo") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Mkdir(filepath.Join(dir, "roots"), 0o755))
	return here{bin: bin, dir: dir}
}

// runit has one runsvdir for all services.
type runit struct{ here }

func startRunit(t *testing.T, bin string) keeper {
	t.Helper()
	program := need(t, "runsvdir", "runit")
	need(t, "sv", "runit")
	k := runit{newHere(t, bin)}
	services := filepath.Join(k.dir, "services")
	require.NoError(t, os.Mkdir(services, 0o755))
	k.env = []string{"SVDIR=" + services}
	inBackground(t, k.command(program, services))
	return k
}

func (k runit) keep(s service) error {
	dir := filepath.Join(k.dir, "services", "."+s.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "run"), []byte(k.script(s)), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "down"), nil, 0o600); err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(k.dir, "services", s.name)); err != nil {
		return err
	}
	return until(func() bool { return k.command("sv", "status", s.name).Run() == nil })
}

func (k runit) isUp(name string) bool {
	out, _ := k.command("sv", "status", name).Output()
	return strings.HasPrefix(string(out), "run:")
}

func (k runit) end(s service) {
	dir := filepath.Join(k.dir, "services", s.name)
	_ = os.Rename(dir, filepath.Join(k.dir, "services", "."+s.name)) // runsvdir forgets it
	_ = k.command("sv", "-w", "5", "force-shutdown", filepath.Join(k.dir, "services", "."+s.name)).Run()
	sweep(s.root)
}

// supervisor has one supervisord for all services.
type supervisor struct{ here }

func startSupervisor(t *testing.T, bin string) keeper {
	t.Helper()
	program := need(t, "supervisord", "supervisor")
	need(t, "supervisorctl", "supervisor")
	k := supervisor{newHere(t, bin)}
	require.NoError(t, os.WriteFile(k.config(), fmt.Appendf(nil, `[supervisord]
nodaemon=true
logfile=%[1]s/log
pidfile=%[1]s/pid
childlogdir=%[1]s
[unix_http_server]
file=%[1]s/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s/s
[include]
files=%[1]s/*.ini
`, k.dir), 0o600))
	inBackground(t, k.command(program, "-c", k.config()))
	require.NoError(t, until(func() bool {
		_, err := os.Stat(filepath.Join(k.dir, "s"))
		return err == nil
	}))
	return k
}

func (k supervisor) config() string { return filepath.Join(k.dir, "supervisord.conf") }

func (k supervisor) keep(s service) error {
	content, err := os.ReadFile(k.config())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.root, "supervisord.conf"), content, 0o600); err != nil {
		return err
	}
	run := filepath.Join(k.dir, s.name+".sh")
	if err := os.WriteFile(run, []byte(k.script(s)), 0o755); err != nil {
		return err
	}
	policy := map[string]string{"": "autorestart=true\nstartsecs=1", "on-failure": "autorestart=unexpected\nstartsecs=0", "no": "autorestart=false\nstartsecs=0"}
	program := fmt.Sprintf("[program:%s]\ncommand=%s\nautostart=false\n%s\n", s.name, run, policy[s.restart])
	return os.WriteFile(filepath.Join(k.dir, s.name+".ini"), []byte(program), 0o600)
}

func (k supervisor) control(args ...string) *exec.Cmd {
	return k.command("supervisorctl", append([]string{"-c", k.config()}, args...)...)
}

func (k supervisor) isUp(name string) bool {
	out, _ := k.control("status", name).Output()
	return strings.Contains(string(out), " RUNNING ")
}

func (k supervisor) end(s service) {
	_ = k.control("stop", s.name).Run()
	_ = os.Remove(filepath.Join(k.dir, s.name+".ini"))
	_ = k.control("update", s.name).Run()
	sweep(s.root)
}

// until waits for what takes long only on a busy machine.
func until(condition func() bool) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for range 1200 {
		if condition() {
			return nil
		}
		<-again.C
	}
	return fmt.Errorf("not within a minute")
}
