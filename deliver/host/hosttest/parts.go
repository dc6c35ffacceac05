package hosttest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"deliver/delta"
	"deliver/host"
	"deliver/manifest"
)

// Tree is a build as its files.
type Tree struct {
	Build
	Plain    []byte // its tar
	Manifest *manifest.Manifest
	contents map[manifest.Digest][]byte
}

// Grow is the tree of a build; its record then has its digest.
func Grow(t testing.TB, id string, plain []byte) Tree {
	t.Helper()
	tree := Tree{Build: Pack(t, id, plain), Plain: plain, contents: map[manifest.Digest][]byte{}}
	b := manifest.NewBuilder()
	for r := tar.NewReader(bytes.NewReader(plain)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		node, err := b.Add(header)
		require.NoError(t, err)
		if node == nil || manifest.KindOf(header.Typeflag) != manifest.File {
			continue
		}
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		node.Digest = sha256.Sum256(content)
		tree.contents[node.Digest] = content
	}
	var err error
	tree.Manifest, err = b.Manifest()
	require.NoError(t, err)
	tree.Record.Tree = tree.Manifest.Digest().String()
	return tree
}

// Base is the tree as what another one is made from.
func (tree Tree) Base() host.Base { return host.Base{ID: tree.Record.ID, Tree: tree.Record.Tree} }

// Parts is what a server that has base, which may be nil, lacks of the tree.
func (tree Tree) Parts(t testing.TB, base *Tree) host.Parts {
	t.Helper()
	return func(lacks []host.Range) (io.Reader, error) {
		var out bytes.Buffer
		err := delta.Write(&out, tree.delta(base, lacks), nil)
		return &out, err
	}
}

func (tree Tree) delta(base *Tree, lacks []host.Range) delta.Delta {
	d := delta.Delta{Target: tree.Manifest, Open: func(n int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(tree.contents[tree.Manifest.Entries[n].Digest])), nil
	}}
	if len(lacks) > 0 {
		contents := tree.Manifest.Contents()
		for _, r := range lacks {
			for _, n := range contents[r[0]:r[1]] {
				d.Needs = append(d.Needs, delta.Need{Entry: n, Old: delta.None})
			}
		}
		return d
	}
	if base != nil {
		d.Base = base.Manifest
		d.Old = func(n int) (io.ReaderAt, bool) {
			return bytes.NewReader(base.contents[base.Manifest.Entries[n].Digest]), true
		}
	}
	d.Difference = manifest.Difference(d.Base, d.Target)
	d.Needs = delta.Needs(d.Base, d.Target)
	return d
}
