package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tree is the process and all below it.
func (p process) tree() []process {
	children := map[process][]process{}
	for _, each := range processes() {
		if parent := each.parent(); parent != 0 {
			children[parent] = append(children[parent], each)
		}
	}
	all := []process{p}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// wanted is for how long the process, all below it, and those of them that have
// ended wanted a processor: they had one, or waited for one on a busy machine.
func (p process) wanted() time.Duration {
	const userTime = 11 // fields 14 to 17 of proc_pid_stat(5), counted from the state
	var ticks int64
	var waited time.Duration
	for _, each := range p.tree() {
		waited += each.waited()
		f := each.stat()
		if len(f) < userTime+4 {
			continue
		}
		for _, field := range f[userTime : userTime+4] {
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks)*tick + waited
}

// waited is for how long the process's threads waited for a processor, where
// the kernel keeps account of that.
func (p process) waited() time.Duration {
	var sum time.Duration
	threads, _ := filepath.Glob(p.path("task/*/schedstat"))
	for _, path := range threads {
		content, _ := os.ReadFile(path) // it may have ended meanwhile
		if f := strings.Fields(string(content)); len(f) > 1 {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}

// listensOn are the TCP ports on which the process and those below it listen;
// known is false where this user may not look into all of them.
func (p process) listensOn() (ports map[int]bool, known bool) {
	open := map[string]bool{}
	known = true
	for _, each := range p.tree() {
		names, err := each.sockets()
		known = known && err == nil
		for _, name := range names {
			open[name] = true
		}
	}
	ports = map[int]bool{}
	for _, table := range socketTables() {
		for _, s := range parseSockets(table) {
			if open[s.name()] {
				ports[s.port] = true
			}
		}
	}
	return ports, known
}

// sockets are those that the process has open, as its descriptors name them.
func (p process) sockets() ([]string, error) {
	dir := p.path("fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.HasPrefix(target, "socket:") {
			names = append(names, target)
		}
	}
	return names, nil
}
