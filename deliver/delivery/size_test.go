package delivery_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/delivery"
	"deliver/release"
	"deliver/rollout"
)

// sizes are those of a build that is as large as any: LARGE=1 has what they
// are to be, else they are such that the test takes seconds.
func sizes() (files int, hollow int64) {
	if os.Getenv("LARGE") != "" {
		return 100_000, 4 << 30
	}
	return 3_000, 96 << 20
}

func TestABuildOfManyFilesAndAHollowOne(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	files, size := sizes()
	plantMany(t, source, files)
	plantHollow(t, filepath.Join(source, "hollow"), size)
	s := newServers(t, "h1")
	for n, version := range []string{"v1", "v2"} {
		require.NoError(t, os.WriteFile(filepath.Join(source, "version"), []byte(version), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(source, "d7/f7"), []byte(version), 0o600))
		archive := filepath.Join(t.TempDir(), "build.tar")
		out, err := exec.Command("tar", "--format=posix", "--sparse", "-C", source, "-cf", archive, ".").CombinedOutput()
		require.NoError(t, err, string(out))
		began := time.Now()
		b, err := delivery.Make(t.Context(), delivery.Source{File: archive}, release.Record{ID: version, App: "web", Version: version})
		require.NoError(t, err)
		made := time.Since(began)
		outcome := s.delivery(b).Deliver(t.Context())
		require.Equal(t, rollout.OK, outcome.Result, "%v\n%s", outcome.Err, s.said())
		t.Logf("delivery %d of %d files and one of %d MB: build read in %v, all in %v", n+1, files, size>>20, made.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		requireSame(t, source, filepath.Join(s.root("h1"), "releases", version))
	}
}

func plantMany(t *testing.T, dir string, files int) {
	t.Helper()
	for n := range files {
		path := filepath.Join(dir, fmt.Sprint("d", n%1000), fmt.Sprint("f", n))
		if n < 1000 {
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
		}
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "file %d\n", n), 0o600))
	}
}

// plantHollow makes a file of a few words and holes between them.
func plantHollow(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for _, at := range []int64{0, size / 3, size / 2, size - 8} {
		_, err := f.WriteAt([]byte("not zero"), at)
		require.NoError(t, err)
	}
}

// requireSame asks that two trees have the same files, and that holes stay holes.
func requireSame(t *testing.T, want, have string) {
	t.Helper()
	count := 0
	require.NoError(t, filepath.WalkDir(want, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		count++
		if !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(want, path)
		require.NoError(t, err)
		require.Equal(t, digestOf(t, path), digestOf(t, filepath.Join(have, name)), name)
		return nil
	}))
	require.NoError(t, filepath.WalkDir(have, func(string, os.DirEntry, error) error {
		count--
		return nil
	}))
	assert.Zero(t, count, "no more and no fewer paths")
	var st unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(have, "hollow"), &st))
	assert.Less(t, st.Blocks*512, st.Size/4, "holes take no disk")
}

func digestOf(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	require.NoError(t, err)
	return [sha256.Size]byte(sum.Sum(nil))
}
