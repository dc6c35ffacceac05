package host

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// listener is a socket that waits for connections.
type listener struct {
	inode string
	port  int
	uid   int
}

// name is what a process that has the socket open calls it.
func (l listener) name() string { return "socket:[" + l.inode + "]" }

// listeners are those of a TCP port, on any address.
func listeners(port int) []listener {
	var found []listener
	for _, table := range socketTables() {
		for _, l := range parseSockets(table) {
			if l.port == port {
				found = append(found, l)
			}
		}
	}
	return found
}

// socketTables are the kernel's tables of TCP sockets.
func socketTables() [][]byte {
	var tables [][]byte
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if content, err := os.ReadFile(path); err == nil {
			tables = append(tables, content)
		}
	}
	return tables
}

// parseSockets reads those that listen from a table as the kernel writes it:
// sl local_address rem_address st queues timer retransmits uid timeout inode
func parseSockets(table []byte) []listener {
	const listening = "0A"
	var found []listener
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != listening {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		port, portErr := strconv.ParseUint(hex, 16, 16)
		uid, err := strconv.Atoi(f[7])
		if portErr == nil && err == nil {
			found = append(found, listener{inode: f[9], port: int(port), uid: uid})
		}
	}
	return found
}

// holders are the processes that have one of the sockets open, as far as this
// user may see.
func holders(sockets []listener) []process {
	wanted := map[string]bool{}
	for _, s := range sockets {
		wanted[s.name()] = true
	}
	var found []process
	for _, p := range processes() {
		if p.hasOpen(wanted) {
			found = append(found, p)
		}
	}
	slices.Sort(found)
	return found
}

func processes() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []process
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, process(pid))
		}
	}
	return all
}

// process is a process of this machine by its id.
type process int

func (p process) path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(int(p)), name)
}

func (p process) hasOpen(wanted map[string]bool) bool {
	names, _ := p.sockets()
	return slices.ContainsFunc(names, func(name string) bool { return wanted[name] })
}

// places are the paths that tell where a process runs from, the surest first.
func (p process) places() []string {
	var found []string
	if exe, err := os.Readlink(p.path("exe")); err == nil {
		found = append(found, exe)
	}
	line, _ := os.ReadFile(p.path("cmdline"))
	for arg := range bytes.SplitSeq(line, []byte{0}) {
		if filepath.IsAbs(string(arg)) {
			found = append(found, string(arg))
		}
	}
	if cwd, err := os.Readlink(p.path("cwd")); err == nil {
		found = append(found, cwd)
	}
	for i, path := range found {
		found[i] = filepath.Clean(strings.TrimSuffix(path, " (deleted)"))
	}
	return found
}

// parent is 0 when there is none or it is not known.
func (p process) parent() process {
	if f := p.stat(); len(f) > 1 {
		pid, _ := strconv.Atoi(f[1])
		return process(pid)
	}
	return 0
}

// started is when the process began, zero when it is not known.
func (p process) started() time.Time {
	ticks, err := strconv.ParseInt(p.startTicks(), 10, 64)
	var up unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(ticks)*tick - time.Duration(up.Nano()))
}

// startTicks is when the process began, in the kernel's ticks since the boot;
// empty when there is no such process.
func (p process) startTicks() string {
	const startTime = 19 // field 22 of proc_pid_stat(5), counted from the state
	f := p.stat()
	if len(f) <= startTime {
		return ""
	}
	return f[startTime]
}

// tick is the unit of times in proc_pid_stat(5).
const tick = time.Second / 100

// stat are the fields of proc_pid_stat(5) from the state on: the name before
// them may have blanks and brackets.
func (p process) stat() []string {
	line, err := os.ReadFile(p.path("stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
}
