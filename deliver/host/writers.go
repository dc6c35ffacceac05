package host

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"deliver/manifest"
)

const (
	// atOnce is how many small files are written beside each other.
	atOnce = 4
	// smallFile is written by a writer of its own; a larger one as it is read.
	smallFile = 1 << 20
)

// writers write files while the next ones are being read.
type writers struct {
	root   *os.Root
	group  errgroup.Group
	failed atomic.Bool
}

func newWriters(root *os.Root) *writers {
	w := &writers{root: root}
	w.group.SetLimit(atOnce)
	return w
}

// incoming is a file that is to be written.
type incoming struct {
	name   string
	mode   fs.FileMode
	header *tar.Header
	node   *manifest.Node // gets the digest of the content
}

// write takes all of content before it returns. The file is sure to be there
// only after settle.
func (w *writers) write(f incoming, content io.Reader) error {
	if w.failed.Load() {
		return w.settle()
	}
	if f.header.Size > smallFile {
		return w.create(f, content)
	}
	held := make([]byte, f.header.Size)
	if _, err := io.ReadFull(content, held); err != nil {
		return err
	}
	w.group.Go(func() error {
		err := w.create(f, bytes.NewReader(held))
		if err != nil {
			w.failed.Store(true)
		}
		return err
	})
	return nil
}

// settle waits for what is under way.
func (w *writers) settle() error { return w.group.Wait() }

func (w *writers) create(in incoming, content io.Reader) error {
	f, err := w.root.OpenFile(in.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), content); err != nil {
		return err
	}
	in.node.Digest = manifest.Digest(sum.Sum(nil))
	if err := f.Chmod(in.mode); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return w.root.Chtimes(in.name, in.header.ModTime, in.header.ModTime)
}
