package rollout

import (
	"time"

	"deliver/inventory"
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
