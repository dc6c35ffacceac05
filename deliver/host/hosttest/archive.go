package hosttest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"deliver/release"
)

// built is the time that entries made by File, Dir and Link bear.
var built = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// Item is one entry of a tar and what is in it.
type Item struct {
	tar.Header
	Content string
}

// File is a plain file.
func File(name, content string) Item {
	return Item{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, ModTime: built}, content}
}

// Script is an executable of sh.
func Script(name, content string) Item {
	item := File(name, "#!/bin/sh\n"+content+"\n")
	item.Mode = 0o755
	return item
}

// Dir is a directory.
func Dir(name string) Item {
	return Item{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: built}, ""}
}

// Symlink is a symbolic link.
func Symlink(name, target string) Item {
	return Item{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, ModTime: built}, ""}
}

// HardLink is another name of an earlier entry.
func HardLink(name, target string) Item {
	return Item{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644, ModTime: built}, ""}
}

// Tar is a tar of items.
func Tar(t testing.TB, items ...Item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, item := range items {
		header := item.Header
		header.Size = int64(len(item.Content))
		require.NoError(t, w.WriteHeader(&header), "write the header of %q", item.Name)
		_, err := io.WriteString(w, item.Content)
		require.NoError(t, err, "write the content of %q", item.Name)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// Build is a release as it is sent: its record, and its tar compressed by zstd.
type Build struct {
	Record release.Record
	Zstd   []byte
}

// Reader reads the compressed tar.
func (b Build) Reader() io.Reader { return bytes.NewReader(b.Zstd) }

// Make is the build of release id that has items in it.
func Make(t testing.TB, id string, items ...Item) Build {
	t.Helper()
	return Pack(t, id, Tar(t, items...))
}

// Pack is the build of release id whose tar is given.
func Pack(t testing.TB, id string, plain []byte) Build {
	t.Helper()
	sum := sha256.Sum256(plain)
	return Build{
		Record: release.Record{
			ID: id, App: "shop", Version: id, SHA256: hex.EncodeToString(sum[:]),
			Size: int64(len(plain)), Created: built, By: "hosttest",
		},
		Zstd: Compress(t, plain),
	}
}

// Compress is plain as one zstd frame.
func Compress(t testing.TB, plain []byte) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	defer encoder.Close()
	return encoder.EncodeAll(plain, nil)
}

// Sum is the SHA-256 of data in hex.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
