package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"autobuilder/console"
)

// feed tells open pages that something has changed. However many there are, the
// ledger is asked once, and only while there is one.
type feed struct {
	version func(context.Context) (int64, error)
	every   time.Duration
	ctx     context.Context //nolint:containedctx // of the watcher, which outlives the request that starts it

	mu      sync.Mutex
	readers int
	stop    context.CancelFunc
	changed chan struct{} // closed at the next change
}

func newFeed(ctx context.Context, version func(context.Context) (int64, error), every time.Duration) *feed {
	return &feed{ctx: ctx, version: version, every: every, changed: make(chan struct{})}
}

// join starts the watcher if this is the first reader.
func (f *feed) join() (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers++; f.readers == 1 {
		var ctx context.Context
		ctx, f.stop = context.WithCancel(f.ctx)
		go f.watch(ctx)
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.readers--; f.readers == 0 {
			f.stop()
		}
	}
}

// watch ends with the last reader.
func (f *feed) watch(ctx context.Context) {
	last, _ := f.version(ctx) // an error is the next look's
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now, err := f.version(ctx); err == nil && now != last {
			last = now
			f.tell()
		}
	}
}

func (f *feed) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// follow sends an event "change" for each change, until ctx ends or send fails.
func (f *feed) follow(ctx context.Context, send console.Send) error {
	defer f.join()()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for next := f.next(); ; {
		text := "event: change\ndata: 1\n\n"
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.ctx.Done():
			return f.ctx.Err()
		case <-alive.C:
			text = ": still here\n\n"
		case <-next:
			next = f.next()
		}
		if err := send([]byte(text)); err != nil {
			return err
		}
	}
}

const (
	keepAlive = 20 * time.Second
	// patience is how long a browser may take for what it is sent.
	patience = 30 * time.Second
)

// sse is a stream of server-sent events to one browser. Several may write to it.
type sse struct {
	mu      sync.Mutex
	out     http.ResponseWriter
	control *http.ResponseController
}

// openSSE begins the stream; close it at the end.
func openSSE(w http.ResponseWriter) (*sse, error) {
	s := &sse{out: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // of nginx
	w.WriteHeader(http.StatusOK)
	return s, s.send([]byte("retry: 2000\n\n"))
}

// send writes the parts as one. A browser that does not read them is let go.
func (s *sse) send(parts ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.control.SetWriteDeadline(time.Now().Add(patience)) // a writer that has none has none
	for _, part := range parts {
		if _, err := s.out.Write(part); err != nil {
			return err
		}
	}
	return s.control.Flush()
}

// close takes the deadline from the connection, which may serve on.
func (s *sse) close() { _ = s.control.SetWriteDeadline(time.Time{}) } // as above

// events tells a page that it is not up to date any more.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	out, err := openSSE(w)
	defer out.close()
	if err == nil {
		err = s.feed.follow(r.Context(), out.send)
	}
	s.Log.Debug("stream ended", "path", r.URL.Path, "why", err)
}
