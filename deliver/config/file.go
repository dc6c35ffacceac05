package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// file is a project's bash file.
type file struct {
	path  string // absolute
	shown string // as errors name it, from the project's directory
	text  []byte
}

// findFile finds the config of the project in dir: .deliver/config, or
// .deliver where that is a file itself. A project without one has none.
func findFile(dir string) (*file, error) {
	for _, shown := range []string{".deliver", ".deliver/config"} {
		path := filepath.Join(dir, shown)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, dangling(path, shown)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", shown, errors.Unwrap(err))
		case info.Mode().IsRegular():
			return readFile(path, shown)
		case !info.IsDir() || shown == ".deliver/config":
			return nil, fmt.Errorf("%s is no file", shown)
		}
	}
	return nil, nil
}

// dangling is the error of a link to nothing: unlike a missing file it is a
// mistake.
func dangling(path, shown string) error {
	if target, err := os.Readlink(path); err == nil {
		return fmt.Errorf("%s is a link to %s, which does not exist", shown, target)
	}
	return nil
}

func readFile(path, shown string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown, errors.Unwrap(err))
	}
	f := &file{path: path, shown: shown, text: text}
	return f, f.readable()
}

// readable names what bash would only stumble over.
func (f *file) readable() error {
	if bytes.HasPrefix(f.text, []byte("\xef\xbb\xbf")) {
		return fmt.Errorf("%s:1: the file begins with a byte order mark; save it as UTF-8 without one", f.shown)
	}
	if i := bytes.IndexByte(f.text, 0); i >= 0 {
		return fmt.Errorf("%s:%d: a NUL byte: this is no bash script", f.shown, f.lineAt(i))
	}
	if i := bytes.Index(f.text, []byte("\r\n")); i >= 0 {
		return fmt.Errorf(`%s:%d: the lines end in CRLF, which bash takes for a part of each value; convert the file with: sed -i 's/\r$//' %s`,
			f.shown, f.lineAt(i), f.shown)
	}
	return nil
}

func (f *file) lineAt(offset int) int { return 1 + bytes.Count(f.text[:offset], []byte("\n")) }

// assignedAt gives the line on which an assignment begins, of which bash told
// the last line.
func (f *file) assignedAt(name string, last int) int {
	lines := strings.Split(string(f.text), "\n")
	for i := min(last, len(lines)) - 1; i >= 0; i-- {
		line := strings.TrimLeft(lines[i], " \t")
		if strings.HasPrefix(line, name+"=") || strings.HasPrefix(line, name+"+=") {
			return i + 1
		}
		if strings.Contains(line, name) {
			break
		}
	}
	return last
}
