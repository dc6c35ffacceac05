package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"deliver/inventory"
)

// conductor is one Run. Its methods are named after the stages; they take two
// contexts where they differ: soft ends with the caller's, hard only with
// Abort.
type conductor struct {
	*Rollout
	feed  *feed
	tally *tally
	fleet []*member
	known map[string]bool

	turns    atomic.Int64 // of starts of Switch
	largest  int          // batch of the run
	early    []*member    // of all batches but the last
	relistMu sync.Mutex
	started  time.Time
}

func newConductor(r *Rollout) *conductor {
	own := *r
	own.Parallel = cmp.Or(max(own.Parallel, 0), DefaultParallel)
	own.Grace = cmp.Or(max(own.Grace, 0), DefaultGrace)
	if own.Unreachable == nil {
		own.Unreachable = func(error) bool { return false }
	}
	c := &conductor{Rollout: &own, known: map[string]bool{}, started: time.Now(), feed: newFeed(r.ID, r.Listen)}
	c.join(r.Hosts)
	c.tally = &tally{limits: r.Limits, fleet: len(c.fleet)}
	return c
}

// join adds the hosts that are not in the fleet yet and returns them.
func (c *conductor) join(hosts []inventory.Host) []*member {
	before := len(c.fleet)
	for _, h := range hosts {
		m := newMember(h)
		if !c.known[m.name] {
			c.known[m.name] = true
			c.fleet = append(c.fleet, m)
		}
	}
	return c.fleet[before:]
}

// contexts makes the two contexts of a run: soft ends with ctx or hard, hard
// with Abort. end must be called; it waits.
func (c *conductor) contexts(ctx context.Context) (soft, hard context.Context, end func()) {
	soft, cancelSoft := context.WithCancelCause(ctx)
	hard, cancelHard := context.WithCancelCause(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.Abort:
			cancelHard(errAborted)
			cancelSoft(errAborted)
		case <-hard.Done():
		}
	})
	return soft, hard, func() {
		cancelHard(nil)
		cancelSoft(nil)
		watch.Wait()
	}
}

var (
	errInterrupted = errors.New("interrupted")
	errAborted     = errors.New("stopped at once")
	errHalted      = errors.New("halted")
)

// conduct is the run. Its error says why the run did not pass to its end.
func (c *conductor) conduct(soft, hard context.Context) error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := c.prepare(soft, c.Prepare, c.fleet, ""); err != nil {
		return err
	}
	if err := c.switchFleet(soft, hard); err != nil {
		return err
	}
	tooMany := c.tally.close()
	c.settle(soft, hard)
	return cmp.Or(interruption(soft), tooMany)
}

func (c *conductor) validate() error {
	if len(c.fleet) == 0 {
		return errors.New("there are no hosts")
	}
	for _, phase := range c.Prepare {
		if len(phase.Undo)+len(phase.Verify) > 0 {
			return fmt.Errorf("phase %s: only the switch is verified and undone", phase.Name)
		}
	}
	if c.Limits.RollsBack() && len(c.Switch.Steps) > 0 && len(c.Switch.Undo) == 0 {
		return fmt.Errorf("phase %s: there is no way back", c.Switch.Name)
	}
	return errors.Join(c.Order.Validate(), c.Limits.Validate())
}

// each works on members, at most width at once, and waits for all.
func each(width int, members []*member, work func(*member)) {
	var group errgroup.Group
	group.SetLimit(width)
	for _, m := range members {
		group.Go(func() error {
			work(m)
			return nil
		})
	}
	_ = group.Wait() // work keeps its errors in the member
}

// interruption is why soft ended, or nil.
func interruption(soft context.Context) error {
	if soft.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errInterrupted, context.Cause(soft))
}
