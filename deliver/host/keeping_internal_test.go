package host

import (
	"archive/tar"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/manifest"
)

func someKeeping(t testing.TB) *keeping {
	t.Helper()
	b := manifest.NewBuilder()
	for _, h := range []tar.Header{{Typeflag: tar.TypeDir, Name: "d"}, {Typeflag: tar.TypeReg, Name: "d/a"}, {Typeflag: tar.TypeReg, Name: "e"}} {
		_, err := b.Add(&h)
		require.NoError(t, err)
	}
	m, err := b.Manifest()
	require.NoError(t, err)
	return &keeping{manifest: m, trees: []keptTree{{entry: 1, name: "0123.x"}}, inodes: []inode{{}, {}, {7, 8, 9}, {1, 2, 3}}}
}

func TestAKeepingHasNoInodesOfKeptTrees(t *testing.T) {
	t.Parallel()
	k := someKeeping(t)
	got, err := decodeKeeping(k.encode())
	require.NoError(t, err)
	assert.Equal(t, k.trees, got.trees)
	assert.Equal(t, []inode{{}, {}, {}, {1, 2, 3}}, got.inodes)
}

func FuzzKeeping(f *testing.F) {
	whole, _ := unsealed(someKeeping(f).encode())
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		k, err := decodeKeeping(sealed(content))
		if err != nil {
			return
		}
		again, err := decodeKeeping(k.encode())
		require.NoError(t, err)
		assert.Equal(t, k.trees, again.trees)
	})
}
