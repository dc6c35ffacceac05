package host

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
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

// write takes all of content before it returns. The file is sure to be there
// only after settle.
func (w *writers) write(name string, mode fs.FileMode, header *tar.Header, content io.Reader) error {
	if w.failed.Load() {
		return w.settle()
	}
	if header.Size > smallFile {
		return w.create(name, mode, header, content)
	}
	held := make([]byte, header.Size)
	if _, err := io.ReadFull(content, held); err != nil {
		return err
	}
	w.group.Go(func() error {
		err := w.create(name, mode, header, bytes.NewReader(held))
		if err != nil {
			w.failed.Store(true)
		}
		return err
	})
	return nil
}

// settle waits for what is under way.
func (w *writers) settle() error { return w.group.Wait() }

func (w *writers) create(name string, mode fs.FileMode, header *tar.Header, content io.Reader) error {
	f, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return w.root.Chtimes(name, header.ModTime, header.ModTime)
}
