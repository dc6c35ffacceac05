// Package machinetest makes whole machines for tests: each has an sshd and a
// runit, processes, a network card, a disk and a clock of its own, so that it can
// be cut off, filled up, frozen, switched off and booted again.
package machinetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"deliver/sshdtest"
)

// Site is machines on one network, and a place on it to work from.
type Site struct {
	Home     string // of who works there
	Machines []*Machine

	dir    string
	image  string
	thread *thread
}

// gateway is the address of the place to work from.
const gateway = "10.77.255.254"

// New makes a network without machines. The disk of each machine starts as a
// copy of the directory image; empty: it is empty.
func New(t testing.TB, image string) *Site {
	t.Helper()
	for program, pkg := range map[string]string{
		"ip": "iproute2", "bridge": "iproute2", "tc": "iproute2", "sshd": "openssh-server",
		"ssh-keygen": "openssh-client", "runsvdir": "runit", "sv": "runit",
	} {
		sshdtest.Need(t, program, pkg)
	}
	s := &Site{dir: t.TempDir(), image: image, thread: startThread(t)}
	s.Home = filepath.Join(s.dir, "home")
	require.NoError(t, os.MkdirAll(filepath.Join(s.Home, ".ssh"), 0o700))
	t.Cleanup(s.end)
	s.run(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.key())
	s.run(t, strings.Join([]string{
		"link set lo up",
		"link add site address " + mac(0) + " type bridge",
		"address add " + gateway + "/16 dev site",
		"link set site up",
	}, "\n"), "ip", "-batch", "-")
	return s
}

// end switches everything off.
func (s *Site) end() {
	for _, m := range s.Machines {
		m.Off()
	}
	for _, p := range s.Processes() {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
}

func (s *Site) key() string { return filepath.Join(s.Home, ".ssh", "id_ed25519") }

// KnownHosts is the known_hosts of who works here.
func (s *Site) KnownHosts() string { return filepath.Join(s.Home, ".ssh", "known_hosts") }

func (s *Site) config() string { return filepath.Join(s.Home, ".ssh", "config") }

// Machine is the machine of this name.
func (s *Site) Machine(t testing.TB, name string) *Machine {
	t.Helper()
	for _, m := range s.Machines {
		if m.Name == name {
			return m
		}
	}
	require.FailNow(t, "no machine "+name)
	return nil
}

// Trust writes the keys of all machines to known_hosts.
func (s *Site) Trust(t testing.TB) {
	t.Helper()
	var known strings.Builder
	for _, m := range s.Machines {
		fmt.Fprintf(&known, "%s %s\n", m.Name, m.publicKey(t))
	}
	require.NoError(t, os.WriteFile(s.KnownHosts(), []byte(known.String()), 0o600))
}

// Route puts a jump host before machines.
func (s *Site) Route(t testing.TB, via string, names ...string) {
	t.Helper()
	for _, name := range names {
		s.Machine(t, name).via = via
	}
	s.writeConfig(t)
}

func (s *Site) writeConfig(t testing.TB) {
	t.Helper()
	var config strings.Builder
	for _, m := range s.Machines {
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n  HostKeyAlias %s\n", m.Name, m.Address, m.Name)
		if m.via != "" {
			fmt.Fprintf(&config, "  ProxyJump %s\n", m.via)
		}
	}
	fmt.Fprintf(&config, "Host *\n  User root\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  ServerAliveInterval 2\n", s.key(), s.KnownHosts())
	require.NoError(t, os.WriteFile(s.config(), []byte(config.String()), 0o600))
}

// mark is in the environment of all that is started from here.
func (s *Site) mark() string { return "MACHINETEST_SITE=" + s.dir }

// Command is a command that runs at the place to work from, once Start has
// started it. It ends with the test.
func (s *Site) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.Home
	cmd.Env = []string{s.mark(), "PATH=" + os.Getenv("PATH"), "HOME=" + s.Home, "SSH_CONFIG=" + s.config(), "TMPDIR=" + s.Temporary()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Temporary is the directory for temporary files of what runs here.
func (s *Site) Temporary() string {
	dir := filepath.Join(s.dir, "tmp")
	_ = os.MkdirAll(dir, 0o755) // who uses it sees whether it is there
	return dir
}

// Start starts a command of Command.
func (s *Site) Start(cmd *exec.Cmd) (err error) {
	s.thread.do(func() { err = cmd.Start() })
	return err
}

// Processes are those that run at the place to work from.
func (s *Site) Processes() []Process {
	return having(func(pid string) bool {
		environ, err := os.ReadFile(filepath.Join(pid, "environ"))
		return err == nil && bytes.Contains(append(environ, 0), []byte(s.mark()+"\x00"))
	})
}

// run runs a command here, which must succeed.
func (s *Site) run(t testing.TB, input, name string, args ...string) {
	t.Helper()
	require.NoError(t, s.try(input, name, args...))
}

func (s *Site) try(input, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	var out []byte
	var err error
	s.thread.do(func() { out, err = cmd.CombinedOutput() })
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// mac is the address of a network card; 0 is the place to work from.
func mac(number int) string { return fmt.Sprintf("02:00:00:00:%02x:%02x", number>>8, number&0xff) }
