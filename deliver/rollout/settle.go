package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"deliver/inventory"
)

// settleRounds bounds how often a fleet that keeps growing is listed again.
const settleRounds = 5

// settle lists the fleet again until nobody is behind.
func (c *conductor) settle(soft, hard context.Context) {
	if c.Relist == nil {
		return
	}
	for round := 1; round <= settleRounds && soft.Err() == nil; round++ {
		listed, err := c.relist(soft)
		if err != nil {
			c.tell(Event{Kind: Message, Stage: "settle", Text: "the hosts could not be listed again", Error: err.Error()})
			return
		}
		c.forget(listed)
		born := c.join(listed)
		if len(born) == 0 {
			return
		}
		c.welcome(soft, hard, born)
	}
}

// welcome takes hosts born during the run through all phases.
func (c *conductor) welcome(soft, hard context.Context, born []*member) {
	const prefix = "settle: "
	phases := slices.Clone(c.Prepare)
	for i := range phases {
		phases[i].Before, phases[i].After = nil, nil
	}
	if c.prepare(soft, phases, born, prefix) != nil {
		return // each host knows its own error
	}
	ready := with(born, HostUntouched)
	if len(c.Switch.Steps) == 0 {
		_ = c.nothingToSwitch(ready)
		return
	}
	order := c.Order
	order.Canary = 0
	_ = c.switchBatches(soft, hard, ready, order, prefix+c.Switch.Name) // the run is only interrupted here
}

// relist asks for the fleet, under a deadline, never twice at once.
func (c *conductor) relist(ctx context.Context) ([]inventory.Host, error) {
	c.relistMu.Lock()
	defer c.relistMu.Unlock()
	var listed []inventory.Host
	step := Step{Name: "list hosts", Do: func(ctx context.Context, _ inventory.Host, _ *Teller) (err error) {
		listed, err = c.Relist(ctx)
		return err
	}}
	if _, err := call(ctx, step, inventory.Host{}, &Teller{tell: c.tell}, c.Grace); err != nil {
		return nil, fmt.Errorf("list hosts again: %w", err)
	}
	if len(listed) == 0 {
		return nil, errors.New("list hosts again: the list is empty")
	}
	return listed, nil
}

// forgetGone lists the fleet again and forgets the hosts that could not be
// reached because they are gone.
func (c *conductor) forgetGone(ctx context.Context) {
	if c.Relist == nil {
		return
	}
	if listed, err := c.relist(ctx); err == nil {
		c.forget(listed)
	}
}

func (c *conductor) forget(listed []inventory.Host) {
	there := namesOf(listed)
	for _, m := range c.fleet {
		if m.result == HostAside && c.Unreachable(m.err) && !there[m.name] {
			c.lose(m)
			c.tally.forgive()
		}
	}
}

func (c *conductor) lose(m *member) {
	m.result = HostGone
	c.tell(Event{Kind: Message, Stage: m.stage, Host: m.name, Text: "no longer listed"})
}

// isGone tells a host that vanished from one that failed: it cannot be
// reached, and is no longer listed.
func (c *conductor) isGone(ctx context.Context, m *member, err error) bool {
	if c.Relist == nil || !c.Unreachable(err) {
		return false
	}
	listed, err := c.relist(ctx)
	return err == nil && !namesOf(listed)[m.name]
}

func namesOf(hosts []inventory.Host) map[string]bool {
	names := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		names[h.String()] = true
	}
	return names
}
