package host_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/host"
	"deliver/host/hosttest"
)

// What tar x makes of an archive, Receive must make of it, too.

func TestReceiveEqualsTarOfRandomTrees(t *testing.T) {
	t.Parallel()
	must(t, onPath("tar"), "GNU tar")
	formats := [][]string{{"--format=gnu"}, {"--format=posix"}, {"--format=posix", "--sparse"}, {"--format=gnu", "--sparse"}, {"--format=oldgnu"}}
	for seed := range uint64(15) {
		format := formats[seed%uint64(len(formats))]
		t.Run(fmt.Sprintf("seed %d %s", seed, strings.Join(format, " ")), func(t *testing.T) {
			t.Parallel()
			source := t.TempDir()
			plantTree(t, rand.New(rand.NewPCG(seed, 1)), source)
			compareWithTar(t, runTar(t, append(format, "-C", source, "-cf", "-", ".")...))
		})
	}
}

func TestReceiveEqualsTarOfUstar(t *testing.T) {
	t.Parallel()
	must(t, onPath("tar"), "GNU tar")
	source := t.TempDir()
	deep := filepath.Join(source, strings.Repeat("a-long-directory-name/", 7), strings.Repeat("n", 90))
	require.NoError(t, os.MkdirAll(filepath.Dir(deep), 0o750))
	require.NoError(t, os.WriteFile(deep, []byte("deep"), 0o640))
	for _, format := range []string{"ustar", "v7"} {
		names := []string{"--format=" + format, "-C", source, "-cf", "-", "."}
		if format == "v7" {
			require.NoError(t, os.WriteFile(filepath.Join(source, "short"), []byte("x"), 0o600))
			names[len(names)-1] = "short"
		}
		compareWithTar(t, runTar(t, names...))
	}
}

func TestReceiveEqualsTarOfGitArchive(t *testing.T) {
	t.Parallel()
	must(t, onPath("git") && onPath("tar"), "git and GNU tar")
	repo := t.TempDir()
	plantTree(t, rand.New(rand.NewPCG(7, 7)), repo)
	require.NoError(t, os.WriteFile(filepath.Join(repo, strings.Repeat("long", 40)), []byte("x"), 0o755))
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "-A"},
		{"-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "tree"},
	} {
		out, err := exec.Command("git", append([]string{"-C", repo}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	plain, err := exec.Command("git", "-C", repo, "archive", "HEAD").Output()
	require.NoError(t, err)
	require.Contains(t, string(plain[:1024]), "pax_global_header")
	compareWithTar(t, plain)
}

func TestReceiveEqualsTarOfOddArchives(t *testing.T) {
	t.Parallel()
	must(t, onPath("tar"), "GNU tar")
	mode := func(item hosttest.Item, mode int64) hosttest.Item { item.Mode = mode; return item }
	at := func(item hosttest.Item, when time.Time) hosttest.Item { item.ModTime = when; return item }
	pax := func(item hosttest.Item, key, value string) hosttest.Item {
		item.PAXRecords = map[string]string{key: value}
		return item
	}
	for name, items := range map[string][]hosttest.Item{
		"nothing":                         {},
		"the later of two files counts":   {hosttest.File("a", "one, which is longer"), hosttest.File("a", "two")},
		"the later of two links counts":   {hosttest.Symlink("l", "a"), hosttest.Symlink("l", "b")},
		"the later of two modes counts":   {mode(hosttest.Dir("d"), 0o700), hosttest.File("d/f", "x"), mode(hosttest.Dir("d"), 0o750)},
		"a replaced file has other names": {hosttest.File("a", "old"), hosttest.HardLink("b", "a"), hosttest.File("a", "new")},
		"directories nobody names":        {hosttest.File("a/b/c", "x")},
		"a directory after its files":     {hosttest.File("a/b", "x"), mode(hosttest.Dir("a"), 0o711)},
		"directories without permission":  {mode(hosttest.Dir("a"), 0), mode(hosttest.Dir("a/b"), 0o555), hosttest.File("a/b/c", "x")},
		"a parent after its child":        {mode(hosttest.Dir("a/b"), 0o750), mode(hosttest.Dir("a"), 0o500)},
		"a mode for the whole":            {mode(hosttest.Dir("./"), 0o750), hosttest.File("./f", "x")},
		"times before 1970":               {at(hosttest.File("f", "x"), time.Unix(-1000, 0))},
		"times with nanoseconds":          {pax(at(hosttest.File("f", "x"), time.Unix(1, 23456789)), "comment", "x")},
		"files without content":           {hosttest.File("f", ""), hosttest.Dir("d")},
		"odd names": {
			hosttest.File("with blank", "1"), hosttest.File("with\nline", "2"), hosttest.File("-rf", "3"), hosttest.File("*", "4"),
			hosttest.File("ünïcödé", "5"), hosttest.File("a\\b", "6"), hosttest.File("...", "7"), hosttest.File("a..b", "8"),
		},
		"names to be cleaned": {hosttest.File("./x/./y", "1"), hosttest.Symlink("x//z", ".//y"), hosttest.Dir(".//x//")},
		"very long names": {
			hosttest.File(strings.Repeat("d/", 200)+"f", "x"), hosttest.Symlink("l", strings.Repeat("d/", 200)+"f"),
			hosttest.HardLink("h", strings.Repeat("d/", 200)+"f"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareWithTar(t, hosttest.Tar(t, items...))
		})
	}
}

func TestReceiveDropsSetIDBits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	program := hosttest.File("program", "x")
	program.Mode = 0o6755
	receive(t, root, hosttest.Make(t, "v1", program))
	info, err := os.Stat(filepath.Join(root, "releases/v1/program"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o755), info.Mode())
}

func compareWithTar(t *testing.T, plain []byte) {
	t.Helper()
	want, root := t.TempDir(), t.TempDir()
	untar := exec.Command("tar", "--no-same-owner", "-C", want, "-xf", "-")
	untar.Stdin = bytes.NewReader(plain)
	out, err := untar.CombinedOutput()
	require.NoError(t, err, string(out))
	receive(t, root, hosttest.Pack(t, "v1", plain))
	got := filepath.Join(root, "releases", "v1")
	named := namesIn(t, plain)
	assert.Equal(t, describe(t, want, named), describe(t, got, named))
	for _, dir := range []string{want, got} { // so that the test's directory can be removed
		makeAccessible(dir)
	}
}

func receive(t *testing.T, root string, b hosttest.Build) {
	t.Helper()
	local, err := host.NewLocal(host.Place{App: "shop", Root: root})
	require.NoError(t, err)
	_, err = local.Receive(t.Context(), b.Record, b.Reader(), nil)
	require.NoError(t, err)
}

// namesIn are those that the archive has entries of: tar leaves the time of
// other directories to chance.
func namesIn(t *testing.T, plain []byte) map[string]bool {
	t.Helper()
	list := exec.Command("tar", "--quoting-style=literal", "--null", "-tf", "-")
	list.Stdin = bytes.NewReader(plain)
	out, err := list.Output()
	require.NoError(t, err)
	named := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		named[filepath.Clean(strings.TrimSuffix(line, "\n"))] = true
	}
	return named
}

// describe writes down all there is to a tree, a line for each path.
func describe(t *testing.T, dir string, named map[string]bool) []string {
	t.Helper()
	var lines []string
	inodes := map[uint64]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		line := fmt.Sprintf("%q %s", name, info.Mode())
		if name == "." && !named["."] {
			line = "." // tar does not touch the mode of where it is told to extract
		} else if named[name] || !info.IsDir() {
			line += " " + info.ModTime().Format(time.RFC3339Nano)
		}
		lines = append(lines, line+" "+contentOf(t, path, info, inodes))
		return nil
	}))
	sort.Strings(lines)
	return lines
}

// contentOf is a file's content and its first other name, or a link's target.
func contentOf(t *testing.T, path string, info fs.FileInfo, inodes map[uint64]string) string {
	t.Helper()
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		require.NoError(t, err)
		return "-> " + target
	case info.Mode().IsRegular():
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		inode := info.Sys().(*syscall.Stat_t).Ino
		if inodes[inode] == "" {
			inodes[inode] = filepath.Base(path)
		}
		return fmt.Sprintf("%d %x, %s", len(content), sha256.Sum256(content), inodes[inode])
	}
	return ""
}

func makeAccessible(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
}

func runTar(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("tar", args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, complaints.String())
	return out
}

func onPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// plantTree makes a random tree of all that a release may have.
func plantTree(t *testing.T, r *rand.Rand, root string) {
	t.Helper()
	p := planter{t: t, r: r, root: root, dirs: []string{"."}}
	for n := range 60 {
		p.plant(n)
	}
	for _, path := range append(p.files, p.dirs...) {
		p.age(path)
	}
}

type planter struct {
	t     *testing.T
	r     *rand.Rand
	root  string
	dirs  []string
	files []string
}

func (p *planter) plant(n int) {
	dir := p.dirs[p.r.IntN(len(p.dirs))]
	path := filepath.Join(dir, p.name(n))
	switch choice := p.r.IntN(10); {
	case choice < 2:
		p.check(os.Mkdir(filepath.Join(p.root, path), 0o755))
		p.check(os.Chmod(filepath.Join(p.root, path), fs.FileMode(0o700|p.r.IntN(0o100))))
		p.dirs = append(p.dirs, path)
	case choice < 3 && len(p.files) > 0:
		p.check(os.Link(filepath.Join(p.root, p.files[p.r.IntN(len(p.files))]), filepath.Join(p.root, path)))
	case choice < 4:
		p.symlink(dir, path)
	default:
		p.file(path)
	}
}

func (p *planter) file(path string) {
	content := make([]byte, []int{0, 1, 511, 512, 513, 5000, 100_000}[p.r.IntN(7)])
	for i := range content {
		content[i] = byte(p.r.IntN(256))
	}
	full := filepath.Join(p.root, path)
	p.check(os.WriteFile(full, content, 0o600))
	if p.r.IntN(5) == 0 { // holes
		p.check(os.Truncate(full, int64(p.r.IntN(3_000_000))))
	}
	p.check(os.Chmod(full, fs.FileMode(p.r.IntN(0o1000)|0o400)))
	p.files = append(p.files, path)
	if other := filepath.Join(filepath.Dir(path), strings.ToUpper(filepath.Base(path))); p.r.IntN(8) == 0 && other != path {
		p.check(os.WriteFile(filepath.Join(p.root, other), content, 0o600))
		p.files = append(p.files, other)
	}
}

func (p *planter) symlink(dir, path string) {
	target := "nowhere"
	if len(p.files) > 0 {
		to, err := filepath.Rel(dir, p.files[p.r.IntN(len(p.files))])
		p.check(err)
		target = to
	}
	full := filepath.Join(p.root, path)
	p.check(os.Symlink(target, full))
	when := []unix.Timespec{{Sec: 1e9}, {Sec: p.r.Int64N(1e9)}}
	p.check(unix.UtimesNanoAt(unix.AT_FDCWD, full, when, unix.AT_SYMLINK_NOFOLLOW))
}

func (p *planter) name(n int) string {
	names := []string{"f%d", "with blank %d", "ünïcödé%d", ".hidden%d", "new\nline%d", strings.Repeat("long", 30) + "%d", "\xff\xfe%d", "back\\slash%d", "-r%d"}
	return fmt.Sprintf(names[p.r.IntN(len(names))], n)
}

func (p *planter) age(path string) {
	when := time.Unix(p.r.Int64N(2e9), p.r.Int64N(1e9))
	p.check(os.Chtimes(filepath.Join(p.root, path), when, when))
}

func (p *planter) check(err error) { require.NoError(p.t, err) }
