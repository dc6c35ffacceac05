package delivery

import (
	"context"
	"errors"
	"time"

	"deliver/cache"
	"deliver/host"
	"deliver/inventory"
	"deliver/plan"
	"deliver/release"
	"deliver/rollout"
)

// The actions of a delivery, as a server's history has them.
const (
	Push     = "push"
	Rollback = "rollback"
	Install  = "install"
)

// The results of a delivery on a server, as its history has them.
const (
	Healthy    = "healthy"
	RolledBack = "rolled back"
	Failed     = "failed" // and left so
)

// Delivery is one release on its way to a fleet. It is the same whether the
// servers are over SSH or this machine: that is for Open to say.
type Delivery struct {
	Run    string // id of the run
	Action string
	By     string
	Hosts  []inventory.Host
	Record release.Record
	// Package gives the build. It is asked once, when the first server lacks
	// the release, and the delivery closes it; nil means that every server must
	// have it.
	Package func(context.Context) (*Build, error)
	// Cache is what this side knows of what it delivered before; it may be nil.
	Cache *cache.Cache
	// Depot is where servers may get the release themselves; nil: all of it goes
	// over their connections.
	Depot *Depot
	// Open connects to a server.
	Open func(context.Context, inventory.Host) (host.Server, error)

	App   App
	Hooks Hooks
	Times Times

	Order  plan.Order
	Limits plan.Limits
	Lease  Lease
	// Ancestry says how the commit of the release is related to the one that a
	// server runs; nil: the order of builds alone decides which is newer.
	Ancestry   func(ctx context.Context, commit, than string) Ancestry
	AllowOlder bool           // an older release may replace a newer one
	From       release.Record // of Rollback: what is rolled back from
	// Ended is called when the run is over and the servers are still held: what
	// it does for this release comes before what the next delivery does. It may be nil.
	Ended func(context.Context, rollout.Outcome)

	// Confirm is asked of each server that was looked at, or could not be, and
	// again when this run has the lease of all; its error refuses the whole run
	// before anything is changed. nil: whatever is found is good.
	Confirm func(host string, found plan.State) error
	// Begin is called once, when everything is confirmed under the lease; nil: nothing is.
	Begin func(context.Context) error

	Relist func(context.Context) ([]inventory.Host, error)
	Listen func(rollout.Event)
	// Abort stops the run at once when it is closed, and leaves the servers as they are.
	Abort <-chan struct{}
}

// App is how the delivered app runs on a server.
type App struct {
	Place   host.Place
	Service host.Service
	Health  host.Health
	// Bare lets a server be delivered to where the manager does not know the
	// service: it is not restarted there.
	Bare bool
	Keep int // good releases that stay on a server; 0: all
}

// Times are the deadlines of steps; zero ones are the rollout's default.
type Times struct {
	Step time.Duration
	Hook time.Duration
}

// Deliver takes the release to every server and tells how it ended.
func (d *Delivery) Deliver(ctx context.Context) rollout.Outcome {
	f := newFleet(d)
	defer f.close()
	r := d.rollout()
	r.Prepare = []rollout.Phase{f.preflight(), f.ship()}
	r.Switch = f.switching()
	stop := f.keepLeases(ctx)
	outcome := r.Run(ctx)
	if d.Ended != nil {
		d.Ended(context.WithoutCancel(ctx), outcome)
	}
	stop()
	if d.aborted() {
		return outcome
	}
	f.recordFailures(ctx, outcome)
	if err := f.afterUndo(context.WithoutCancel(ctx)); err != nil {
		outcome.Err = errors.Join(outcome.Err, err)
	}
	return outcome
}

func (d *Delivery) aborted() bool {
	select {
	case <-d.Abort:
		return true
	default:
		return false
	}
}

// Preflight looks at every server and changes nothing.
func (d *Delivery) Preflight(ctx context.Context) (rollout.Outcome, map[string]host.State) {
	f := newFleet(d)
	defer f.close()
	r := d.rollout()
	r.Prepare = []rollout.Phase{f.preflight()}
	outcome := r.Run(ctx)
	return outcome, f.states()
}

func (d *Delivery) rollout() *rollout.Rollout {
	return &rollout.Rollout{
		ID: d.Run, Hosts: d.Hosts, Order: d.Order, Limits: d.Limits,
		Relist: d.Relist, Unreachable: Unreachable, Listen: d.Listen, Abort: d.Abort,
	}
}

// Unreachable tells a server that cannot be reached from one that fails.
func Unreachable(err error) bool {
	var e *host.Error
	return errors.As(err, &e) && e.Kind == host.KindUnreachable
}
