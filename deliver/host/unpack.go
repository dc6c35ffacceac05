package host

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"deliver/release"
)

// widestWindow is what a zstd stream may make us keep: that of --long=27.
const widestWindow = 128 << 20

// unpack reads the whole of source into u and holds it against rec.
func unpack(u *unpacker, rec release.Record, source *source) error {
	// One goroutine: a failed Receive must not leave one behind that waits for input.
	plain, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(widestWindow))
	if err != nil {
		return fmt.Errorf("open the build: %w", err)
	}
	defer plain.Close()
	measured := &meter{r: plain, sum: sha256.New(), limit: rec.Size}
	err = u.readTar(bufio.NewReaderSize(measured, 256<<10))
	if settleErr := u.files.settle(); err == nil {
		err = settleErr
	}
	if err == nil {
		_, err = io.Copy(io.Discard, measured) // what follows the end of the archive counts, too
	}
	switch {
	case source.err != nil:
		return source.err
	case err == nil:
		return measured.compare(rec)
	case ofTree(err):
		return err
	}
	return measured.blame(rec, err)
}

// readTar makes every entry.
func (u *unpacker) readTar(r io.Reader) error {
	entries := tar.NewReader(r)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.add(header, entries); err != nil {
			return err
		}
	}
}

// meter takes the digest and the size of what is read through it.
type meter struct {
	r     io.Reader
	sum   hash.Hash
	n     int64
	limit int64
}

var errTooLong = errors.New("it goes on after its size")

// Read reads through.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.sum.Write(p[:n])
	m.n += int64(n)
	if m.n > m.limit {
		return 0, errTooLong
	}
	return n, err
}

func (m *meter) compare(rec release.Record) error {
	sum := hex.EncodeToString(m.sum.Sum(nil))
	known := rec.SHA256 == "" || strings.EqualFold(sum, rec.SHA256) // or else its tree says what it is
	if m.n == rec.Size && known {
		return nil
	}
	return &Error{
		Kind: KindDigest,
		Message: fmt.Sprintf("the build of %s is not what its record says: %d bytes, sha256 %.12s instead of %d bytes, sha256 %.12s",
			rec.ID, m.n, sum, rec.Size, rec.SHA256),
		Hint: "nothing was kept; send it again",
	}
}

// blame says how far a damaged build could be read.
func (m *meter) blame(rec release.Record, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends early")
	}
	return &Error{
		Kind:    KindDigest,
		Message: fmt.Sprintf("the build of %s is damaged after %d of %d bytes: %v", rec.ID, m.n, rec.Size, err),
		Hint:    "nothing was kept; send it again",
	}
}

// ofTree says whether err comes from making the tree, and not from a stream
// that could not be read.
func ofTree(err error) bool {
	var known *Error
	var number syscall.Errno
	var path *fs.PathError
	return errors.As(err, &known) || errors.As(err, &number) || errors.As(err, &path)
}
