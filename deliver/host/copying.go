package host

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

func writeAll(fd int, content []byte) error {
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		content = content[n:]
	}
	return nil
}

// hole is how many zeros make one: what is longer takes no disk.
const hole = 64 << 10

// writeHollow writes content to a new file, and leaves out what is only zeros; at
// the end the file has to be given its size.
func writeHollow(fd int, content []byte) error {
	for len(content) > 0 {
		part := content[:min(hole, len(content))]
		content = content[len(part):]
		var err error
		if allZero(part) {
			_, err = unix.Seek(fd, int64(len(part)), unix.SEEK_CUR)
		} else {
			err = writeAll(fd, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func allZero(content []byte) bool {
	for len(content) >= 8 {
		if binary.NativeEndian.Uint64(content) != 0 {
			return false
		}
		content = content[8:]
	}
	for _, b := range content {
		if b != 0 {
			return false
		}
	}
	return true
}

// copyContent copies size bytes from the beginning of one open file to
// another. A file system that can do so shares the blocks.
func copyContent(to, from int, size int64) error {
	if unix.IoctlFileClone(to, from) == nil {
		return nil
	}
	for size > 0 {
		n, err := unix.CopyFileRange(from, nil, to, nil, int(min(size, 1<<30)), 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO):
			return err
		case err != nil:
			return copyByHand(to, from, size)
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		size -= int64(max(n, 0))
	}
	return nil
}

// copyByHand is for kernels and file systems that do not copy by themselves.
func copyByHand(to, from int, size int64) error {
	buf := make([]byte, 256<<10)
	for size > 0 {
		n, err := readSome(from, buf[:min(size, int64(len(buf)))])
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		if err := writeAll(to, buf[:n]); err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

func readSome(fd int, buf []byte) (int, error) {
	var n int
	err := retried(func() (err error) {
		n, err = unix.Read(fd, buf)
		return err
	})
	return max(n, 0), err
}

// digestOf is that of an open file's content, from where it stands; it is
// expected to have size bytes.
func digestOf(fd int, size int64) (manifest.Digest, error) {
	sum := sha256.New()
	buf := make([]byte, min(size+1, 256<<10))
	for {
		n, err := readSome(fd, buf)
		if err != nil {
			return manifest.Digest{}, err
		}
		if n == 0 {
			return manifest.Digest(sum.Sum(nil)), nil
		}
		sum.Write(buf[:n])
	}
}

// canShare says whether two files in the two directories can have the blocks
// of one content in common and still be files of their own.
func canShare(from dirFD, name string, to dirFD) bool {
	fd, err := from.read(name)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	const probe = "probe"
	clone, err := to.create(probe, 0o600)
	if err != nil {
		return false
	}
	defer unix.Close(clone)
	defer func() { _ = unix.Unlinkat(int(to), probe, 0) }()
	return unix.IoctlFileClone(clone, fd) == nil
}
