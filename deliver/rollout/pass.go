package rollout

import (
	"context"
	"fmt"
	"time"

	"deliver/inventory"
)

// pass takes a host through steps, in order, up to the first that fails. It is
// errHalted when halted says between two steps that the rest is not wanted.
func (c *conductor) pass(ctx context.Context, m *member, stage string, steps []Step, halted func() bool) error {
	began := time.Now()
	defer func() { m.took += time.Since(began) }()
	for i, step := range steps {
		if i > 0 && halted() {
			return errHalted
		}
		m.step = step.Name
		left, err := c.do(ctx, stage, step, m.host, m.name)
		if err != nil {
			m.left = left
			return err
		}
	}
	m.step = ""
	return nil
}

// once does steps that are the run's own, with no host.
func (c *conductor) once(ctx context.Context, stage string, steps []Step) error {
	for _, step := range steps {
		if _, err := c.do(ctx, stage, step, inventory.Host{}, ""); err != nil {
			return fmt.Errorf("%s: %w", step.Name, err)
		}
	}
	return nil
}

func (c *conductor) do(ctx context.Context, stage string, step Step, h inventory.Host, name string) (left <-chan struct{}, err error) {
	began := time.Now()
	tell := func(e Event) {
		e.Stage, e.Host, e.Step = stage, name, step.Name
		c.tell(e)
	}
	tell(Event{Kind: StepStarted})
	left, err = call(ctx, step, h, &Teller{tell: tell}, c.Grace)
	done := Event{Kind: StepDone, Took: time.Since(began).Seconds()}
	if err != nil {
		done.Kind, done.Error = StepFailed, err.Error()
	}
	tell(done)
	return left, err
}

func (c *conductor) tell(e Event) { c.feed.add(e) }
