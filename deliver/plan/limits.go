package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// OnFailure says what becomes of a run in which too much fails.
type OnFailure string

// What can become of it. An empty OnFailure is Rollback.
const (
	Rollback OnFailure = "rollback" // every host switched in the run is put back
	Stop     OnFailure = "stop"     // hosts in flight finish, the rest stays untouched
	Continue OnFailure = "continue" // the run goes on
)

// ParseOnFailure reads an OnFailure; empty is Rollback.
func ParseOnFailure(s string) (OnFailure, error) {
	switch f := OnFailure(strings.TrimSpace(s)); f {
	case "":
		return Rollback, nil
	case Rollback, Stop, Continue:
		return f, nil
	default:
		return "", fmt.Errorf("on-failure %q is unknown: it is rollback, stop or continue", s)
	}
}

// Limits say how much of the fleet may fail. The zero Limits tolerate nothing;
// DefaultLimits are what a delivery starts from.
type Limits struct {
	MaxFailures    Amount    `json:"max_failures"`    // hosts that fail in any step
	MaxUnreachable Amount    `json:"max_unreachable"` // hosts that cannot be reached before anything is switched
	OnFailure      OnFailure `json:"on_failure"`
	MaxShrink      Amount    `json:"max_shrink"` // of the fleet of the last delivery
}

// DefaultLimits tolerate no failure, take a failed run back, and let the
// fleet shrink to a half.
func DefaultLimits() Limits {
	return Limits{OnFailure: Rollback, MaxShrink: Percent(50)}
}

// Validate says what is wrong with the limits.
func (l Limits) Validate() error {
	if _, err := ParseOnFailure(string(l.OnFailure)); err != nil {
		return err
	}
	for _, limit := range []struct {
		name   string
		amount Amount
	}{{"max-failures", l.MaxFailures}, {"max-unreachable", l.MaxUnreachable}, {"max-shrink", l.MaxShrink}} {
		if _, err := ParseAmount(limit.amount.String()); err != nil {
			return fmt.Errorf("%s: %w", limit.name, err)
		}
	}
	return nil
}

// RollsBack reports whether a failed run is taken back.
func (l Limits) RollsBack() bool { return l.OnFailure == "" || l.OnFailure == Rollback }

// ErrShrunk is the error of a list of hosts that is empty or lost too many.
var ErrShrunk = errors.New("the list of hosts shrank")

// Shrunk compares the names of the hosts of the last delivery with those of
// this one. It is an ErrShrunk when now is empty, or shorter than before by
// more than limit. Hosts that were replaced by others are no loss.
func Shrunk(before, now []string, limit Amount) error {
	if len(now) == 0 {
		return fmt.Errorf("%w: it is empty; look at what HOSTS gives", ErrShrunk)
	}
	if lost := len(before) - len(now); lost <= limit.Limit(len(before)) {
		return nil
	}
	return fmt.Errorf("%w: %d hosts at the last delivery, %d now, gone are %s; if that is right, raise --max-shrink (%s)",
		ErrShrunk, len(before), len(now), some(gone(before, now)), limit)
}

func gone(before, now []string) []string {
	return slices.DeleteFunc(slices.Clone(before), func(name string) bool {
		return slices.Contains(now, name)
	})
}

// some names a few of many.
func some(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
