package rollout

import (
	"time"

	"deliver/inventory"
)

// member is a host of the fleet in a run. Only the goroutine that works on
// the host writes to it; others read it after the barrier.
type member struct {
	host    inventory.Host
	name    string
	result  HostResult
	stage   string
	step    string
	err     error
	undoErr error
	took    time.Duration
	turn    int64           // 0: no step of Switch was started; grows in the order of the starts
	left    <-chan struct{} // of a step that was left behind
}

func newMember(h inventory.Host) *member {
	return &member{host: h, name: h.String(), result: HostUntouched}
}

func (m *member) fail(result HostResult, stage string, err error) {
	m.result, m.stage, m.err = result, stage, err
}

// stuck reports whether a step still runs that was left behind.
func (m *member) stuck() bool {
	if m.left == nil {
		return false
	}
	select {
	case <-m.left:
		return false
	default:
		return true
	}
}

func (m *member) outcome() HostOutcome {
	return HostOutcome{
		Host: m.host, Result: m.result, Stage: m.stage, Step: m.step,
		Err: m.err, UndoErr: m.undoErr, Took: m.took,
	}
}

func names(members []*member) []string {
	all := make([]string, len(members))
	for i, m := range members {
		all[i] = m.name
	}
	return all
}

func with(members []*member, result HostResult) []*member {
	var found []*member
	for _, m := range members {
		if m.result == result {
			found = append(found, m)
		}
	}
	return found
}
