package main

import (
	"math/rand/v2"
	"sync"
)

// pool holds the events that GitHub tells soon, in any order: it takes so many
// that their order is lost, and so few that GitHub tells about as fast as
// people push.
type pool struct {
	mu      sync.Mutex
	changed *sync.Cond
	events  []event
	closed  bool
}

const (
	fewest = 20  // of which one is drawn
	most   = 200 // then pushing waits
)

func newPool() *pool {
	p := &pool{}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// put waits while the pool is full.
func (p *pool) put(events []event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, events...)
	p.changed.Broadcast()
	for len(p.events) > most {
		p.changed.Wait()
	}
}

// close says that nothing more comes.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.changed.Broadcast()
}

// take draws an event; there is none when the pool is closed and empty.
func (p *pool) take(random *rand.Rand) (e event, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && len(p.events) < fewest {
		p.changed.Wait()
	}
	if len(p.events) == 0 {
		return e, false
	}
	i, last := random.IntN(len(p.events)), len(p.events)-1
	e = p.events[i]
	p.events[i] = p.events[last]
	p.events = p.events[:last]
	p.changed.Broadcast()
	return e, true
}
