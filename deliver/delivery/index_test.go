package delivery_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/release"
	"deliver/rollout"
)

// elsewhere is the tar of a build, of which what is read is counted.
type elsewhere struct {
	io.ReaderAt
	read int64
}

// ReadAt counts.
func (e *elsewhere) ReadAt(p []byte, off int64) (int, error) {
	e.read += int64(len(p))
	return e.ReaderAt.ReadAt(p, off)
}

// outline is a build of which only the record and the index are here.
func outline(t *testing.T, whole *delivery.Build) (*delivery.Build, *elsewhere) {
	t.Helper()
	index, err := whole.Index()
	require.NoError(t, err)
	r, err := whole.Tar()
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	far := &elsewhere{ReaderAt: bytes.NewReader(content)}
	b, err := delivery.Outline(whole.Record, index, far)
	require.NoError(t, err)
	return b, far
}

func TestOfATarThatIsElsewhereOnlyWhatIsNeededIsRead(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1")
	deliver := func(b *delivery.Build) {
		require.Equal(t, rollout.OK, f.delivery(b).Deliver(t.Context()).Result, f.said())
	}
	one, far := outline(t, large(t, "v1", "one", 1000))
	deliver(one)
	f.runs("v1")
	assert.Greater(t, far.read, int64(400_000))

	two, far := outline(t, large(t, "v2", "two", 2000))
	deliver(two)
	f.runs("v2")
	assert.Less(t, far.read, int64(50_000), "the changed file, whole, and the version")
}

func TestADamagedFileOfATarThatIsElsewhereIsFound(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1")
	whole := large(t, "v1", "one", 1000)
	r, err := whole.Tar()
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	content[bytes.Index(content, []byte("one"))] ^= 1
	index, err := whole.Index()
	require.NoError(t, err)
	b, err := delivery.Outline(whole.Record, index, bytes.NewReader(content))
	require.NoError(t, err)
	assert.NotEqual(t, rollout.OK, f.delivery(b).Deliver(t.Context()).Result)
	f.runs("")
	assert.Contains(t, f.said(), "is damaged")
}

func TestAnIndexThatIsNotOfTheReleaseIsRefused(t *testing.T) {
	t.Parallel()
	one, two := large(t, "v1", "one", 1000), large(t, "v2", "two", 1000)
	index, err := one.Index()
	require.NoError(t, err)
	_, err = delivery.Outline(two.Record, index, nil)
	require.ErrorContains(t, err, "it is of another tree")
	for _, bad := range [][]byte{nil, index[:len(index)/2], []byte("{}")} {
		_, err := delivery.Outline(one.Record, bad, nil)
		require.Error(t, err)
	}
}

func TestASparseTarHasNoIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holes, err := os.Create(filepath.Join(dir, "holes"))
	require.NoError(t, err)
	_, err = holes.WriteAt([]byte("end"), 1<<20)
	require.NoError(t, errors.Join(err, holes.Close()))
	content, err := exec.Command("tar", "--sparse", "-cC", dir, "holes").Output()
	require.NoError(t, err)
	b, err := delivery.Make(t.Context(), fromStdin(content), release.Record{ID: "v1"})
	require.NoError(t, err)
	defer b.Close()
	_, err = b.Index()
	require.ErrorContains(t, err, "is not in one piece")
}

func FuzzOutline(f *testing.F) {
	whole, err := delivery.Make(context.Background(), fromStdin(packed(f)), release.Record{ID: "v1"})
	require.NoError(f, err)
	index, err := whole.Index()
	require.NoError(f, err)
	f.Add(index)
	f.Fuzz(func(t *testing.T, index []byte) {
		b, err := delivery.Outline(whole.Record, index, bytes.NewReader(nil))
		if err == nil {
			assert.Equal(t, whole.Record.Tree, b.Manifest.Digest().String())
			assert.NoError(t, errors.Join(b.Close()))
		}
	})
}

func packed(t testing.TB) []byte {
	return pack(t, file("version", "v1"), tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755})
}
