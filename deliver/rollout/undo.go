package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// undoFleet takes back every host that was switched, the newest first, no
// more at once than the largest batch had, so that a fleet never loses more
// of itself on the way back than on the way there.
func (c *conductor) undoFleet(hard context.Context) {
	var switched []*member
	for _, m := range c.fleet {
		if m.result == HostOK || (m.result == HostFailed && m.turn > 0) {
			switched = append(switched, m)
		}
	}
	if len(switched) == 0 {
		return
	}
	slices.SortFunc(switched, func(a, b *member) int { return int(b.turn - a.turn) })
	c.tell(Event{Kind: StageStarted, Stage: StageUndo, Hosts: names(switched)})
	each(min(c.Parallel, c.largest), switched, func(m *member) { c.undo(hard, m) })
}

// undo takes one host back. A host on which a step still runs that was left
// behind is not touched, for two would work on it at once; nor is any after
// Abort.
func (c *conductor) undo(hard context.Context, m *member) {
	if m.stuck() || hard.Err() != nil {
		return
	}
	failed := m.step
	defer func() { m.step = failed }()
	c.tell(Event{Kind: UndoStarted, Stage: StageUndo, Host: m.name})
	err := c.pass(hard, m, StageUndo, c.Switch.Undo, func() bool { return false })
	if err != nil {
		m.result, m.undoErr = HostUndoFailed, fmt.Errorf("%s: %w", m.step, err)
		c.tell(Event{Kind: UndoFailed, Stage: StageUndo, Host: m.name, Step: m.step, Error: err.Error()})
		return
	}
	m.result = HostRolledBack
	c.tell(Event{Kind: UndoDone, Stage: StageUndo, Host: m.name})
}

// leftSwitched reports whether a host is not where it was before the run.
func leftSwitched(m *member) bool {
	return m.result == HostUndoFailed || (m.turn > 0 && m.result != HostRolledBack && m.result != HostGone)
}

var errNotBack = errors.New("not every host could be put back")
