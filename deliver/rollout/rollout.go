// Package rollout is the conductor: it takes hosts through steps, in parallel
// or in batches, stops where too much fails, and takes back what was done.
package rollout

import (
	"context"
	"errors"
	"time"

	"deliver/inventory"
	"deliver/plan"
)

// Step is one thing done on one host.
type Step struct {
	Name string
	// Timeout is the deadline of Do's context; 0 is DefaultTimeout.
	Timeout time.Duration
	// Do does the step. It must return soon after its context ends. A panic
	// is an error of the step. tell is for this call only.
	Do func(ctx context.Context, h inventory.Host, tell *Teller) error
}

// Phase is a row of steps that a host takes in order.
type Phase struct {
	Name string
	// Before and After run once for the run, with the zero Host: before the
	// first host takes the phase, and after the last has passed it.
	Before, After []Step
	Steps         []Step
	// Verify is taken, when the last batch has passed, by the hosts of those before
	// it: much may have happened on them since. A host that fails it has failed
	// in the phase. Only Switch has it.
	Verify []Step
	// Undo takes the phase back on a host where a step of it had started: in
	// order, up to the first that fails. A host is rolled back when all of them
	// succeeded, so they end by proving the host well. Only Switch has it.
	Undo []Step
}

// The values of Rollout's fields that are left zero.
const (
	DefaultParallel = 64
	DefaultTimeout  = 10 * time.Minute
	DefaultGrace    = 5 * time.Second
)

// Rollout is one run over a fleet.
//
// Every host takes the Prepare phases, with a barrier after each. A host that
// fails there is set aside; more than Limits allow stop the run with nothing
// switched anywhere, but only at the barrier, so that one run names all hosts
// that are not right. Then the hosts take Switch, batch after batch. A host
// that fails there is undone at once if Limits.OnFailure is rollback. More
// failures than Limits allow, counted over the whole fleet, start no other
// host, and OnFailure decides:
//
//   - rollback: hosts in flight end their step and are undone, then every
//     host switched in this run is, the newest first, no more at once than the
//     largest batch had;
//   - stop: hosts in flight finish the phase;
//   - continue: the run goes on.
//
// When the last batch has passed, the hosts of the earlier ones take Switch.Verify.
// After that Relist is asked, until it names no new host: new
// hosts take all phases. The ones that fail are set aside and never take the
// fleet back. A host that could not be reached and is no longer listed is gone,
// which is no failure.
type Rollout struct {
	ID      string // of the run, in every Event
	Hosts   []inventory.Host
	Prepare []Phase
	Switch  Phase
	Order   plan.Order
	Limits  plan.Limits
	// Parallel is how many hosts are worked on at once.
	Parallel int
	// Grace is how long a step whose context has ended may take to return. One
	// that does not is left behind: its step fails with ErrStuck, and the host
	// is not touched again while it runs.
	Grace time.Duration
	// Relist lists the fleet again; nil: it does not change.
	Relist func(context.Context) ([]inventory.Host, error)
	// Unreachable tells a host that cannot be reached from one that fails.
	Unreachable func(error) bool
	// Listen gets the events, in order, never two at once. It is called by a
	// goroutine of its own, so a slow one does not slow the run; of a host's
	// progress it then gets the newest. All events are delivered before Run
	// returns, unless Abort is closed.
	Listen func(Event)
	// Abort stops the run at once when it is closed: steps and undos are cancelled,
	// none is started. Hosts in flight are left where they are, and named.
	Abort <-chan struct{}
}

// ErrRefused is wrapped by the error of a Prepare step that forbids the whole
// run, whatever the limits say.
var ErrRefused = errors.New("refused")

// ErrHeld is wrapped by the error of a Prepare step that found another run at
// work on the fleet.
var ErrHeld = errors.New("another run is under way")

// ErrStuck is wrapped by the error of a step that did not return when its
// context ended.
var ErrStuck = errors.New("it does not end")

// Run takes the fleet through the phases and tells how it ended.
//
// The end of ctx is the polite interruption: no host is started, Prepare steps
// are cancelled, and hosts in flight in Switch end complete: with OnFailure rollback
// they end their step and are undone, otherwise they finish the phase.
// Hosts that are done stay as they are. The result is Interrupted.
//
// When Run returns, all its goroutines are gone but those of steps that are stuck.
func (r *Rollout) Run(ctx context.Context) Outcome {
	c := newConductor(r)
	soft, hard, end := c.contexts(ctx)
	defer end()
	c.tell(Event{Kind: RunStarted, Hosts: names(c.fleet)})
	err := c.conduct(soft, hard)
	out := c.outcome(err)
	c.tell(Event{Kind: RunDone, Result: string(out.Result), Error: text(out.Err), Took: out.Ended.Sub(out.Started).Seconds()})
	c.feed.close(c.Abort, c.Grace)
	return out
}
