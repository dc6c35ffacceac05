package delta_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delta"
	"deliver/manifest"
)

// tree is a manifest and its contents.
type tree struct {
	*manifest.Manifest
	contents map[manifest.Digest][]byte
}

func treeOf(t testing.TB, files map[string][]byte) tree {
	t.Helper()
	b, made := manifest.NewBuilder(), tree{contents: map[manifest.Digest][]byte{}}
	for name, content := range files {
		node, err := b.Add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644})
		require.NoError(t, err)
		node.Digest = sha256.Sum256(content)
		made.contents[node.Digest] = content
	}
	var err error
	made.Manifest, err = b.Manifest()
	require.NoError(t, err)
	return made
}

func (tr tree) of(n int) []byte { return tr.contents[tr.Entries[n].Digest] }

func written(t testing.TB, base *tree, target tree) []byte {
	t.Helper()
	d := delta.Delta{Target: target.Manifest, Open: func(n int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(target.of(n))), nil
	}}
	if base != nil {
		d.Base = base.Manifest
		d.Old = func(n int) (io.ReaderAt, bool) { return bytes.NewReader(base.of(n)), true }
	}
	d.Difference, d.Needs = manifest.Difference(d.Base, d.Target), delta.Needs(d.Base, d.Target)
	var out bytes.Buffer
	require.NoError(t, delta.Write(&out, d, nil))
	return out.Bytes()
}

// readAll gives the contents of a stream by their entries.
func readAll(stream []byte, base *tree, target *manifest.Manifest) (map[int][]byte, error) {
	r, err := delta.NewReader(bytes.NewReader(stream))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := r.Difference(); err != nil {
		return nil, err
	}
	r.Expect(target)
	found := map[int][]byte{}
	for {
		frame, err := r.Next(func(entry int, offset int64, part []byte) error {
			if base == nil || entry >= len(base.Entries) {
				return errors.New("no such file")
			}
			_, err := bytes.NewReader(base.of(entry)).ReadAt(part, offset)
			return err
		})
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		for _, p := range frame.Pieces {
			found[p.Entry] = append(found[p.Entry], p.Data...)
		}
	}
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = r.Read(b)
	return b
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string][]byte{
		"nothing":    {},
		"small ones": {"a": []byte("x"), "b/c": []byte("yy"), "empty": nil},
		"many":       manyFiles(3000),
		"large ones": {"a": noise(1, 10<<20), "b": noise(2, 8<<20), "c": noise(3, 3<<20), "d": []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := treeOf(t, files)
			found, err := readAll(written(t, nil, target), nil, target.Manifest)
			require.NoError(t, err)
			requireContents(t, target, target.Contents(), found)
		})
	}
}

func manyFiles(n int) map[string][]byte {
	files := map[string][]byte{}
	for i := range n {
		files[fmt.Sprintf("d%d/f%d", i%50, i)] = noise(uint64(i), i)
	}
	return files
}

func requireContents(t *testing.T, target tree, numbers []int, found map[int][]byte) {
	t.Helper()
	require.Len(t, found, len(numbers))
	for _, n := range numbers {
		require.True(t, bytes.Equal(target.of(n), found[n]), target.Entries[n].Path)
	}
}

func TestAChangeInALargeFileIsSmall(t *testing.T) {
	t.Parallel()
	old := noise(7, 10<<20)
	changed := append(append(bytes.Clone(old[:5<<20]), "inserted"...), old[5<<20:]...)
	base, target := treeOf(t, map[string][]byte{"program": old}), treeOf(t, map[string][]byte{"program": changed})
	stream := written(t, &base, target)
	assert.Less(t, len(stream), 20_000)
	found, err := readAll(stream, &base, target.Manifest)
	require.NoError(t, err)
	requireContents(t, target, target.Contents(), found)
}

func TestAMovedAndEditedFileIsAPatch(t *testing.T) {
	t.Parallel()
	base := treeOf(t, map[string][]byte{"old/name": noise(1, 50_000)})
	target := treeOf(t, map[string][]byte{"new/name": append(noise(1, 50_000), "more"...)})
	assert.Less(t, len(written(t, &base, target)), 300)
}

func TestADamagedStreamIsNeverTakenForWhole(t *testing.T) {
	t.Parallel()
	target := treeOf(t, map[string][]byte{"a": noise(1, 3000), "b": bytes.Repeat([]byte("text "), 500)})
	stream := written(t, nil, target)
	for n := range stream {
		_, err := readAll(stream[:n], nil, target.Manifest)
		require.Error(t, err, "cut after %d", n)
	}
}

func FuzzReader(f *testing.F) {
	base := treeOf(f, map[string][]byte{"a": noise(1, 3000), "b": []byte("text")})
	target := treeOf(f, map[string][]byte{"a": noise(2, 3000), "b": []byte("text too"), "c": []byte("new")})
	f.Add(written(f, nil, target))
	f.Add(written(f, &base, target))
	f.Fuzz(func(t *testing.T, stream []byte) {
		found, _ := readAll(stream, &base, target.Manifest)
		for n, content := range found {
			require.LessOrEqual(t, int64(len(content)), target.Entries[n].Size)
		}
	})
}
