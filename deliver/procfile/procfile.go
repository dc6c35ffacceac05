// Package procfile reads what an app says of its processes: a Procfile, an
// .env file, and how many of each there are to be.
package procfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// DefaultPort is that of the first process where nobody says another.
const DefaultPort = 5000

// Type is a line of a Procfile: a kind of process and its command.
type Type struct {
	Name    string
	Command string
}

// Process is one process of an app.
type Process struct {
	Type    string
	Command string
	Number  int // from 1 on, among those of its type
	Port    int // what it finds as PORT
}

// Name is the process as people call it, such as web.1.
func (p Process) Name() string { return p.Type + "." + strconv.Itoa(p.Number) }

var typeLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(\S.*)$`)

// Parse reads a Procfile. A line that is neither a process, nor empty, nor a
// comment is an error: a process that is not started would not be noticed.
func Parse(text string) ([]Type, error) {
	var types []Type
	seen := map[string]bool{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := typeLine.FindStringSubmatch(line)
		switch {
		case m == nil || strings.ContainsRune(line, 0):
			return nil, fmt.Errorf("line %d: %.80q is no process: it is written NAME: COMMAND", number, line)
		case seen[m[1]]:
			return nil, fmt.Errorf("line %d: there is a process %s already", number, m[1])
		}
		seen[m[1]] = true
		types = append(types, Type{Name: m[1], Command: m[2]})
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("there is no process in it")
	}
	return types, nil
}

// Formation is how many processes of a type there are: web=2,worker=1. The type
// all stands for those that are not named; empty is all=1.
type Formation map[string]int

// all is the name for every type.
const all = "all"

// mostOfAType keeps the ports of two types apart.
const mostOfAType = 100

// ParseFormation reads a formation.
func ParseFormation(text string) (Formation, error) {
	f := Formation{}
	for pair := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		name, amount, _ := strings.Cut(pair, "=")
		n, err := strconv.Atoi(amount)
		if err != nil || name == "" || n < 0 || n > mostOfAType {
			return nil, fmt.Errorf("%.80q is no formation: it is written web=2,worker=1, with numbers from 0 to %d", pair, mostOfAType)
		}
		f[name] = n
	}
	if len(f) == 0 {
		f[all] = 1
	}
	return f, nil
}

// of is how many processes of a type there are.
func (f Formation) of(name string) int {
	if n, ok := f[name]; ok {
		return n
	}
	return f[all]
}

// Processes are those of all types, in their order. Each type begins a hundred
// ports after the one before.
func Processes(types []Type, f Formation, port int) ([]Process, error) {
	known := map[string]bool{all: true}
	var processes []Process
	for i, t := range types {
		known[t.Name] = true
		for n := range f.of(t.Name) {
			processes = append(processes, Process{Type: t.Name, Command: t.Command, Number: n + 1, Port: port + i*mostOfAType + n})
		}
	}
	for name := range f {
		if !known[name] {
			return nil, fmt.Errorf("the formation names %s, which the Procfile does not have", name)
		}
	}
	if len(processes) == 0 {
		return nil, fmt.Errorf("the formation leaves no process")
	}
	return processes, nil
}
