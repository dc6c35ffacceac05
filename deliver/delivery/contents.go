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

// opened is an entry of a tar whose content is to be read next.
type opened struct {
	header  *tar.Header
	content io.Reader
	node    *manifest.Node // gets the digest
	start   int64          // in the tar
}

// content has the digest of an entry's content taken, and remembers where it is.
func (b *Build) content(of opened, sums *digests) error {
	if isSparse(of.header) {
		return b.contentOfSparse(of)
	}
	it := content{of.node, of.header.Size, of.start}
	if sums.file != nil {
		sums.add(it)
		return b.noteBeginning(of)
	}
	head := &beginning{}
	if room := sums.room(of.header.Size); room != nil {
		if _, err := io.ReadFull(of.content, room); err != nil {
			return cut(err)
		}
		sums.add(it)
		_, _ = head.Write(room)
	} else {
		sum := sha256.New()
		if err := b.pour(of.content, sum, head); err != nil {
			return err
		}
		sums.set(it, manifest.Digest(sum.Sum(nil)))
	}
	b.note(of.header, head.bytes)
	return nil
}

// noteBeginning notes what an entry is, of which nothing else is read here.
func (b *Build) noteBeginning(of opened) error {
	if !mayBeProgram(of.header) {
		return nil
	}
	head := make([]byte, upToMachine)
	if _, err := io.ReadFull(of.content, head); err != nil {
		return cut(err)
	}
	b.note(of.header, head)
	return nil
}

// contentOfSparse writes one that is not in one piece in the tar to a file of its own.
func (b *Build) contentOfSparse(of opened) error {
	start, err := b.expand()
	if err != nil {
		return err
	}
	sum, head := sha256.New(), &beginning{}
	if err := b.pour(of.content, sum, head, b.sparse); err != nil {
		return err
	}
	of.node.Digest = manifest.Digest(sum.Sum(nil))
	b.expanded[of.node.Digest] = start
	b.note(of.header, head.bytes)
	return nil
}

func (b *Build) pour(content io.Reader, to ...io.Writer) error {
	if b.buffer == nil {
		b.buffer = make([]byte, 64<<10) // one for all: a build may have very many files
	}
	_, err := io.CopyBuffer(io.MultiWriter(to...), content, b.buffer)
	return cut(err)
}

func cut(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("it is no whole tar: %w", err)
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
