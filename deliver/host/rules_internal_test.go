package host

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	healthy := func(release, previous string) Entry {
		return Entry{Release: release, Previous: previous, Result: "healthy"}
	}
	failed := func(release string) Entry { return Entry{Release: release, Result: "failed"} }
	for name, c := range map[string]struct {
		ids     string // oldest first
		current string
		history []Entry
		keep    int
		want    string
	}{
		"nothing":                            {"", "", nil, 3, ""},
		"fewer than are kept":                {"a b", "b", nil, 3, ""},
		"the oldest":                         {"a b c d", "d", nil, 2, "a b"},
		"failed ones first, then the oldest": {"a b c d", "d", []Entry{failed("c")}, 2, "c a"},
		"failed ones though few are there":   {"a b c", "c", []Entry{failed("a")}, 9, "a"},
		"never the current one":              {"a b c", "a", nil, 0, "b"},
		"never the current one, if it failed": {
			"a b", "b", []Entry{healthy("a", ""), failed("b")}, 1, "",
		},
		"the predecessor by the history": {
			"a b c d", "d", []Entry{healthy("a", ""), healthy("d", "a")}, 0, "b c",
		},
		"a predecessor that failed later is none": {
			"a b c", "c", []Entry{healthy("b", ""), healthy("c", "b"), failed("b")}, 0, "b",
		},
		"a predecessor that is gone": {
			"b c d", "d", []Entry{healthy("b", "a"), healthy("d", "a")}, 0, "c",
		},
		"no history: the newest other one": {"a b c", "c", nil, 0, "a"},
		"nothing is current yet":           {"a b c", "", nil, 1, "a b"},
		"a negative number":                {"a b c", "c", nil, -5, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := choose(strings.Fields(c.ids), c.current, c.history, c.keep)
			assert.Equal(t, c.want, strings.Join(got, " "))
		})
	}
}

func TestWrapGivesKinds(t *testing.T) {
	t.Parallel()
	l := &Local{root: "/srv/shop"}
	for err, want := range map[error]Kind{
		&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}: KindSpace,
		&os.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}: KindSpace,
		&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}:  KindDenied,
		&os.PathError{Op: "open", Path: "x", Err: syscall.EROFS}:   KindDenied,
		&os.PathError{Op: "read", Path: "x", Err: syscall.EIO}:     KindFailed,
		&Error{Kind: KindUnsafe}:                                   KindUnsafe,
		fmt.Errorf("x: %w", &Error{Kind: "y"}):                     "y",
	} {
		assert.Equal(t, want, asError(l.wrap("doing", err)).Kind, err)
	}
	require.NoError(t, l.wrap("doing", nil))
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		output string
		n      int
		want   string
	}{
		{"", 3, ""},
		{"\n\n", 3, ""},
		{"one", 3, "one"},
		{"one\n\n  two  \nthree\n", 2, "two | three"},
		{strings.Repeat("x", 2000), 1, strings.Repeat("x", 800) + "…"},
	} {
		assert.Equal(t, c.want, lastLines(c.output, c.n))
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	out := &tail{}
	for n := range 100_000 {
		fmt.Fprintln(out, n)
	}
	assert.Len(t, out.String(), mostOutput)
	assert.True(t, strings.HasSuffix(out.String(), "99999\n"))
	broken := &tail{}
	fmt.Fprint(broken, "a\xffb")
	assert.Equal(t, "a?b", broken.String())
}

func TestCommandsEndWithAllTheyStarted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, w, err := os.Pipe() // ends when nobody holds it any more
	require.NoError(t, err)
	defer out.Close()
	cmd := newCommand(ctx, "/", "sh", "-c", "trap '' TERM; sleep 3600 & sleep 3600 & echo on; wait")
	cmd.ExtraFiles = []*os.File{w}
	done := make(chan error, 1)
	go func() {
		_, err := run(ctx, cmd)
		done <- err
	}()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoError(t, w.Close())
	_, err = out.Read(make([]byte, 1))
	require.ErrorContains(t, err, "EOF")
}

func TestUmaskOfThisProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/f", nil, 0o666))
	info, err := os.Stat(dir + "/f")
	require.NoError(t, err)
	assert.Equal(t, info.Mode(), 0o666&^processUmask())
}

func TestFreeOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bytes, inodes, err := free(dir + "/not/there")
	require.NoError(t, err)
	assert.NotZero(t, bytes)
	assert.NotZero(t, inodes)
	assert.Equal(t, dir, nearest(dir+"/not/there"))
}

func TestProcessOfThisTest(t *testing.T) {
	t.Parallel()
	p := process(os.Getpid())
	assert.Equal(t, os.Getppid(), int(p.parent()))
	exe, err := os.Executable()
	require.NoError(t, err)
	assert.Equal(t, exe, p.places()[0])
	assert.False(t, p.started().IsZero())
	gone := process(1 << 30)
	assert.Zero(t, gone.parent())
	assert.Empty(t, gone.places())
	assert.True(t, gone.started().IsZero())
}

func TestWhatAProcessListensOn(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	parent := process(os.Getppid())
	for _, p := range []process{process(os.Getpid()), parent} {
		// A process of another test may end while it is looked at, and is not known then.
		require.Eventually(t, func() bool {
			ports, known := p.listensOn()
			return ports[port] && (known || os.Geteuid() != 0)
		}, 10*time.Second, 10*time.Millisecond)
	}
	ports, known := process(1 << 30).listensOn()
	assert.Empty(t, ports)
	assert.False(t, known)
}

func TestEffort(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	var nothing effort
	_, busy := nothing.since(pid)
	assert.False(t, busy)
	wanted := process(pid).wanted()
	idle := effort{last: reading{at: time.Now().Add(-time.Hour), wanted: wanted}}
	words, busy := idle.since(pid)
	assert.False(t, busy, words)
	assert.Contains(t, words, "of the last 3600.")
	// A second of work in the second before the last reading.
	work := effort{first: reading{at: time.Now().Add(-2 * time.Second), wanted: wanted - time.Second}, last: reading{at: time.Now(), wanted: wanted}}
	words, busy = work.since(pid)
	assert.True(t, busy, words)
}

func TestIsOurs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "0.0.0.0": true,
		"192.0.2.1": false, "shop.invalid": false, "": false,
	} {
		assert.Equal(t, want, isOurs(name), name)
	}
}

func TestPortOfAQuestion(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]int{
		"http://localhost:3000/": 3000, "http://localhost/": 80, "https://127.0.0.1/": 443, "https://[::1]:8443/x": 8443,
		"http://shop.invalid:3000/": 0,
	} {
		q, err := newPageQuestion(address)
		require.NoError(t, err)
		assert.Equal(t, want, q.port(), address)
	}
}

func TestUnitNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"app": "app.service", "app.socket": "app.socket", "app@1.service": "app@1.service", "app-1.2": "app-1.2.service"} {
		assert.Equal(t, want, unitName(name))
	}
}

func TestStartOfAProcessIsKnownToATick(t *testing.T) {
	t.Parallel()
	cmd := newCommand(t.Context(), "/", "cat")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	before := process(os.Getpid()).started()
	require.NoError(t, cmd.Start())
	assert.False(t, process(cmd.Process.Pid).started().Before(before))
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
}
