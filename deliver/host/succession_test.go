package host_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/host"
	"deliver/host/hosttest"
)

// A succession of builds, as an app has them in a year: every one is to arrive as
// it is, for few bytes and little disk. DEPENDENCY_TREES is a git repository, as
// lab/dependency-trees makes it; without it there are a few small builds.

func TestSuccessiveBuilds(t *testing.T) {
	t.Parallel()
	must(t, onPath("git") && onPath("tar") && onPath("rsync"), "git, tar and rsync")
	repo := os.Getenv("DEPENDENCY_TREES")
	if repo == "" {
		repo = smallRepo(t)
	}
	ways := []way{newDelivered(t), newSynced(t), newPushed(t, repo)}
	t.Logf("| build | entries | MB | %s |", strings.Join(names(ways), " | "))
	for n, commit := range commits(t, repo) {
		plain := command(t, repo, "git", "archive", commit)
		b := build{n: n, commit: commit, plain: plain, tree: hosttest.Grow(t, fmt.Sprint("v", n), plain)}
		row := fmt.Sprintf("| %d | %d | %.1f |", n, len(b.tree.Manifest.Entries), float64(len(plain))/1e6)
		for _, w := range ways {
			row += fmt.Sprintf(" %d |", w.bring(t, b))
		}
		t.Log(row)
	}
	for _, w := range ways {
		t.Logf("%s: %d bytes of disk", w.name(), diskOf(t, w.root()))
	}
}

// build is one of a succession.
type build struct {
	n      int
	commit string
	plain  []byte
	tree   hosttest.Tree
}

// way is how builds come to a server; all of them stay there.
type way interface {
	name() string
	root() string
	// bring is the bytes that it took in both directions, within the
	// connection.
	bring(t *testing.T, b build) int64
}

func names(ways []way) []string {
	var all []string
	for _, w := range ways {
		all = append(all, w.name())
	}
	return all
}

// delivered is deliver's way.
type delivered struct {
	dir    string
	bytes  atomic.Int64
	client *host.Client
	last   *hosttest.Tree
}

func newDelivered(t *testing.T) *delivered {
	t.Helper()
	d := &delivered{dir: t.TempDir()}
	far := newFarSide(t)
	d.client = clientAt(t, d.dir, func(ctx context.Context) (host.Session, error) {
		session, err := far.open(ctx)
		return &countedSession{session, &d.bytes}, err
	})
	return d
}

func (d *delivered) name() string { return "deliver" }
func (d *delivered) root() string { return d.dir }

func (d *delivered) bring(t *testing.T, b build) int64 {
	t.Helper()
	before := d.bytes.Load()
	update(t, d.client, d.last, b.tree)
	_, err := d.client.Switch(t.Context(), b.tree.Record.ID, "")
	require.NoError(t, err)
	d.last = &b.tree
	requireEqualsTar(t, d.dir, b.tree.Record.ID, b.plain, true)
	return d.bytes.Load() - before
}

// countedSession counts what goes through a session.
type countedSession struct {
	host.Session
	bytes *atomic.Int64
}

// Read reads and counts.
func (s *countedSession) Read(p []byte) (int, error) {
	n, err := s.Session.Read(p)
	s.bytes.Add(int64(n))
	return n, err
}

// Write writes and counts.
func (s *countedSession) Write(p []byte) (int, error) {
	n, err := s.Session.Write(p)
	s.bytes.Add(int64(n))
	return n, err
}

// synced is rsync's, from a fresh checkout each time, as a build server has it.
type synced struct{ dir string }

func newSynced(t *testing.T) *synced {
	t.Helper()
	return &synced{dir: t.TempDir()}
}

func (s *synced) name() string { return "rsync -azc --link-dest" }
func (s *synced) root() string { return s.dir }

func (s *synced) bring(t *testing.T, b build) int64 {
	t.Helper()
	checkout := untar(t, b.plain)
	defer func() { _ = os.RemoveAll(checkout) }()
	release := filepath.Join(s.dir, fmt.Sprint(b.n))
	return counted(t, "", func(shell string) []string {
		return []string{"rsync", "-azc", "--link-dest", fmt.Sprint("../", b.n-1), "-e", shell, checkout + "/", "server:" + release}
	})
}

// pushed is a git push to a bare repository on the server, from which each release
// is checked out.
type pushed struct{ dir, repo string }

func newPushed(t *testing.T, repo string) *pushed {
	t.Helper()
	p := &pushed{dir: t.TempDir(), repo: repo}
	command(t, p.dir, "git", "init", "-q", "--bare", "repo")
	return p
}

func (p *pushed) name() string { return "git push" }
func (p *pushed) root() string { return p.dir }

func (p *pushed) bring(t *testing.T, b build) int64 {
	t.Helper()
	bare := filepath.Join(p.dir, "repo")
	n := counted(t, p.repo, func(string) []string {
		return []string{"git", "push", "-q", "ssh://server" + bare, b.commit + ":refs/heads/main"}
	})
	release := filepath.Join(p.dir, fmt.Sprint(b.n))
	require.NoError(t, os.Mkdir(release, 0o755))
	checkout := exec.Command("tar", "-x", "-C", release)
	checkout.Stdin = bytes.NewReader(command(t, bare, "git", "archive", b.commit))
	require.NoError(t, checkout.Run())
	return n
}

// counted runs a command whose remote shell is this binary, and counts what
// goes through that.
func counted(t *testing.T, dir string, args func(shell string) []string) int64 {
	t.Helper()
	counts := filepath.Join(t.TempDir(), "counts")
	line := args(testBinary())
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "HOST_TEST_SHELL="+counts, "GIT_SSH="+testBinary(), "GIT_SSH_VARIANT=simple")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	var n int64
	content, err := os.ReadFile(counts)
	require.NoError(t, err)
	for word := range strings.FieldsSeq(string(content)) {
		var more int64
		_, err := fmt.Sscan(word, &more)
		require.NoError(t, err)
		n += more
	}
	return n
}

// beShell does what ssh HOST COMMAND… does, on this machine, and writes down how much
// went through it.
func beShell(counts string, args []string) error {
	cmd := exec.Command("sh", "-c", strings.Join(args[1:], " "))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var sent atomic.Int64
	go func() {
		_, _ = io.Copy(countingWriter{in, &sent}, os.Stdin)
		_ = in.Close()
	}()
	received, err := io.Copy(os.Stdout, out)
	if err != nil {
		return err
	}
	err = cmd.Wait()
	if writeErr := os.WriteFile(counts, fmt.Appendln(nil, sent.Load(), received), 0o600); err == nil {
		err = writeErr
	}
	return err
}

// countingWriter counts what is written.
type countingWriter struct {
	io.Writer
	bytes *atomic.Int64
}

// Write writes and counts.
func (c countingWriter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

func untar(t *testing.T, plain []byte) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("tar", "-x", "-m", "-C", dir)
	cmd.Stdin = bytes.NewReader(plain)
	require.NoError(t, cmd.Run())
	return dir
}

func commits(t *testing.T, repo string) []string {
	t.Helper()
	return strings.Fields(string(command(t, repo, "git", "rev-list", "--reverse", "HEAD")))
}

func command(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v", name, args)
	return out
}

// diskOf is what a directory takes of the disk, a file of several names once.
func diskOf(t *testing.T, dir string) int64 {
	t.Helper()
	var n int64
	seen := map[uint64]bool{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &st)
		}
		if !seen[st.Ino] {
			n += st.Blocks * 512
		}
		seen[st.Ino] = true
		return err
	}))
	return n
}

// smallRepo is an app with a few packages, which are updated one after the other.
func smallRepo(t *testing.T) string {
	t.Helper()
	repo := t.TempDir()
	git := func(args ...string) {
		command(t, repo, "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@localhost"}, args...)...)
	}
	git("init", "-q")
	for n := range 4 {
		for p := range 20 {
			dir := filepath.Join(repo, "node_modules", fmt.Sprint("package", p))
			require.NoError(t, os.MkdirAll(dir, 0o755))
			for f := range 5 {
				version := (n*3 + p) / 20
				text := strings.Repeat(fmt.Sprintf("package %d, file %d\n", p, f), 50) + fmt.Sprint("version ", version)
				require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(f, ".js")), []byte(text), 0o600))
			}
		}
		git("add", "-A")
		git("commit", "-q", "--allow-empty", "-m", fmt.Sprint("build ", n))
	}
	return repo
}
