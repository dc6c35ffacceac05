package delivery

import (
	"context"
	"sync"

	"deliver/host"
	"deliver/inventory"
)

// mostAhead is how many servers are reached ahead. A build is read in the time
// that these take.
const mostAhead = 64

// ReachAhead begins to reach the first servers, for Deliver: to read a build and
// to reach a server take about as long. Nothing is asked of them. forget gives
// up those that Deliver did not take.
func (d *Delivery) ReachAhead(ctx context.Context) (forget func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{open: d.Open, there: map[inventory.Host]chan reached{}}
	for _, h := range d.Hosts[:min(len(d.Hosts), mostAhead)] {
		there := make(chan reached, 1)
		a.there[h] = there
		a.work.Go(func() { there <- a.reach(ctx, h) })
	}
	d.Open = a.take
	return func() {
		cancel()
		a.forget()
	}
}

// ahead are the servers that are being reached.
type ahead struct {
	open  func(context.Context, inventory.Host) (host.Server, error)
	work  sync.WaitGroup
	mu    sync.Mutex
	there map[inventory.Host]chan reached
}

// reached is how it went.
type reached struct {
	server host.Server
	err    error
}

func (a *ahead) reach(ctx context.Context, h inventory.Host) reached {
	server, err := a.open(ctx, h)
	if err != nil {
		return reached{nil, err}
	}
	if s, ok := server.(interface{ Begin(context.Context) error }); ok {
		_ = s.Begin(ctx) // what is wrong is for the first operation to say, which tries again
	}
	return reached{server, nil}
}

// take gives a server that was reached ahead, once, or reaches it.
func (a *ahead) take(ctx context.Context, h inventory.Host) (host.Server, error) {
	a.mu.Lock()
	there := a.there[h]
	a.mu.Unlock()
	if there == nil {
		return a.open(ctx, h)
	}
	select {
	case r := <-there:
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.there, h)
		return r.server, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (a *ahead) forget() {
	a.work.Wait()
	for _, there := range a.there {
		if r := <-there; r.err == nil {
			_ = r.server.Close() // nothing was asked of it
		}
	}
}
