package config

import (
	"io"
	"os"
	"sync"
	"time"
)

// outputs carry what a process writes to where it belongs. Unlike the pipes
// of exec.Cmd they do not hold up the end of the process when something that
// it left behind keeps them open.
type outputs struct {
	readers, writers []*os.File
	copied           sync.WaitGroup
	lock             sync.Mutex // one write at a time, whichever output it is of
}

// open gives the process's ends of its two outputs.
func (o *outputs) open(stdout, stderr io.Writer) (out, err io.Writer, failed error) {
	if out, failed = o.add(stdout); failed != nil {
		return nil, nil, failed
	}
	if err, failed = o.add(stderr); failed != nil {
		o.finish()
		return nil, nil, failed
	}
	return out, err, nil
}

func (o *outputs) add(to io.Writer) (io.Writer, error) {
	if to == nil {
		to = io.Discard
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.readers, o.writers = append(o.readers, r), append(o.writers, w)
	o.copied.Go(func() {
		if _, err := io.Copy(lockedWriter{&o.lock, to}, r); err != nil {
			_, _ = io.Copy(io.Discard, r) // nobody listens: the process still must not block
		}
	})
	return w, nil
}

func (o *outputs) closeWriters() {
	for _, w := range o.writers {
		_ = w.Close()
	}
	o.writers = nil
}

// finish gives what is still in the pipes its time, and closes them.
func (o *outputs) finish() {
	o.closeWriters()
	for _, r := range o.readers {
		_ = r.SetReadDeadline(time.Now().Add(grace))
	}
	o.copied.Wait()
	for _, r := range o.readers {
		_ = r.Close()
	}
}

type lockedWriter struct {
	lock *sync.Mutex
	to   io.Writer
}

// Write writes while nobody else does.
func (w lockedWriter) Write(p []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.to.Write(p)
}
