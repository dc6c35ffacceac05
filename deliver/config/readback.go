package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// readback is what bash told of an evaluated file.
type readback struct {
	variables map[string][]string
	functions []string
	code      string           // what all functions do, as bash writes it
	lines     map[string]place // where a name was last assigned
	snapshot  string           // bash that makes another bash be like the one that told this
	failed    *failure
	exited    *failure
	tooOld    string // bash's version, when it cannot be used
	complete  bool
}

// place is a line of a file.
type place struct {
	file string
	line int
}

// failure is the command that ended an evaluation early.
type failure struct {
	status int
	at     place
	word   string // the first of the command
}

// errCutShort is the error of fields that end in the middle.
var errCutShort = errors.New("what bash told is cut short")

// parseReadback reads the fields, each ended by a NUL byte, that
// bash/evaluate.sh writes.
func parseReadback(data []byte) (readback, error) {
	r := readback{variables: map[string][]string{}, lines: map[string]place{}}
	fields := &fields{rest: data}
	for len(fields.rest) > 0 && !r.complete {
		if err := r.take(fields); err != nil {
			return readback{}, err
		}
	}
	return r, nil
}

func (r *readback) take(f *fields) error {
	switch kind := f.next(); kind {
	case "variable":
		name := f.next()
		r.variables[name] = f.list()
	case "function":
		r.functions = append(r.functions, f.next())
	case "code":
		r.code = f.next()
	case "line":
		name := f.next()
		r.lines[name] = f.place()
	case "snapshot":
		r.snapshot = f.next()
	case "failed":
		r.failed = &failure{status: f.number(), at: f.place(), word: f.next()}
	case "exit":
		r.exited = &failure{status: f.number(), at: f.place()}
	case "old":
		r.tooOld = f.next()
	case "end":
		r.complete = true
	default:
		return fmt.Errorf("what bash told is garbled: %s", shown(kind))
	}
	return f.err
}

// fields hands out NUL-terminated fields; after an error, empty ones.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) next() string {
	field, rest, ended := bytes.Cut(f.rest, []byte{0})
	if f.err == nil && !ended {
		f.err = errCutShort
	}
	if f.err != nil {
		f.rest = nil
		return ""
	}
	f.rest = rest
	return string(field)
}

func (f *fields) number() int {
	n, err := strconv.Atoi(f.next())
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("what bash told is garbled: %w", err)
	}
	return n
}

func (f *fields) list() []string {
	n := f.number()
	if f.err == nil && (n < 0 || n > len(f.rest)) {
		f.err = errCutShort
	}
	if f.err != nil {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, f.next())
	}
	return list
}

func (f *fields) place() place {
	file := f.next()
	line, _ := strconv.Atoi(f.next())
	return place{file, line}
}
