package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"deliver/plan"
)

// Source says where the tar of a build comes from.
type Source struct {
	File  string    // tar, tar.gz or tar.zst; "-" is Stdin; empty: git archive of Ref
	Stdin io.Reader // of File "-"
	Dir   string    // the git checkout, and what a relative File starts from
	Ref   string    // commit, tag or branch; empty: HEAD
	// Sealed has the SHA-256 of the tar taken as well, which a store asks for.
	Sealed bool
}

// open starts to read the source's tar, still compressed if it is. Closing it
// tells whether it came to its end well.
func (s Source) open(ctx context.Context) (io.ReadCloser, origin, error) {
	switch s.File {
	case "":
		return s.archive(ctx)
	case "-":
		if s.Stdin == nil {
			return nil, origin{}, errors.New("read the build from stdin: there is none")
		}
		return io.NopCloser(s.Stdin), origin{}, nil
	}
	f, err := openFile(inDir(s.Dir, s.File))
	return f, origin{}, err
}

func openFile(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open build: %w; --build takes a tar, tar.gz or tar.zst, or - for stdin", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("open build: %s is a directory; pack it: tar -cf - -C %s . | deliver --build -", name, name)
	}
	return f, nil
}

// origin is what git knows of a build.
type origin struct {
	commit  string
	version string // as git describe says it
	when    time.Time
}

// archive runs git archive. The ref is resolved first, so that nothing of it
// can be taken for an option and the archive is of the commit that is named.
func (s Source) archive(ctx context.Context) (io.ReadCloser, origin, error) {
	from, err := s.resolve(ctx)
	if err != nil {
		return nil, origin{}, err
	}
	cmd := exec.CommandContext(ctx, "git", "archive", "--format=tar", from.commit)
	cmd.Dir = s.Dir
	p := &process{cmd: cmd}
	cmd.Stderr = &p.stderr
	if p.ReadCloser, err = cmd.StdoutPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, origin{}, fmt.Errorf("git archive: %w", err)
	}
	return p, from, nil
}

func (s Source) resolve(ctx context.Context) (origin, error) {
	ref := s.Ref
	if ref == "" {
		ref = "HEAD"
	}
	commit, err := s.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return origin{}, fmt.Errorf("find %s in the git checkout %s: %w; fetch it, or give a build with --build FILE", ref, s.Dir, err)
	}
	from := origin{commit: commit}
	if from.version, err = s.git(ctx, "describe", "--tags", "--always", commit); err != nil {
		return origin{}, fmt.Errorf("describe %s: %w", commit, err)
	}
	stamp, err := s.git(ctx, "show", "--no-patch", "--format=%cI", commit)
	if err != nil {
		return origin{}, fmt.Errorf("date of %s: %w", commit, err)
	}
	if from.when, err = time.Parse(time.RFC3339, stamp); err != nil {
		return origin{}, fmt.Errorf("date of %s: %w", commit, err)
	}
	return from, nil
}

// Ancestry says how a commit is related to another one, as far as the checkout
// knows both.
func (s Source) Ancestry(ctx context.Context, commit, than string) Ancestry {
	switch {
	case s.isAncestor(ctx, commit, than):
		return Older
	case s.isAncestor(ctx, than, commit):
		return Newer
	}
	return Unrelated
}

func (s Source) isAncestor(ctx context.Context, older, newer string) bool {
	_, err := s.git(ctx, "merge-base", "--is-ancestor", "--end-of-options", older, newer)
	return err == nil
}

// mostCommits is how many commits of a change are listed.
const mostCommits = 20

// Changes are the commits between two, as far as the checkout knows both.
func (s Source) Changes(ctx context.Context, from, to string) (plan.Change, bool) {
	change := plan.Change{Back: s.isAncestor(ctx, to, from)}
	if change.Back {
		from, to = to, from
	}
	span := from + ".." + to
	count, err := s.git(ctx, "rev-list", "--count", "--end-of-options", span)
	if err != nil {
		return change, false
	}
	lines, err := s.git(ctx, "log", "--format=%h %s", fmt.Sprintf("--max-count=%d", mostCommits), "--end-of-options", span)
	if err != nil || lines == "" {
		return change, false
	}
	change.Commits = strings.Split(lines, "\n")
	total, err := strconv.Atoi(count)
	change.More = total - len(change.Commits)
	return change, err == nil
}

func (s Source) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = s.Dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", said(err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// process is the output of a command; its Close waits for it.
type process struct {
	io.ReadCloser
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// Close says how the command ended. One that was not read to its end has done
// nothing wrong.
func (p *process) Close() error {
	_ = p.ReadCloser.Close()
	err := p.cmd.Wait()
	if err == nil || p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGPIPE {
		return nil
	}
	return fmt.Errorf("git archive: %w", said(err, p.stderr.String()))
}

// said puts what a command wrote in the place of its exit code.
func said(err error, stderr string) error {
	if text := strings.TrimSpace(stderr); text != "" {
		return errors.New(strings.ReplaceAll(text, "\n", "; "))
	}
	return err
}
