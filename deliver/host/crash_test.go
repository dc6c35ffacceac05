package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// numbered is a release whose every file says its id.
func numbered(t testing.TB, id string, files int) hosttest.Build {
	t.Helper()
	items := []hosttest.Item{hosttest.File("id", id)}
	for n := range files {
		items = append(items, hosttest.File(fmt.Sprintf("d%d/f%d", n%7, n), strings.Repeat(id, 50)))
	}
	return hosttest.Make(t, id, items...)
}

// requireWhole asks that id has all that numbered gave it.
func requireWhole(t *testing.T, root, id string, files int) {
	t.Helper()
	dir := filepath.Join(root, "releases", id)
	assert.Equal(t, id, read(t, dir, "id"))
	for n := range files {
		require.Equal(t, strings.Repeat(id, 50), read(t, dir, fmt.Sprintf("d%d/f%d", n%7, n)))
	}
}

func TestKilledAtAnyMomentLeavesOnlyWholeReleases(t *testing.T) {
	t.Parallel()
	const files, rounds = 150, 20
	root := t.TempDir()
	whole := time.Now()
	b := numbered(t, "first", files)
	_, err := clientAt(t, root, farProcess{}.open).Receive(t.Context(), b.Record, b.Reader(), nil)
	require.NoError(t, err)
	murderous := killer{rand.New(rand.NewPCG(1, 2)), 2 * time.Since(whole)}
	client := clientAt(t, root, murderous.open)
	for n := range rounds {
		id := fmt.Sprintf("v%d", n)
		b := numbered(t, id, files)
		_, receiveErr := client.Receive(t.Context(), b.Record, b.Reader(), nil)
		_, switchErr := client.Switch(t.Context(), id, "")
		if receiveErr != nil {
			hosttest.RequireKind(t, receiveErr, host.KindUnreachable)
		}
		t.Logf("%s: receive: %v, switch: %v", id, receiveErr, switchErr)
		requireSound(t, root, files)
	}
	b = numbered(t, "last", files)
	receive(t, root, b)
	left, err := filepath.Glob(filepath.Join(root, ".deliver/incoming/*"))
	require.NoError(t, err)
	assert.Empty(t, left, "the next Receive clears what the killed ones left")
}

// requireSound looks at all that must hold whatever was killed.
func requireSound(t *testing.T, root string, files int) {
	t.Helper()
	state, err := newLocal(t, root).Look(t.Context(), host.Service{Manager: "none"})
	require.NoError(t, err)
	whole := map[string]bool{"": true}
	for _, r := range state.Releases {
		requireWhole(t, root, r.ID, files)
		whole[r.ID] = true
	}
	assert.True(t, whole[state.Current], "current is %s", state.Current)
}

// killer is a far side that is killed some time after its start.
type killer struct {
	r    *rand.Rand
	most time.Duration
}

func (k killer) open(ctx context.Context) (host.Session, error) {
	session, err := farProcess{}.open(ctx)
	if err != nil {
		return nil, err
	}
	process := session.(*processSession).cmd.Process
	time.AfterFunc(time.Duration(k.r.Int64N(int64(k.most))), func() { _ = process.Kill() })
	return session, nil
}

func TestReceiveLeavesATreeThatIsBeingFilledAlone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	local := newLocal(t, root)
	first, second := numbered(t, "v1", 20), numbered(t, "v2", 20)
	gate, unblock := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := local.Receive(t.Context(), first.Record, gate, nil)
		done <- err
	}()
	_, err := unblock.Write(first.Zstd[:1]) // taken: its tree is there
	require.NoError(t, err)
	receive(t, root, second)
	_, err = unblock.Write(first.Zstd[1:])
	require.NoError(t, err)
	require.NoError(t, unblock.Close())
	require.NoError(t, <-done)
	requireWhole(t, root, "v1", 20)
	requireWhole(t, root, "v2", 20)
}

func TestReceiveClearsWhatADeadProcessLeft(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	left := filepath.Join(root, ".deliver/incoming/v0.123/locked")
	require.NoError(t, os.MkdirAll(filepath.Join(left, "deep"), 0o755))
	require.NoError(t, os.Chmod(left, 0o555))
	receive(t, root, numbered(t, "v1", 1))
	assert.NoDirExists(t, left)
}

func TestReceiveOfTheSameIDWhileItComesIn(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	local := newLocal(t, root)
	mine, theirs := numbered(t, "v1", 5), numbered(t, "v1", 6)
	gate, unblock := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := local.Receive(t.Context(), mine.Record, gate, nil)
		done <- err
	}()
	_, err := unblock.Write(mine.Zstd[:1])
	require.NoError(t, err)
	receive(t, root, theirs)
	_, err = unblock.Write(mine.Zstd[1:])
	require.NoError(t, err)
	require.NoError(t, unblock.Close())
	hosttest.RequireKind(t, <-done, host.KindDigest)
	requireWhole(t, root, "v1", 6)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	mustBeRoot(t)
	root := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", root).CombinedOutput()
	require.NoError(t, err, string(out))
	t.Cleanup(func() { assert.NoError(t, exec.Command("umount", root).Run()) })
	local := newLocal(t, root)
	receive(t, root, numbered(t, "v1", 5))

	_, err = local.Receive(t.Context(), hosttest.Make(t, "v2", hosttest.File("big", strings.Repeat("x", 4<<20))).Record, unread{}, nil)
	assert.Contains(t, hosttest.RequireKind(t, err, host.KindSpace).Message, "419")

	for name, c := range map[string]struct {
		plain   []byte
		message string
	}{
		"one large file":             {holes(t, 1), "are free"},
		"some large files":           {holes(t, 8), "are free"},
		"files smaller than a block": {crumbs(t, 600), "no space left"},
	} {
		b := hosttest.Pack(t, "v3", c.plain)
		_, err = local.Receive(t.Context(), b.Record, b.Reader(), nil)
		known := hosttest.RequireKind(t, err, host.KindSpace)
		assert.Contains(t, known.Message, c.message, name)
		assert.NotEmpty(t, known.Hint)
		requireSound(t, root, 5)
	}
	receive(t, root, numbered(t, "v4", 5))
}

// holes is a small archive of files that are together larger than 2 MiB: the
// disk fills up while they are being written.
func holes(t *testing.T, files int) []byte {
	t.Helper()
	dir := t.TempDir()
	for n := range files {
		path := filepath.Join(dir, fmt.Sprint("f", n))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		require.NoError(t, os.Truncate(path, 4<<20/int64(files)))
	}
	return runTar(t, "--sparse", "-C", dir, "-cf", "-", ".")
}

// crumbs is an archive that fits on the disk by its size, and does not by the
// blocks that its files take.
func crumbs(t *testing.T, files int) []byte {
	t.Helper()
	var items []hosttest.Item
	for n := range files {
		items = append(items, hosttest.File(fmt.Sprint("f", n), "x"))
	}
	return hosttest.Tar(t, items...)
}

// unread is a build that must not be read.
type unread struct{}

func (unread) Read([]byte) (int, error) { return 0, errors.New("it was read") }

func TestReceiveWithoutPermission(t *testing.T) {
	t.Parallel()
	mustBeRoot(t)
	root := publicDir(t)
	b := numbered(t, "v1", 1)
	client := clientAt(t, filepath.Join(root, "app"), farProcess{publicBinary(t), nobody()}.open)
	_, err := client.Receive(t.Context(), b.Record, b.Reader(), nil)
	known := hosttest.RequireKind(t, err, host.KindDenied)
	assert.Contains(t, known.Hint, "install -d -o nobody "+filepath.Join(root, "app"))
	_, err = client.Look(t.Context(), host.Service{Manager: "none"})
	known = hosttest.RequireKind(t, err, host.KindDenied)
	assert.Contains(t, known.Message, root)
	require.NoError(t, os.Chown(root, int(nobody().Uid), int(nobody().Gid)))
	_, err = client.Look(t.Context(), host.Service{Manager: "none"})
	require.NoError(t, err)
	_, err = client.Receive(t.Context(), b.Record, bytes.NewReader(b.Zstd), nil)
	require.NoError(t, err)
}

func TestReceiveAsAUserEqualsTar(t *testing.T) {
	t.Parallel()
	mustBeRoot(t)
	root := publicDir(t)
	require.NoError(t, os.Chown(root, int(nobody().Uid), int(nobody().Gid)))
	source := t.TempDir()
	plantTree(t, rand.New(rand.NewPCG(3, 3)), source)
	plain := runTar(t, "-C", source, "-cf", "-", ".")
	b := hosttest.Pack(t, "v1", plain)
	client := clientAt(t, root, farProcess{publicBinary(t), nobody()}.open)
	_, err := client.Receive(t.Context(), b.Record, b.Reader(), nil)
	require.NoError(t, err)
	want := publicDir(t)
	require.NoError(t, os.Chown(want, int(nobody().Uid), int(nobody().Gid)))
	untar := exec.Command("tar", "-C", want, "-xf", "-")
	untar.Stdin = bytes.NewReader(plain)
	untar.SysProcAttr = asUser(nobody())
	out, err := untar.CombinedOutput()
	require.NoError(t, err, string(out))
	named := namesIn(t, plain)
	delete(named, ".")
	assert.Equal(t, describe(t, want, named), describe(t, filepath.Join(root, "releases/v1"), named))
}
