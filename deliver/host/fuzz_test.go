package host_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// FuzzReceive has archives that nobody has seen before: whatever is in them,
// nothing outside the release is touched, and nothing in it leads outside.
func FuzzReceive(f *testing.F) {
	f.Add(hosttest.Tar(f, hosttest.Dir("a"), hosttest.File("a/b", "x"), hosttest.Symlink("c", "a/b"), hosttest.HardLink("d", "a/b")))
	f.Add(hosttest.Tar(f, hosttest.Symlink("a", "b/.."), hosttest.Symlink("b", "."), hosttest.File("../x", "x")))
	f.Add(hosttest.Tar(f, hosttest.File(strings.Repeat("long/", 60)+"f", "x")))
	f.Add(hosttest.Tar(f, hosttest.Item{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "fifo"}}))
	f.Add([]byte("no tar at all"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) == 0 || huge(plain) {
			return
		}
		dir := memoryDir(t)
		root := filepath.Join(dir, "root")
		local := newLocal(t, root)
		b := hosttest.Pack(t, "v1", plain)
		_, err := local.Receive(t.Context(), b.Record, b.Reader(), nil)
		var known *host.Error
		if err != nil && errors.As(err, &known) {
			assert.Contains(t, []host.Kind{host.KindUnsafe, host.KindDigest, host.KindSpace}, known.Kind)
		}
		requireOnly(t, dir, "root")
		requireOnly(t, root, ".deliver", "releases")
		if err != nil {
			requireOnly(t, filepath.Join(root, ".deliver/incoming"))
			return
		}
		makeAccessible(filepath.Join(root, "releases/v1"))
		requireInside(t, filepath.Join(root, "releases/v1"))
	})
}

// memoryDir is a directory that needs no disk to be in sync, where there is one.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "receive")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		makeAccessible(dir)
		assert.NoError(t, os.RemoveAll(dir))
	})
	return dir
}

// huge says that an archive is sparse and would fill the disk.
func huge(plain []byte) bool {
	for r := tar.NewReader(bytes.NewReader(plain)); ; {
		header, err := r.Next()
		if err != nil {
			return false
		}
		if header.Size > 1<<22 {
			return true
		}
	}
}

func requireOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(names), "%v", entries)
	for i, e := range entries {
		require.Equal(t, names[i], e.Name())
	}
}

// requireInside follows every link.
func requireInside(t *testing.T, release string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(release, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		require.Zero(t, d.Type()&^(fs.ModeDir|fs.ModeSymlink), "%s is a %s", path, d.Type())
		if d.Type() == fs.ModeSymlink {
			if end, err := filepath.EvalSymlinks(path); err == nil {
				require.True(t, end == release || strings.HasPrefix(end, release+"/"), "%s leads to %s", path, end)
			}
		}
		return nil
	}))
}
