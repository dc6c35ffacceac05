package build

import (
	"fmt"
	"time"
)

// Wish is a build that somebody asks for by hand.
type Wish struct {
	Project string `json:"project"`
	Ref     string `json:"ref,omitempty"`   // branch, tag or full commit; empty: the project's branch
	Tag     string `json:"tag,omitempty"`   // instead of Ref
	Again   bool   `json:"again,omitempty"` // also what was built
	Only    string `json:"only,omitempty"`  // just these servers, as ParseOnly reads them; empty: all
	Back    bool   `json:"back,omitempty"`  // what was delivered before goes out again from its archive
}

// LockWish is a lock that somebody asks for.
type LockWish struct {
	Reason string `json:"reason,omitempty"`
	For    string `json:"for,omitempty"` // how long, as ParseLockTime reads it; empty: until somebody unlocks it
}

// Lock is the lock that is asked for.
func (w LockWish) Lock(project, by string, now time.Time) (Lock, error) {
	l := Lock{Project: project, By: by, Reason: w.Reason, Since: now}
	if w.For == "" {
		return l, nil
	}
	d, ok := ParseLockTime(w.For)
	if !ok {
		return l, fmt.Errorf("a lock can't last %q: write 90m, 2h or 3d, not more than 31d", w.For)
	}
	l.Until = now.Add(d)
	return l, nil
}

// Prospect is what would become of a delivery.
type Prospect struct {
	Verdict string  `json:"verdict"`
	Why     string  `json:"why"`
	Builds  []Build `json:"builds,omitempty"` // that would be made
	Holds   []Hold  `json:"holds,omitempty"`  // of those that would wait for people
}
