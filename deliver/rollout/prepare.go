package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// prepare takes members through phases, with a barrier after each.
func (c *conductor) prepare(soft context.Context, phases []Phase, members []*member, prefix string) error {
	for _, phase := range phases {
		ready := with(members, HostUntouched)
		if err := c.once(soft, phase.Name, phase.Before); err != nil {
			return cmp.Or(interruption(soft), err)
		}
		stage := prefix + phase.Name
		c.tell(Event{Kind: StageStarted, Stage: stage, Hosts: names(ready)})
		each(c.Parallel, ready, func(m *member) { c.prepareHost(soft, m, stage, phase.Steps) })
		if err := c.barrier(soft, ready); err != nil {
			return err
		}
		if err := c.once(soft, phase.Name, phase.After); err != nil {
			return cmp.Or(interruption(soft), err)
		}
	}
	return nil
}

func (c *conductor) prepareHost(soft context.Context, m *member, stage string, steps []Step) {
	err := c.pass(soft, m, stage, steps, func() bool { return soft.Err() != nil })
	switch {
	case err == nil:
		c.tell(Event{Kind: HostDone, Stage: stage, Host: m.name, Took: m.took.Seconds()})
	case soft.Err() != nil:
		m.fail(HostUntouched, stage, err)
	default:
		c.setAside(m, stage, err)
	}
}

func (c *conductor) setAside(m *member, stage string, err error) {
	m.fail(HostAside, stage, err)
	if c.Unreachable(err) {
		c.tally.addUnreachable()
	} else {
		c.tally.addFailed()
	}
	c.tell(Event{Kind: SetAside, Stage: stage, Host: m.name, Step: m.step, Error: err.Error()})
}

// barrier decides after a Prepare phase whether the run goes on.
func (c *conductor) barrier(soft context.Context, members []*member) error {
	if err := interruption(soft); err != nil {
		return err
	}
	if c.tally.over() != nil {
		c.forgetGone(soft)
	}
	if err := cmp.Or(refusal(members), c.tally.over()); err != nil {
		return err
	}
	if len(with(members, HostUntouched)) == 0 {
		return errNoneLeft
	}
	return nil
}

// refusal is the error of a host that forbids the run.
func refusal(members []*member) error {
	for _, m := range members {
		if errors.Is(m.err, ErrRefused) {
			return fmt.Errorf("%s: %w", m.name, m.err)
		}
	}
	return nil
}
