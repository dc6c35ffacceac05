package delivery

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"deliver/cache"
	"deliver/delta"
	"deliver/host"
	"deliver/manifest"
)

// parcel is the stream for all servers that have the same base. It is made
// once, into a file, while they read it.
type parcel struct {
	file   *os.File
	frames []delta.Placed
	work   sync.WaitGroup
	mu     sync.Mutex
	grown  *sync.Cond
	size   int64
	done   bool
	closed bool
	err    error
}

var errParcelClosed = errors.New("the build was closed")

func newParcel(file *os.File) *parcel {
	p := &parcel{file: file}
	p.grown = sync.NewCond(&p.mu)
	return p
}

// fill begins to write the stream.
func (p *parcel) fill(d delta.Delta, packing *cache.Packing) {
	p.work.Go(func() {
		err := delta.Write(p, d, func(f delta.Placed) {
			p.frames = append(p.frames, f)
			if packing != nil {
				packing.Placed(f)
			}
		})
		switch {
		case packing == nil:
		case err == nil:
			packing.Keep()
		default:
			packing.Drop()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done, p.err = true, err
		p.grown.Broadcast()
	})
}

// Write adds to the file.
func (p *parcel) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, errParcelClosed
	}
	p.size += int64(n)
	p.grown.Broadcast()
	return n, err
}

// total is the size of the stream, 0 while it is not known.
func (p *parcel) total() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		return 0
	}
	return p.size
}

// close ends the making and gives the disk space back.
func (p *parcel) close() error {
	p.mu.Lock()
	p.closed = true
	p.grown.Broadcast()
	p.mu.Unlock()
	p.work.Wait()
	return p.file.Close()
}

// reader reads the stream from its beginning; it waits for what is not made yet.
func (p *parcel) reader(ctx context.Context) io.Reader { return &parcelReader{parcel: p, ctx: ctx} }

type parcelReader struct {
	*parcel
	ctx context.Context //nolint:containedctx // of one transfer
	at  int64
}

// Read reads.
func (r *parcelReader) Read(b []byte) (int, error) {
	until, err := r.wait()
	if err != nil {
		return 0, err
	}
	n, err := r.file.ReadAt(b[:min(int64(len(b)), until-r.at)], r.at)
	r.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// wait waits until there is something to read, and says up to where.
func (r *parcelReader) wait() (int64, error) {
	stop := context.AfterFunc(r.ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.grown.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.at == r.size && !r.done && !r.closed && r.ctx.Err() == nil {
		r.grown.Wait()
	}
	switch {
	case r.at < r.size:
		return r.size, nil
	case r.ctx.Err() != nil:
		return 0, context.Cause(r.ctx)
	case r.closed && !r.done:
		return 0, errParcelClosed
	case r.err != nil:
		return 0, r.err
	}
	return 0, io.EOF
}

// partial is the stream of some contents alone, for one server.
func partial(ctx context.Context, d delta.Delta) io.Reader {
	r, w := io.Pipe()
	go func() { w.CloseWithError(delta.Write(w, d, nil)) }()
	context.AfterFunc(ctx, func() { r.CloseWithError(context.Cause(ctx)) })
	return r
}

// needsOf are the contents at some positions.
func needsOf(target *manifest.Manifest, ranges []host.Range) ([]delta.Need, error) {
	contents := target.Contents()
	var needs []delta.Need
	for _, r := range ranges {
		if r[0] < 0 || r[1] < r[0] || r[1] > len(contents) {
			return nil, errors.New("the server asks for what the release does not have")
		}
		for _, n := range contents[r[0]:r[1]] {
			needs = append(needs, delta.Need{Entry: n, Old: delta.None})
		}
	}
	return needs, nil
}
