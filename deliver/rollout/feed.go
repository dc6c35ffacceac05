package rollout

import (
	"sync"
	"time"
)

// feed carries events from the many goroutines of a run to its one listener.
// It never blocks the one who adds: what the listener has not taken waits here,
// and of a host's progress only the newest does, so the queue is bounded by
// the steps of the run.
type feed struct {
	run    string
	listen func(Event)

	mu       sync.Mutex
	queue    []*Event
	progress map[string]*Event // waiting in queue, by host and step
	closed   bool

	wake chan struct{} // holds one token while there is something to look at
	done chan struct{} // closed when deliver has ended
}

// newFeed starts to deliver to listen. Its owner must close it.
func newFeed(run string, listen func(Event)) *feed {
	f := &feed{
		run: run, listen: listen, progress: map[string]*Event{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if listen == nil {
		f.listen = func(Event) {}
	}
	go f.deliver()
	return f
}

func (f *feed) add(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Run, e.Time = f.run, time.Now()
	if e.Kind == StepProgress && f.replaced(&e) {
		return
	}
	f.queue = append(f.queue, &e)
	f.signal()
}

// replaced puts e in the place of the progress that still waits, if one does,
// and otherwise remembers e as the one that waits.
func (f *feed) replaced(e *Event) bool {
	key := e.Host + "\n" + e.Step
	waiting := f.progress[key]
	if waiting == nil {
		f.progress[key] = e
		return false
	}
	waiting.Done, waiting.Total = e.Done, e.Total
	return true
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feed) deliver() {
	defer close(f.done)
	for range f.wake {
		events, last := f.take()
		for _, e := range events {
			f.listen(*e)
		}
		if last {
			return
		}
	}
}

func (f *feed) take() (events []*Event, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	events, f.queue = f.queue, nil
	clear(f.progress)
	return events, f.closed
}

// close waits until all is delivered, or until grace after abort: then a
// listener that blocks is left behind with what it was given.
func (f *feed) close(abort <-chan struct{}, grace time.Duration) {
	f.mu.Lock()
	f.closed = true
	f.signal()
	f.mu.Unlock()
	select {
	case <-f.done:
		return
	case <-abort:
	}
	select {
	case <-f.done:
	case <-time.After(grace):
	}
}
