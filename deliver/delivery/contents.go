package delivery

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"deliver/host"
	"deliver/manifest"
)

// content takes the digest of an entry's content, and remembers where it is.
// One that is not in one piece in the tar is written to a file of its own.
func (b *Build) content(header *tar.Header, content io.Reader, read *tally) (manifest.Digest, error) {
	start := read.n
	sum, head := sha256.New(), &beginning{}
	places, to := b.offsets, []io.Writer{sum, head}
	if isSparse(header) {
		var err error
		if start, err = b.expand(); err != nil {
			return manifest.Digest{}, err
		}
		places, to = b.expanded, append(to, b.sparse)
	}
	if b.buffer == nil {
		b.buffer = make([]byte, 64<<10) // one for all: a build may have very many files
	}
	if _, err := io.CopyBuffer(io.MultiWriter(to...), content, b.buffer); err != nil {
		return manifest.Digest{}, fmt.Errorf("it is no whole tar: %w", err)
	}
	d := manifest.Digest(sum.Sum(nil))
	places[d] = start
	if header.Typeflag == tar.TypeReg {
		b.note(header, head.bytes)
	}
	return d, nil
}

// expand says where in the file of sparse contents the next one begins.
func (b *Build) expand() (int64, error) {
	if b.sparse == nil {
		var err error
		if b.sparse, err = anonymous(); err != nil {
			return 0, err
		}
	}
	return b.sparse.Seek(0, io.SeekEnd)
}

// isSparse says whether the tar leaves the holes of a file out.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// open gives the content of entry n of the manifest.
func (b *Build) open(n int) (io.ReadCloser, error) {
	e := b.Manifest.Entries[n]
	if at, ok := b.offsets[e.Digest]; ok {
		return io.NopCloser(io.NewSectionReader(b.tar, at, e.Size)), nil
	}
	if at, ok := b.expanded[e.Digest]; ok {
		return io.NopCloser(io.NewSectionReader(b.sparse, at, e.Size)), nil
	}
	return nil, &fs.PathError{Op: "open", Path: e.Path, Err: fs.ErrNotExist}
}

// beginning keeps the first bytes of what is written.
type beginning struct{ bytes []byte }

// Write keeps what is missing.
func (h *beginning) Write(p []byte) (int, error) {
	if room := upToMachine - len(h.bytes); room > 0 {
		h.bytes = append(h.bytes, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// refused is what every server would say of a tar.
func refused(err error) error {
	var u *manifest.Unsafe
	if !errors.As(err, &u) {
		return err
	}
	return &host.Error{Kind: host.KindUnsafe, Message: u.Error(), Hint: "build the archive without it"}
}
