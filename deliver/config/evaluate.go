package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// evaluation is the evaluating of one file by bash.
type evaluation struct {
	file    *file
	dir     string
	env     []string
	output  io.Writer
	timeout time.Duration
}

// mostReadback is more than any sane config sets.
const mostReadback = 256 << 20

// run lets bash read the file, and reads back what it set.
func (e evaluation) run(ctx context.Context) (readback, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.timeout, errTooSlow)
	defer cancel()
	if err := e.checkSyntax(ctx); err != nil {
		return readback{}, err
	}
	told, err := unlinkedFile()
	if err != nil {
		return readback{}, fmt.Errorf("evaluate %s: %w", e.file.shown, err)
	}
	defer func() { _ = told.Close() }()
	said := &diagnostics{file: e.file.path, to: e.output}
	runErr := bash{
		script: libraryScript + evaluateScript, args: []string{e.file.path},
		dir: e.dir, env: e.env, file: told, stdout: e.output, stderr: said,
	}.run(ctx)
	r, err := readAll(told)
	if err != nil {
		return readback{}, fmt.Errorf("evaluate %s: %w", e.file.shown, err)
	}
	if err := e.judge(r, said, runErr); err != nil {
		said.end()
		return readback{}, err
	}
	said.release()
	return r, nil
}

// checkSyntax reads the whole file before any of it is run. It knows more
// patterns than a plain bash, for a file that switches them on itself.
func (e evaluation) checkSyntax(ctx context.Context) error {
	said := &diagnostics{file: e.file.path, to: io.Discard}
	err := bash{
		script: `exec "$BASH" --noprofile --norc -O extglob -n -- "$1"`, args: []string{e.file.path},
		dir: e.dir, env: e.env, stderr: said,
	}.run(ctx)
	if d, ok := said.syntax(); ok {
		return fmt.Errorf("%s:%d: %s", e.file.shown, d.line, d.plain())
	}
	if err != nil {
		return fmt.Errorf("evaluate %s: %w", e.file.shown, err)
	}
	return nil
}

// errTooSlow is the cause of a context whose evaluation took too long.
var errTooSlow = errors.New("it took too long")

// judge says whether the file was evaluated to its end, and if not, why.
func (e evaluation) judge(r readback, said *diagnostics, runErr error) error {
	d, badSyntax := said.syntax()
	switch {
	case errors.Is(runErr, errTooSlow):
		return fmt.Errorf("%s: still running after %s, so it was stopped; DELIVER_CONFIG_TIMEOUT allows more", e.where(r.exited), e.timeout)
	case runErr != nil && !isExit(runErr):
		return fmt.Errorf("evaluate %s: %w", e.file.shown, runErr)
	case r.tooOld != "":
		return fmt.Errorf("%s: bash %s is too old: it takes 4.4 or newer, first on the PATH", e.file.shown, r.tooOld)
	case r.failed != nil:
		return e.commandFailed(*r.failed, said)
	case badSyntax:
		return fmt.Errorf("%s:%d: %s", e.file.shown, d.line, d.plain())
	case !r.complete:
		return e.endedEarly(r.exited, said, runErr)
	}
	return nil
}

// isExit tells an exit status from bash not having run, or not to its end.
func isExit(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit)
}

func (e evaluation) commandFailed(f failure, said *diagnostics) error {
	name, assigns := strings.CutSuffix(f.word, "=")
	at := e.where(&f)
	switch {
	case f.status == 127 && assigns && !isName(name):
		return fmt.Errorf("%s: %s is no assignment: a variable's name holds only letters, digits and _", at, f.word)
	case f.status == 127 && assigns:
		return fmt.Errorf("%s: the command that gives %s was not found%s", at, name, said.notFound())
	case f.status == 127:
		return fmt.Errorf("%s: %s: command not found", at, f.word)
	case assigns:
		return fmt.Errorf("%s: the command that gives %s failed: exit status %d", at, name, f.status)
	default:
		return fmt.Errorf("%s: %s failed: exit status %d; where that is no fault, write || true after it", at, f.word, f.status)
	}
}

// notFound names the command that bash did not find last.
func (d *diagnostics) notFound() string {
	for i := len(d.said) - 1; i >= 0; i-- {
		if word, ok := strings.CutSuffix(d.said[i].text, ": command not found"); ok && !strings.Contains(word, "=") {
			return ": " + word
		}
	}
	return ""
}

func (e evaluation) endedEarly(exited *failure, said *diagnostics, runErr error) error {
	if n := len(said.said); n > 0 {
		last := said.said[n-1]
		return fmt.Errorf("%s:%d: %s", e.file.shown, last.line, last.plain())
	}
	if exited != nil {
		return fmt.Errorf("%s: the config ends the run with exit %d; leave it with return instead", e.where(exited), exited.status)
	}
	return fmt.Errorf("%s: bash ended before the end of the file: %w", e.file.shown, orUnknown(runErr))
}

func orUnknown(err error) error {
	if err == nil {
		return errors.New("exec or a trap in it replaced bash")
	}
	return err
}

// where names the line of a failure, in the file that it happened in.
func (e evaluation) where(f *failure) string {
	if f == nil || f.at.line == 0 {
		return e.file.shown
	}
	return e.shown(f.at)
}

// shown names a place from the project's directory.
func (e evaluation) shown(p place) string {
	name := p.file
	if rel, err := filepath.Rel(e.dir, name); err == nil && filepath.IsAbs(name) && filepath.IsLocal(rel) {
		name = rel
	}
	return fmt.Sprintf("%s:%d", name, p.line)
}

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func isName(s string) bool { return nameForm.MatchString(s) }

// unlinkedFile is a file in memory that nobody else can open and that is gone
// with its last user, however that ends: what a config sets may be secret.
func unlinkedFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("deliver", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), "deliver"), nil
}

func readAll(f *os.File) (readback, error) {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, mostReadback))
	if err != nil {
		return readback{}, err
	}
	return parseReadback(data)
}
