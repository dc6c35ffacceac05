package host

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// source is a build as it comes in: it counts, obeys a context, and remembers
// its own error, which would else be mixed with those of its readers.
type source struct {
	over     func() error // why it is over, if it is
	r        io.Reader
	progress func(int64)
	n        int64
	err      error
}

func newSource(ctx context.Context, r io.Reader, progress func(int64)) *source {
	if progress == nil {
		progress = func(int64) {}
	}
	progress(0)
	return &source{over: func() error { return context.Cause(ctx) }, r: r, progress: progress}
}

// Read reads from the build.
func (s *source) Read(p []byte) (int, error) {
	if s.err = s.over(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.report()
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("read the build: %w", err)
	}
	return n, err
}

func (s *source) report() { s.progress(s.n) }
