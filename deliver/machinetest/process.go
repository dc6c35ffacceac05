package machinetest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is one that runs.
type Process struct {
	PID    int
	Parent int
	Line   string // its command line
}

// Dir is what the kernel tells of it.
func (p Process) Dir() string { return filepath.Join("/proc", strconv.Itoa(p.PID)) }

// having are the processes for which is says so of their directory in /proc.
func having(is func(dir string) bool) []Process {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	var found []Process
	for _, dir := range dirs {
		if p, runs := read(dir); runs && is(dir) {
			found = append(found, p)
		}
	}
	return found
}

// read reads of a process what tells it apart; a zombie does not run.
func read(dir string) (p Process, runs bool) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil || len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return p, false
	}
	p.PID, _ = strconv.Atoi(filepath.Base(dir))
	p.Parent, _ = strconv.Atoi(fields[1])
	p.Line = strings.TrimSpace(string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
	return p, true
}
