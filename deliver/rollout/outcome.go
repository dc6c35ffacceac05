package rollout

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"deliver/inventory"
	"deliver/plan"
)

// Result says how a run ended.
type Result string

// How a run can end.
const (
	OK          Result = "ok"          // every host has passed Switch
	Partial     Result = "partial"     // done, but for hosts within the limits
	Failed      Result = "failed"      // nothing was switched, or not all could be put back, or too much failed with OnFailure continue
	RolledBack  Result = "rolled back" // too much failed, and all that was switched is put back
	Stopped     Result = "stopped"     // too much failed, with OnFailure stop: the fleet is mixed
	Refused     Result = "refused"     // a step forbade it, or the Rollout is not valid; nothing was switched
	Held        Result = "held"        // another run is at work on the fleet; nothing was switched
	Interrupted Result = "interrupted" // the context ended before the run did
)

// HostResult says where a run left a host.
type HostResult string

// Where a host can be left.
const (
	HostOK         HostResult = "ok"              // has passed Switch
	HostAside      HostResult = "set aside"       // failed before it was switched
	HostFailed     HostResult = "failed"          // failed in Switch and is left as it is
	HostRolledBack HostResult = "rolled back"     // undone
	HostUndoFailed HostResult = "rollback failed" // not undone: what it runs is not known
	HostUntouched  HostResult = "untouched"       // never reached by Switch
	HostGone       HostResult = "gone"            // no longer in the fleet
)

// HostOutcome is where a run left one host, and why.
type HostOutcome struct {
	Host    inventory.Host
	Result  HostResult
	Stage   string        // in which it failed
	Step    string        // that failed
	Err     error         // of that step
	UndoErr error         // of HostUndoFailed
	Took    time.Duration // in steps
}

// Outcome is how a run ended. Hosts are in the order of the fleet, new ones last.
type Outcome struct {
	Run     string
	Result  Result
	Hosts   []HostOutcome
	Err     error // why the run did not end OK or Partial
	Started time.Time
	Ended   time.Time
}

// Count tells how many hosts were left so.
func (o Outcome) Count(result HostResult) int {
	n := 0
	for _, h := range o.Hosts {
		if h.Result == result {
			n++
		}
	}
	return n
}

// outcome tells how the run ended that conduct ended with err.
func (c *conductor) outcome(err error) Outcome {
	out := Outcome{Run: c.ID, Started: c.started, Ended: time.Now(), Err: err, Hosts: make([]HostOutcome, len(c.fleet))}
	for i, m := range c.fleet {
		out.Hosts[i] = m.outcome()
	}
	out.Result = c.result(err)
	switch {
	case err == nil && out.Result == Failed:
		out.Err = errNoneLeft
	case out.Result == Failed && c.Limits.RollsBack() && slices.ContainsFunc(c.fleet, leftSwitched):
		out.Err = fmt.Errorf("%w; %w", err, errNotBack)
	}
	return out
}

func (c *conductor) result(err error) Result {
	ok := len(with(c.fleet, HostOK))
	switch {
	case errors.Is(err, ErrRefused) && c.turns.Load() == 0:
		return Refused
	case errors.Is(err, errInterrupted):
		return Interrupted
	case errors.Is(err, ErrHeld):
		return Held
	case err != nil:
		return c.resultOfFailure()
	case ok == 0:
		return Failed
	case ok+len(with(c.fleet, HostGone)) == len(c.fleet):
		return OK
	default:
		return Partial
	}
}

func (c *conductor) resultOfFailure() Result {
	switch touched := c.turns.Load() > 0; {
	case !touched || c.Limits.OnFailure == plan.Continue:
		return Failed
	case c.Limits.OnFailure == plan.Stop:
		return Stopped
	case slices.ContainsFunc(c.fleet, leftSwitched):
		return Failed
	default:
		return RolledBack
	}
}

var errNoneLeft = errors.New("no host is left")

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
