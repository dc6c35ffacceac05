package rollout

import (
	"fmt"
	"sync"

	"deliver/plan"
)

// tally counts what fails in the whole fleet against the limits.
type tally struct {
	limits plan.Limits
	fleet  int

	mu          sync.Mutex
	failed      int
	unreachable int
	closed      bool
}

func (t *tally) addFailed()      { t.add(&t.failed, 1) }
func (t *tally) addUnreachable() { t.add(&t.unreachable, 1) }
func (t *tally) forgive()        { t.add(&t.unreachable, -1) }

func (t *tally) add(n *int, by int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		*n += by
	}
}

// close ends the counting, so that what fails later takes nobody else back,
// and says whether more failed than may.
func (t *tally) close() error {
	err := t.over()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return err
}

// over says that more failed than may; once closed it says nothing.
func (t *tally) over() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil
	case t.failed > t.limits.MaxFailures.Limit(t.fleet):
		return fmt.Errorf("%d of %d hosts failed; max-failures is %s", t.failed, t.fleet, t.limits.MaxFailures)
	case t.unreachable > t.limits.MaxUnreachable.Limit(t.fleet):
		return fmt.Errorf("%d of %d hosts cannot be reached; max-unreachable is %s", t.unreachable, t.fleet, t.limits.MaxUnreachable)
	default:
		return nil
	}
}
