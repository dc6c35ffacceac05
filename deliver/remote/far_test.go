package remote_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/remote"
)

// helpers lists the helper's directory, hidden files too.
func helpers(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, ".deliver", "bin"))
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// nameOf is the file that the helper gets on a server.
func nameOf(t *testing.T, helper remote.Helper) string {
	t.Helper()
	b, err := helper(runtime.GOOS, runtime.GOARCH)
	require.NoError(t, err)
	return "deliver-" + b.SHA256[:16]
}

func TestTheRunningProgramIsPutThereOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.Helper = nil // the default: this test binary
	c.serve(t, "h1")
	root := filepath.Join(t.TempDir(), "not there yet", "it's")
	state := look(t, c.dialAt(t, "h1", root))
	assert.Equal(t, root, state.Root)
	name := nameOf(t, remote.Executable())
	require.Equal(t, []string{name}, helpers(t, root))
	first, err := os.Stat(filepath.Join(root, ".deliver", "bin", name))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), first.Mode().Perm())

	look(t, c.dialAt(t, "h1", root))
	second, err := os.Stat(filepath.Join(root, ".deliver", "bin", name))
	require.NoError(t, err)
	assert.True(t, os.SameFile(first, second), "it was put there again")
}

func TestTheFirstContactOfManyPutsTheHelperThereWhole(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	root := filepath.Join(t.TempDir(), "app")
	var all sync.WaitGroup
	for range 6 {
		s := c.dialAt(t, "h1", root)
		all.Go(func() {
			_, err := s.Look(t.Context(), host.Service{Manager: "none"})
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, []string{nameOf(t, c.opts.Helper)}, helpers(t, root))
}

func TestADamagedHelperIsReplaced(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string){
		"emptied":   func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) },
		"changed":   func(t *testing.T, path string) { write(t, path, strings.Repeat("x", len(read(t, path)))) },
		"cut short": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 8)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			c.serve(t, "h1")
			root := t.TempDir()
			look(t, c.dialAt(t, "h1", root))
			path := filepath.Join(root, ".deliver", "bin", nameOf(t, c.opts.Helper))
			whole := read(t, path)
			damage(t, path)
			look(t, c.dialAt(t, "h1", root))
			assert.Equal(t, whole, read(t, path))
		})
	}
}

func TestOlderHelpersGoButForTheTwoNewest(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	root := t.TempDir()
	dir := filepath.Join(root, ".deliver", "bin")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for age, name := range []string{"deliver-1111111111111111", "deliver-2222222222222222", "deliver-3333333333333333", "deliver-4444444444444444"} {
		path := filepath.Join(dir, name)
		write(t, path, "old")
		when := time.Now().Add(-time.Duration(age+1) * time.Hour)
		require.NoError(t, os.Chtimes(path, when, when))
	}
	write(t, filepath.Join(dir, "notes"), "somebody's")
	for i := range 12 {
		write(t, filepath.Join(dir, fmt.Sprintf(".new-deliver-0-%d", i)), "left by a server that lost power")
	}
	look(t, c.dialAt(t, "h1", root))
	left := slices.DeleteFunc(helpers(t, root), func(name string) bool { return strings.HasPrefix(name, ".new-") })
	assert.ElementsMatch(t, []string{"deliver-1111111111111111", "deliver-2222222222222222", nameOf(t, c.opts.Helper), "notes"}, left)
	assert.LessOrEqual(t, len(helpers(t, root)), len(left)+8)
}

func TestAHelperThatIsCutOffOnTheWayLeavesNothing(t *testing.T) {
	t.Parallel()
	c, _, relay := relayed(t)
	right := c.opts.Helper
	large := binary([]byte(helperText(t, right) + noise(8<<20)))
	open := large.Open
	large.Open = func() (io.ReadCloser, error) {
		whole, err := open()
		return io.NopCloser(&cutReader{Reader: whole, after: 4 << 20, cut: relay.cut}), err
	}
	c.opts.Helper = func(string, string) (remote.Binary, error) { return large, nil }
	root := t.TempDir()
	_, err := c.dialAt(t, "h1", root).Look(t.Context(), host.Service{})
	hosttest.RequireKind(t, err, host.KindUnreachable)
	dir := filepath.Join(root, ".deliver", "bin")
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) == 0
	}, 20*time.Second, 10*time.Millisecond, "what was cut off is taken away")

	c.opts.Helper = right
	look(t, c.dialAt(t, "h1", root))
}

func TestAUserWithoutAShell(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		lacking(t, "the right to log in as somebody else (root)")
	}
	c := newClient(t)
	public := filepath.Join(t.TempDir(), "authorized_keys")
	write(t, public, read(t, c.authorized))
	for dir := filepath.Dir(public); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	require.NoError(t, os.Chmod(public, 0o644))
	sshd := startSSHD(t, "h1", public)
	c.know(t, sshd)
	c.configure(t, reaches(sshd))
	c.opts.User = "nobody" // whose shell is nologin
	_, err := c.dial(t, "h1").Look(t.Context(), host.Service{})
	e := hosttest.RequireKind(t, err, host.KindFailed)
	assert.Contains(t, e.Message, "h1: the login runs no command")
	assert.Contains(t, e.Message, "not available")
}

// tools is a PATH with nothing but the named programs.
func tools(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(dir, name)))
	}
	return dir
}

func TestAServerWithFewTools(t *testing.T) {
	t.Parallel()
	few := []string{"sh", "cat", "mkdir", "mv", "rm", "ls", "chmod", "uname", "wc"}
	for name, more := range map[string][]string{"neither gzip nor sha256sum": nil, "no gzip": {"sha256sum", "sync"}, "no sha256sum": {"gzip"}, "b2sum alone": {"b2sum"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			c.serve(t, "h1", "SetEnv PATH="+tools(t, append(more, few...)...))
			root := t.TempDir()
			look(t, c.dialAt(t, "h1", root))
			path := filepath.Join(root, ".deliver", "bin", nameOf(t, c.opts.Helper))
			require.NoError(t, os.Truncate(path, 8))
			look(t, c.dialAt(t, "h1", root))
		})
	}
}

func TestAHelperThatIsThereIsStartedAtOnce(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"b2sum": tools(t, "b2sum"), "sha256sum": tools(t, "sha256sum")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			sshd := c.serve(t, "h1", "SetEnv PATH="+path+":"+tools(t, "sh", "cat", "mkdir", "mv", "rm", "ls", "chmod", "uname", "wc"))
			root := t.TempDir()
			look(t, c.dialAt(t, "h1", root))
			before := sshd.logged(t, "Starting session")
			look(t, c.dialAt(t, "h1", root))
			assert.Equal(t, before+1, sshd.logged(t, "Starting session"))
		})
	}
}

// machine puts a uname that says something else before the PATH.
func machine(t *testing.T, sysname, name string) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in -s) echo %s;; -m) echo %s;; esac\n", sysname, name)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "uname"), []byte(script), 0o700))
	return "SetEnv PATH=" + dir + ":/usr/bin:/bin"
}

func TestAServerOfAnotherKindGetsItsOwnHelper(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1", machine(t, "Linux", "riscv64"))
	mine := c.opts.Helper
	theirs := binary([]byte(strings.Replace(helperText(t, mine), "exec", "# theirs\nexec", 1)))
	c.opts.Helper = func(goos, goarch string) (remote.Binary, error) {
		if goos == "linux" && goarch == "riscv64" {
			return theirs, nil
		}
		return mine(goos, goarch)
	}
	root := t.TempDir()
	look(t, c.dialAt(t, "h1", root))
	look(t, c.dialAt(t, "h1", root))
	assert.Equal(t, []string{"deliver-" + theirs.SHA256[:16]}, helpers(t, root))
}

func helperText(t *testing.T, helper remote.Helper) string {
	t.Helper()
	b, err := helper(runtime.GOOS, runtime.GOARCH)
	require.NoError(t, err)
	r, err := b.Open()
	require.NoError(t, err)
	defer r.Close()
	text := make([]byte, b.Size)
	_, err = r.Read(text)
	require.NoError(t, err)
	return string(text)
}

func TestAServerWithoutAHelperOfItsKind(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.Helper = nil
	c.serve(t, "h1", machine(t, "OpenBSD", "aarch64"))
	_, err := c.dial(t, "h1").Look(t.Context(), host.Service{})
	e := hosttest.RequireKind(t, err, host.KindFailed)
	assert.Contains(t, e.Message, "h1: the server is openbsd/arm64, this deliver is "+runtime.GOOS+"/"+runtime.GOARCH)
	assert.Contains(t, e.Hint, "GOOS=openbsd GOARCH=arm64")
}

func TestAServerIsSentNoOtherFileThanAHelper(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "key")
	write(t, secret, "a secret")
	c := newClient(t)
	c.opts.Helper = nil
	c.serve(t, "h1", machine(t, "Linux", "x"+strings.Repeat("/..", 20)+secret))
	root := t.TempDir()
	_, err := c.dialAt(t, "h1", root).Look(t.Context(), host.Service{})
	e := hosttest.RequireKind(t, err, host.KindProtocol)
	assert.Contains(t, e.Message, "h1: the server describes itself as")
	assert.NoDirExists(t, filepath.Join(root, ".deliver"))
}

func TestTheRootIsExpandedThere(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	for _, prefix := range []string{"~/", "~" + me(t) + "/"} {
		dir, err := os.MkdirTemp(home, "deliver-test-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		state := look(t, c.dialAt(t, "h1", prefix+filepath.Base(dir)))
		assert.Equal(t, dir, state.Root)
		assert.Len(t, helpers(t, dir), 1)
	}
}

func TestARootThatIsNone(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	for root, says := range map[string]string{
		"~nobody-of-this-name/app": "~nobody-of-this-name is no home directory there",
		"~$(touch pwned)/app":      "no user's home directory",
		"/srv/a\nb":                "no directory's name",
		"":                         "no directory's name",
	} {
		_, err := c.dialAt(t, "h1", root).Look(t.Context(), host.Service{})
		e := hosttest.RequireKind(t, err, host.KindFailed)
		assert.Contains(t, e.Message, says)
	}
}

func TestARootThatCannotBeMade(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	_, err := c.dialAt(t, "h1", file+"/app").Look(t.Context(), host.Service{})
	e := hosttest.RequireKind(t, err, host.KindFailed)
	assert.Contains(t, e.Message, "h1: put the helper there")
	assert.Contains(t, e.Message, "Not a directory")
	assert.Contains(t, e.Hint, file+"/app")
}

// mounted is a new file system of that size, which root may mount.
func mounted(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		lacking(t, "the right to mount a tmpfs (root)")
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func TestANoexecMountIsNamed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	root := mounted(t, unix.MS_NOEXEC, "")
	c.serve(t, "h1")
	_, err := c.dialAt(t, "h1", root).Look(t.Context(), host.Service{})
	e := hosttest.RequireKind(t, err, host.KindFailed)
	assert.Contains(t, e.Message, root)
	assert.Contains(t, e.Message, "may not be executed")
	assert.Contains(t, e.Hint, "noexec")
}

func TestAFullDiskIsNamed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	root := mounted(t, 0, "size=64k")
	c.opts.Helper = nil
	c.serve(t, "h1")
	s := c.dialAt(t, "h1", root)
	_, err := s.Look(t.Context(), host.Service{})
	hosttest.RequireKind(t, err, host.KindSpace)
	assert.Empty(t, helpers(t, root), "nothing is left behind")
}

func TestAHelperThatArrivesDamagedIsNotUsed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	right := c.opts.Helper
	c.opts.Helper = func(goos, goarch string) (remote.Binary, error) {
		b, err := right(goos, goarch)
		b.Open = binary([]byte("#!/bin/sh\necho something else\n")).Open
		return b, err
	}
	root := t.TempDir()
	_, err := c.dialAt(t, "h1", root).Look(t.Context(), host.Service{})
	hosttest.RequireKind(t, err, host.KindDigest)
	assert.Empty(t, helpers(t, root))
}

func TestALoginShellThatPrints(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1", `ForceCommand echo Welcome; echo to h1; eval "$SSH_ORIGINAL_COMMAND"`)
	look(t, c.dial(t, "h1"))
}

func TestALoginThatRunsNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ force, says string }{
		"nologin":    {"echo This account is not available.; exit 1", "This account is not available."},
		"at stderr":  {"echo sftp only >&2; exit 1", "sftp only"},
		"silent":     {"true", "it ended at once"},
		"never ends": {"yes", "it only prints"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			c.serve(t, "h1", "ForceCommand "+test.force)
			_, err := c.dial(t, "h1").Look(t.Context(), host.Service{})
			e := hosttest.RequireKind(t, err, host.KindFailed)
			assert.Contains(t, e.Message, "h1: the login runs no command")
			assert.Contains(t, e.Message, test.says)
			assert.Contains(t, e.Hint, "ForceCommand")
		})
	}
}

func TestAnyLoginShellWillDo(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "dash", "zsh", "fish", "tcsh", "ksh", "busybox sh"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(strings.Fields(shell)[0]); err != nil {
				t.Skipf("no %s here; the others are tried", shell)
			}
			c := newClient(t)
			c.serve(t, "h1", `ForceCommand exec `+shell+` -c "$SSH_ORIGINAL_COMMAND"`)
			look(t, c.dialAt(t, "h1", filepath.Join(t.TempDir(), "it's a $HOME")))
		})
	}
}

func TestAHelperThatIsKilledIsTold(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	c.opts.Helper = func(string, string) (remote.Binary, error) {
		return binary([]byte("#!/bin/sh\necho out of memory >&2\nkill -9 $$\n")), nil
	}
	_, err := c.dial(t, "h1").Look(t.Context(), host.Service{})
	e := hosttest.RequireKind(t, err, host.KindFailed)
	assert.Contains(t, e.Message, "h1: the far side was ended by signal KILL: out of memory")
}
