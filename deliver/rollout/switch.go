package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"deliver/inventory"
	"deliver/plan"
)

// switchFleet takes the hosts that are ready through Switch, and takes back
// what was switched if too much fails.
func (c *conductor) switchFleet(soft, hard context.Context) error {
	ready := with(c.fleet, HostUntouched)
	if len(c.Switch.Steps) == 0 {
		return c.nothingToSwitch(ready)
	}
	if err := c.once(soft, c.Switch.Name, c.Switch.Before); err != nil {
		return cmp.Or(interruption(soft), err)
	}
	err := c.switchBatches(soft, hard, ready, c.Order, c.Switch.Name)
	if err == nil {
		err = c.verify(soft, hard, with(c.early, HostOK))
	}
	if err == nil {
		err = c.once(hard, c.Switch.Name, c.Switch.After)
	}
	if err != nil && c.Limits.RollsBack() && c.notWanted(soft) {
		c.undoFleet(hard)
	}
	return err
}

// notWanted says that the release is to be taken back. An interruption alone
// says nothing about it.
func (c *conductor) notWanted(soft context.Context) bool {
	return interruption(soft) == nil || c.tally.over() != nil
}

func (c *conductor) nothingToSwitch(ready []*member) error {
	for _, m := range ready {
		m.result = HostOK
	}
	return nil
}

func (c *conductor) switchBatches(soft, hard context.Context, ready []*member, order plan.Order, name string) error {
	batches := plan.Batches(hosts(ready), order)
	for i, hosts := range batches {
		if i > 0 {
			c.early = append(c.early, ready[:len(batches[i-1])]...)
			ready = ready[len(batches[i-1]):]
			c.pause(soft, order.Pause, name)
		}
		if err := c.stopped(soft); err != nil {
			return err
		}
		stage := name
		if len(batches) > 1 {
			stage = fmt.Sprintf("%s %d/%d", name, i+1, len(batches))
		}
		c.switchBatch(soft, hard, ready[:len(hosts)], stage)
	}
	return c.stopped(soft)
}

func (c *conductor) switchBatch(soft, hard context.Context, batch []*member, stage string) {
	c.largest = max(c.largest, len(batch))
	c.tell(Event{Kind: StageStarted, Stage: stage, Hosts: names(batch)})
	each(c.Parallel, batch, func(m *member) {
		if c.stopped(soft) == nil {
			c.switchHost(soft, hard, m, stage)
		}
	})
}

// stopped says why no other host may be started.
func (c *conductor) stopped(soft context.Context) error {
	if err := interruption(soft); err != nil {
		return err
	}
	if c.Limits.OnFailure == plan.Continue {
		return nil
	}
	return c.tally.over()
}

func (c *conductor) switchHost(soft, hard context.Context, m *member, stage string) {
	m.turn = c.turns.Add(1)
	err := c.pass(hard, m, stage, c.Switch.Steps, func() bool {
		return c.Limits.RollsBack() && c.stopped(soft) != nil
	})
	switch {
	case err == nil:
		m.result = HostOK
		c.tell(Event{Kind: HostDone, Stage: stage, Host: m.name, Took: m.took.Seconds()})
	case errors.Is(err, errHalted):
		m.step = ""
		m.fail(HostFailed, stage, c.stopped(soft))
		c.setBack(hard, m)
	default:
		c.failed(soft, hard, m, stage, err)
	}
}

// failed is the end of a host for which a step of Switch failed.
func (c *conductor) failed(soft, hard context.Context, m *member, stage string, err error) {
	m.fail(HostFailed, stage, err)
	if c.isGone(soft, m, err) {
		c.lose(m)
		return
	}
	c.tally.addFailed()
	c.setBack(hard, m)
}

// verify proves once more that the hosts are well on which the release has run
// for the length of the batches after theirs.
func (c *conductor) verify(soft, hard context.Context, early []*member) error {
	if len(c.Switch.Verify) == 0 || len(early) == 0 {
		return nil
	}
	c.tell(Event{Kind: StageStarted, Stage: StageVerify, Hosts: names(early)})
	each(c.Parallel, early, func(m *member) {
		if err := c.pass(hard, m, StageVerify, c.Switch.Verify, func() bool { return false }); err != nil {
			c.failed(soft, hard, m, StageVerify, err)
			return
		}
		c.tell(Event{Kind: HostDone, Stage: StageVerify, Host: m.name, Took: m.took.Seconds()})
	})
	return c.stopped(soft)
}

// setBack undoes a host that failed or was halted, if that is wanted, and
// leaves it out of the rest of the run.
func (c *conductor) setBack(hard context.Context, m *member) {
	if c.Limits.RollsBack() {
		c.undo(hard, m)
	}
	c.tell(Event{Kind: SetAside, Stage: m.stage, Host: m.name, Step: m.step, Error: text(m.err)})
}

// pause waits between two batches.
func (c *conductor) pause(soft context.Context, pause time.Duration, stage string) {
	if pause == 0 || c.stopped(soft) != nil {
		return
	}
	c.tell(Event{Kind: Message, Stage: stage, Text: "pausing for " + pause.String()})
	select {
	case <-time.After(pause):
	case <-soft.Done():
	}
}

func hosts(members []*member) []inventory.Host {
	all := make([]inventory.Host, len(members))
	for i, m := range members {
		all[i] = m.host
	}
	return all
}
