package zoo

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"deliver/sshdtest"
)

// container is a machine of its own with systemd as pid 1, on the base tree of
// the lab's servers.
type container struct {
	leader string // its pid 1, as this machine numbers it
	memory string // a control group that bounds memory, where systemd cannot
}

func startSystemd(t *testing.T, bin string) keeper {
	t.Helper()
	nspawn := need(t, "systemd-nspawn", "systemd-container")
	need(t, "nsenter", "util-linux")
	base, err := filepath.Abs("../../.cache/base")
	require.NoError(t, err)
	_, err = os.Stat(filepath.Join(base, ".complete"))
	sshdtest.NeedThat(t, err == nil && os.Geteuid() == 0, "to be root, and the tree of lab/requirements --install demo")
	k := &container{memory: bound(t)}
	name := "zoo" + strconv.Itoa(os.Getpid())
	args := []string{
		"-q", "--register=no", "--keep-unit", "--boot", "-D", base, "--volatile=overlay", "--private-network",
		"--machine=" + name, "--console=read-only", "--bind-ro=" + bin + ":" + k.tools(),
	}
	if k.memory != "" {
		args = append(args, "--bind="+k.memory+":"+memoryInside)
	}
	cmd := exec.Command(nspawn, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // it shuts down with this test
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		kill(k.leader) // and with it all that runs there
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if k.memory != "" {
			_ = os.Remove(k.memory)
		}
	})
	require.NoError(t, until(func() bool {
		k.leader = initOf(cmd.Process.Pid)
		return k.leader != "" && k.command("systemctl", "is-system-running").Run() == nil
	}), "systemd does not come up")
	return k
}

// memoryInside is where a container finds the control group.
const memoryInside = "/opt/memory"

// bound makes a control group of 48 MiB where there is version 1, whose limits
// systemd does not set in a container; empty: it can.
func bound(t *testing.T) string {
	t.Helper()
	const v1 = "/sys/fs/cgroup/memory"
	if _, err := os.Stat(v1 + "/memory.limit_in_bytes"); err != nil {
		return ""
	}
	dir := filepath.Join(v1, "zoo"+strconv.Itoa(os.Getpid()))
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), []byte("48M"), 0o600))
	return dir
}

// initOf is the first process below pid that is the first of its own pid
// namespace, which nspawn starts by way of another.
func initOf(pid int) string {
	for _, child := range children(strconv.Itoa(pid)) {
		for _, grandchild := range append(children(child), child) {
			status, _ := os.ReadFile(filepath.Join("/proc", grandchild, "status"))
			if strings.Contains(string(status), "\nNSpid:\t"+grandchild+"\t1\n") {
				return grandchild
			}
		}
	}
	return ""
}

func children(pid string) []string {
	list, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	return strings.Fields(string(list))
}

func (k *container) command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", k.leader, "-m", "-u", "-i", "-n", "-p", "--", name}, args...)...)
}

func (k *container) tools() string { return "/opt/zoo" }
func (k *container) roots() string { return "/srv" }

func (k *container) keep(s service) error {
	policy := s.restart
	if policy == "" {
		policy = "always"
	}
	unit := append([]string{
		"[Service]", "WorkingDirectory=" + s.directory(), "ExecStart=" + k.tools() + "/animal", "Restart=" + policy,
	}, s.unit...)
	if strings.Contains(s.args, "-eat") && k.memory == "" {
		unit = append(unit, "MemoryMax=48M", "MemorySwapMax=0")
	}
	cmd := k.command("sh", "-c", "cat >/run/systemd/system/"+s.name+".service")
	cmd.Stdin = strings.NewReader(strings.Join(unit, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (k *container) isUp(name string) bool {
	out, _ := k.command("systemctl", "is-active", name).Output()
	return strings.TrimSpace(string(out)) == "active"
}

func (k *container) end(s service) {
	_ = k.command("systemctl", "stop", s.name).Run()
	_ = k.command("sh", "-c", fmt.Sprintf("rm -f /run/systemd/system/%s.service; for p in /proc/[0-9]*/cwd; do case $(readlink $p) in %s/*) kill -9 $(basename $(dirname $p));; esac; done", s.name, s.root)).Run()
}
