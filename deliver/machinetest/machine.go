package machinetest

import (
	"bytes"
	_ "embed" // what a machine does at boot
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Machine is one machine. root logs in there; ~ is on its disk.
type Machine struct {
	Name    string
	Address string

	site   *Site
	number int
	via    string
	dir    string    // what is not on its disk
	init   *exec.Cmd // process 1; nil: it is off
}

// Options are what is not usual about a machine.
type Options struct {
	SSHD    []string          // lines of its sshd_config
	Via     string            // the jump host before it
	Service map[string]string // the run scripts of its services, which start in its home
	Clock   time.Duration     // by which its clock is ahead
}

// Add makes a machine and boots it.
func (s *Site) Add(t testing.TB, name string, opts Options) *Machine {
	t.Helper()
	number := len(s.Machines) + 1
	m := &Machine{
		Name: name, Address: fmt.Sprintf("10.77.%d.%d", number/250, number%250+1),
		site: s, number: number, via: opts.Via, dir: filepath.Join(s.dir, name),
	}
	require.NoError(t, os.MkdirAll(m.disk(), 0o755))
	s.run(t, "", "mount", "-t", "tmpfs", "-o", diskSize, name, m.disk())
	require.NoError(t, os.Mkdir(m.Path(), 0o755))
	if s.image != "" {
		s.run(t, "", "cp", "-a", s.image+"/.", m.Home())
	}
	s.run(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", m.hostKey())
	m.service(t, "sshd", "exec /usr/sbin/sshd -D -e -f "+m.sshdConfig(t, opts.SSHD))
	for name, script := range opts.Service {
		m.service(t, name, script)
	}
	m.SetClock(t, opts.Clock)
	s.Machines = append(s.Machines, m)
	s.writeConfig(t)
	s.Trust(t)
	m.Boot(t)
	return m
}

// Dir is a directory that the machine sees, too, and that is not on its disk:
// there, MACHINE in the environment of a login names it.
func (m *Machine) Dir() string { return m.dir }

// Home is the home directory, as the machine sees it.
func (m *Machine) Home() string { return filepath.Join(m.disk(), "home") }

// Path is a file in the home directory, as a test sees it.
func (m *Machine) Path(parts ...string) string {
	return m.site.thread.path(filepath.Join(append([]string{m.Home()}, parts...)...))
}

func (m *Machine) disk() string     { return filepath.Join(m.dir, "disk") }
func (m *Machine) hostKey() string  { return filepath.Join(m.dir, "host_key") }
func (m *Machine) services() string { return filepath.Join(m.dir, "service") }
func (m *Machine) card() string     { return fmt.Sprintf("m%d", m.number) }

// Log is the file that a service of it writes to.
func (m *Machine) Log(service string) string { return filepath.Join(m.dir, service+".log") }

func (m *Machine) publicKey(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(m.hostKey() + ".pub")
	require.NoError(t, err)
	return strings.Join(strings.Fields(string(text))[:2], " ")
}

func (m *Machine) sshdConfig(t testing.TB, more []string) string {
	t.Helper()
	path := filepath.Join(m.dir, "sshd_config")
	lines := append([]string{
		"HostKey " + m.hostKey(), "AuthorizedKeysFile " + m.site.key() + ".pub", "PidFile none",
		"UsePAM no", "StrictModes no", "UseDNS no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password",
		fmt.Sprintf("SetEnv HOME=%s SVDIR=%s MACHINE=%s", m.Home(), m.services(), m.dir),
	}, more...)
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

func (m *Machine) service(t testing.TB, name, script string) {
	t.Helper()
	dir := filepath.Join(m.services(), name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	text := fmt.Sprintf("#!/bin/sh\nexec >>%s 2>&1\ncd %s || exit 1\n%s\n", m.Log(name), m.Home(), script)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run"), []byte(text), 0o755))
}

// boot is process 1 of a machine: it waits on its input for the network card,
// and becomes runit.
//
//go:embed boot.sh
var boot string

// Boot switches the machine on and waits until sshd listens.
func (m *Machine) Boot(t testing.TB) {
	t.Helper()
	require.NoError(t, os.RemoveAll(m.Log("sshd")))
	cmd := exec.Command("/bin/sh", "-ec", boot, m.Name, m.Address, m.dir)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + m.Home(), "SVDIR=" + m.services(), "MACHINE=" + m.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	log, err := os.Create(m.Log("boot"))
	require.NoError(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	ready, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, m.site.Start(cmd))
	m.init = cmd
	m.site.run(t, strings.Join([]string{
		fmt.Sprintf("link add %s type veth peer name eth0 address %s netns %d", m.card(), mac(m.number), cmd.Process.Pid),
		fmt.Sprintf("link set %s master site up", m.card()),
		fmt.Sprintf("neigh replace %s lladdr %s dev site nud permanent", m.Address, mac(m.number)),
	}, "\n"), "ip", "-batch", "-")
	_, err = fmt.Fprintln(ready)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(m.Log("sshd")) // not there yet
		return bytes.Contains(text, []byte("Server listening on"))
	}, 30*time.Second, 5*time.Millisecond, "%s does not boot; see %s", m.Name, m.dir)
}

// Off takes the power away: what is sent to it gets no answer from then on, not
// even that there is nobody, and all its processes are gone.
func (m *Machine) Off() {
	if m.init == nil {
		return
	}
	// First, or the dying processes would still take leave of their connections.
	_ = m.site.try("", "ip", "link", "delete", m.card())
	_ = m.init.Process.Kill() // it cannot have ended before
	_ = m.init.Wait()
	m.init = nil
}

// Processes are those that run there.
func (m *Machine) Processes() []Process {
	if m.init == nil {
		return nil
	}
	own := func(dir string) string {
		space, _ := os.Readlink(filepath.Join(dir, "ns", "pid")) // it ended meanwhile
		return space
	}
	space := own(fmt.Sprintf("/proc/%d", m.init.Process.Pid))
	return having(func(dir string) bool { return space != "" && own(dir) == space })
}
