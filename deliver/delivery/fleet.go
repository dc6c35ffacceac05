package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// fleet is the servers of one delivery, each connected once for all its steps.
type fleet struct {
	*Delivery
	packing sync.Once
	pack    *Build
	packErr error
	undoing sync.Once // the first server that is taken back
	undone  bool

	mu     sync.Mutex
	visits map[string]*visit
}

// visit is what a delivery knows of one server. Only the steps of this server
// use it, and they follow one another.
type visit struct {
	key      string // the host as HOSTS names it
	name     string
	server   host.Server
	fit      bool // the release can go there
	claimed  bool // this run has the lease
	claim    host.Claimed
	claims   int64      // leases that this run was granted
	over     string     // what may be replaced whatever the order of builds says
	state    host.State // before anything was changed
	previous string     // the release to go back to
	settled  bool       // the release is current and healthy already
	bare     bool       // there is no service to restart
	shipped  bool       // it has the release
	direct   bool       // the store was of no use to it
	drained  bool
	switched bool
	failure  error // of a step of the switch
}

func newFleet(d *Delivery) *fleet {
	return &fleet{Delivery: d, visits: map[string]*visit{}}
}

func (f *fleet) visit(h inventory.Host) *visit {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.visits[h.String()]
	if v == nil {
		v = &visit{key: h.String(), name: h.Name}
		f.visits[h.String()] = v
	}
	return v
}

func (f *fleet) all() []*visit { return f.those(func(v *visit) bool { return v.server != nil }) }

func (f *fleet) states() map[string]host.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	states := map[string]host.State{}
	for name, v := range f.visits {
		if v.state.Root != "" {
			states[name] = v.state
		}
	}
	return states
}

func (f *fleet) close() {
	if !f.aborted() { // one that stops at once waits for no server: its leases end by themselves
		f.release(context.Background())
	}
	for _, v := range f.all() {
		_ = v.server.Close() // all that it did was answered for
	}
	if f.pack != nil {
		if f.aborted() {
			f.pack.depot = nil // what lies in the store is removed by a later delivery
		}
		_ = f.pack.Close()
	}
}

// work is what a step does on one server.
type work func(ctx context.Context, v *visit, tell *rollout.Teller) error

func (f *fleet) step(name string, do work) rollout.Step {
	return rollout.Step{
		Name: name, Timeout: f.Times.Step,
		Do: func(ctx context.Context, h inventory.Host, tell *rollout.Teller) error {
			return do(ctx, f.visit(h), tell)
		},
	}
}

// previousOf is what a server runs and would be taken back to. Where it runs
// the release already, from a run that was cut, it is the last good one before.
func (f *fleet) previousOf(s host.State) string {
	if s.Current != f.Record.ID {
		return s.Current
	}
	for _, e := range slices.Backward(s.History) {
		if e.Result == Healthy && e.Release != f.Record.ID && has(s, e.Release) {
			return e.Release
		}
	}
	return ""
}

func has(s host.State, id string) bool {
	for _, rec := range s.Releases {
		if rec.ID == id {
			return true
		}
	}
	return false
}

func (v *visit) setFit(f *fleet, fit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.fit = fit
}

func (v *visit) say(tell *rollout.Teller, format string, args ...any) {
	tell.Message(fmt.Sprintf(format, args...))
}
