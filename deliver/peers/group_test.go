package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/sshdtest"
)

// group is a control group: the kernel counts the processor time of all that
// runs in it, also of what has ended.
type group struct {
	dir     string
	unified bool // control groups of version 2
}

func newGroup(t *testing.T, name string) *group {
	t.Helper()
	const root = "/sys/fs/cgroup"
	_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
	g := &group{dir: filepath.Join(root, "cpuacct", name), unified: err == nil}
	if g.unified {
		g.dir = filepath.Join(root, name)
	}
	err = os.Mkdir(g.dir, 0o755)
	sshdtest.NeedThat(t, err == nil || os.IsExist(err), "control groups that root may make")
	t.Cleanup(func() {
		g.end(t)
		require.NoError(t, os.Remove(g.dir))
	})
	return g
}

// command is a command that runs in the group.
func (g *group) command(name string, args ...string) *exec.Cmd {
	into := []string{"-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs"), name}
	return exec.Command("sh", append(into, args...)...)
}

// used is the processor time that was used in the group.
func (g *group) used(t *testing.T) time.Duration {
	t.Helper()
	if !g.unified {
		text, err := os.ReadFile(filepath.Join(g.dir, "cpuacct.usage"))
		require.NoError(t, err)
		return time.Duration(number(t, strings.TrimSpace(string(text))))
	}
	text, err := os.ReadFile(filepath.Join(g.dir, "cpu.stat"))
	require.NoError(t, err)
	usage, _, _ := strings.Cut(strings.TrimPrefix(string(text), "usage_usec "), "\n")
	return time.Duration(number(t, usage)) * time.Microsecond
}

// memory is how much the processes of the group have in memory now, each for
// itself.
func (g *group) memory() (bytes int64) {
	for _, pid := range g.processes() {
		text, _ := os.ReadFile(filepath.Join("/proc", pid, "statm")) // it ended meanwhile
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			bytes += pages * int64(os.Getpagesize())
		}
	}
	return bytes
}

func (g *group) processes() []string {
	text, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs")) // without the group there are none
	return strings.Fields(string(text))
}

// end ends what still runs in the group, such as connections that ssh keeps.
func (g *group) end(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		left := g.processes()
		for _, pid := range left {
			n, _ := strconv.Atoi(pid)
			_ = syscall.Kill(n, syscall.SIGKILL) // it ended meanwhile
		}
		return len(left) == 0
	}, 20*time.Second, 10*time.Millisecond, "processes of %s do not end", g.dir)
}

// busy is the processor time that the whole machine has used, and how much it
// may use in a second.
func busy(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	const ticks = 100 // a second: what the kernel shows to programs is always in these
	var used int64
	for i, field := range strings.Fields(line)[1:] {
		if i != 3 && i != 4 && i < 8 { // idle, waiting for the disk; guests are counted as users already
			used += number(t, field)
		}
	}
	return time.Duration(used) * time.Second / ticks
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return n
}

// counters are the bytes that a network card has sent and received.
func counters(t *testing.T, card string) (sent, received int64) {
	t.Helper()
	read := func(name string) int64 {
		text, err := os.ReadFile(fmt.Sprintf("/sys/class/net/%s/statistics/%s_bytes", card, name))
		require.NoError(t, err)
		return number(t, strings.TrimSpace(string(text)))
	}
	return read("tx"), read("rx")
}
