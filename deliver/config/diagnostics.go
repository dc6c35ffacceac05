package config

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// diagnostics pass on what a script writes to stderr, and hold back what bash
// itself says of the file: that becomes an error of ours, or is passed on
// when all went well. Bash repeats source lines, and they may hold secrets.
type diagnostics struct {
	file string
	to   io.Writer
	line []byte // not yet ended
	said []diagnostic
}

// diagnostic is one line of bash about the file.
type diagnostic struct {
	line int
	text string
	raw  []byte
}

const (
	longestLine     = 64 << 10
	mostDiagnostics = 100
)

// Write takes the next bytes of stderr.
func (d *diagnostics) Write(p []byte) (int, error) {
	d.line = append(d.line, p...)
	for {
		i := bytes.IndexByte(d.line, '\n')
		if i < 0 && len(d.line) < longestLine {
			return len(p), nil
		}
		end := i + 1
		if i < 0 {
			end = len(d.line)
		}
		if err := d.pass(d.line[:end]); err != nil {
			return len(p), err
		}
		d.line = append([]byte(nil), d.line[end:]...)
	}
}

func (d *diagnostics) pass(line []byte) error {
	if found, ok := d.recognize(line); ok && len(d.said) < mostDiagnostics {
		d.said = append(d.said, found)
		return nil
	}
	_, err := d.to.Write(line)
	return err
}

var bashLine = regexp.MustCompile(`^(?:[a-z ]+: )?line (\d+): (.*)`)

func (d *diagnostics) recognize(line []byte) (diagnostic, bool) {
	about, ok := strings.CutPrefix(string(line), d.file+": ")
	if !ok {
		return diagnostic{}, false
	}
	m := bashLine.FindStringSubmatch(strings.TrimRight(about, "\n"))
	if m == nil {
		return diagnostic{}, false
	}
	n, _ := strconv.Atoi(m[1])
	return diagnostic{line: n, text: m[2], raw: bytes.Clone(line)}, true
}

// release passes on what was held back.
func (d *diagnostics) release() {
	for _, s := range d.said {
		_, _ = d.to.Write(s.raw)
	}
	d.end()
}

// end passes on a last line without an end.
func (d *diagnostics) end() {
	_, _ = d.to.Write(d.line)
	d.line = nil
}

// syntax finds what bash says when it cannot read the file, or reads it
// otherwise than it is meant.
func (d *diagnostics) syntax() (diagnostic, bool) {
	for _, s := range d.said {
		for _, sign := range []string{"syntax error", "unexpected", "here-document"} {
			if strings.Contains(s.text, sign) {
				return s, true
			}
		}
	}
	return diagnostic{}, false
}

var nearToken = regexp.MustCompile("near unexpected token `(.*)'$")

// plain is the text without words of the source, save those of bash's grammar.
func (s diagnostic) plain() string {
	m := nearToken.FindStringSubmatch(s.text)
	if m == nil {
		return strings.TrimPrefix(s.text, "warning: ")
	}
	switch token := m[1]; {
	case !strings.ContainsFunc(token, func(r rune) bool { return r > ' ' && !strings.ContainsRune("(){};&|<>", r) }):
		return s.text
	case slices.Contains(strings.Fields("newline if then else elif fi for while until do done case esac in function"), token):
		return s.text
	}
	return "syntax error"
}
