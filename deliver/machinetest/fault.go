package machinetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// diskSize is what a disk has at first.
const diskSize = "size=128m,nr_inodes=20000"

// Cut loses all that is sent to the machine and by it, silently.
func (m *Machine) Cut(t testing.TB) {
	t.Helper()
	m.site.run(t, "", "bridge", "link", "set", "dev", m.card(), "state", "0")
}

// Mend takes Cut back.
func (m *Machine) Mend(t testing.TB) {
	t.Helper()
	m.site.run(t, "", "bridge", "link", "set", "dev", m.card(), "state", "3")
}

// Slow lets no more than that many kilobits a second through to the machine.
func (m *Machine) Slow(t testing.TB, kilobits int) {
	t.Helper()
	rate := strconv.Itoa(kilobits) + "kbit"
	m.site.run(t, "", "tc", "qdisc", "add", "dev", m.card(), "root", "tbf", "rate", rate, "burst", "32kb", "latency", "1s")
}

// Fast takes Slow back.
func (m *Machine) Fast() {
	_ = m.site.try("", "tc", "qdisc", "del", "dev", m.card(), "root") // one that was off since is fast
}

// Freeze stops sshd there and all that runs in its sessions: connections stay
// open, and nobody answers.
func (m *Machine) Freeze() { m.signalSSH(syscall.SIGSTOP) }

// Thaw takes Freeze back.
func (m *Machine) Thaw() { m.signalSSH(syscall.SIGCONT) }

// signalSSH goes on until there is nobody new.
func (m *Machine) signalSSH(signal syscall.Signal) {
	done := map[int]bool{}
	for again := true; again; {
		again = false
		for _, p := range m.Sessions() {
			if !done[p.PID] {
				done[p.PID], again = true, true
				_ = syscall.Kill(p.PID, signal) // it ended meanwhile
			}
		}
	}
}

// Sessions are sshd and all that it started.
func (m *Machine) Sessions() []Process {
	all := m.Processes()
	var found []Process
	var of func(parent int)
	of = func(parent int) {
		for _, p := range all {
			if p.Parent == parent {
				found = append(found, p)
				of(p.PID)
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.Line, "sshd: /usr/sbin/sshd") || strings.HasPrefix(p.Line, "/usr/sbin/sshd -D") {
			found = append(found, p)
			of(p.PID)
		}
	}
	return found
}

// SSHD tells runit what to do with sshd: start or stop.
func (m *Machine) SSHD(t testing.TB, what string) {
	t.Helper()
	m.site.run(t, "", "sv", what, filepath.Join(m.services(), "sshd"))
}

// Fill leaves no byte free on the disk.
func (m *Machine) Fill(t testing.TB) {
	t.Helper()
	m.shrink(t, func(used unix.Statfs_t) string {
		blocks := max(used.Blocks-used.Bfree, 1) // 0 would be no limit
		return fmt.Sprintf("size=%d", blocks*uint64(used.Bsize))
	})
}

// FillInodes leaves room for no other file on the disk.
func (m *Machine) FillInodes(t testing.TB) {
	t.Helper()
	m.shrink(t, func(used unix.Statfs_t) string { return fmt.Sprintf("nr_inodes=%d", used.Files-used.Ffree) })
}

// Empty gives the disk the room again that it had at first.
func (m *Machine) Empty(t testing.TB) {
	t.Helper()
	m.Remount(t, diskSize)
}

// shrink makes the disk as small as what is on it, which may be growing.
func (m *Machine) shrink(t testing.TB, to func(used unix.Statfs_t) string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var used unix.Statfs_t
		return unix.Statfs(m.Path(), &used) == nil && m.site.try("", "mount", "-o", "remount,"+to(used), m.disk()) == nil
	}, 20*time.Second, time.Millisecond, "fill the disk of %s", m.Name)
}

// Remount changes how the disk is mounted: ro, rw, size=…
func (m *Machine) Remount(t testing.TB, how string) {
	t.Helper()
	// A file that is open for writing keeps a disk from becoming read-only.
	require.Eventually(t, func() bool { return m.site.try("", "mount", "-o", "remount,"+how, m.disk()) == nil },
		20*time.Second, 10*time.Millisecond, "remount the disk of %s: %s", m.Name, how)
}

// SetClock puts the clock ahead from the next boot on, for programs that look
// at it through /run/clock-skew.
func (m *Machine) SetClock(t testing.TB, ahead time.Duration) {
	t.Helper()
	path := filepath.Join(m.dir, "clock")
	if ahead == 0 {
		require.NoError(t, os.RemoveAll(path))
		return
	}
	require.NoError(t, os.WriteFile(path, []byte(strconv.FormatInt(int64(ahead.Seconds()), 10)), 0o644))
}

// Kill kills (-9) the processes in whose command line all of the words are.
func (m *Machine) Kill(words ...string) (killed int) {
	for _, p := range m.Processes() {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(p.Line, w) }) {
			_ = syscall.Kill(p.PID, syscall.SIGKILL) // it ended meanwhile
			killed++
		}
	}
	return killed
}
