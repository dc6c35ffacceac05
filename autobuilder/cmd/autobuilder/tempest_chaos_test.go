package main

import (
	"os"
	"path/filepath"
	"time"
)

// leastKills is how often a storm kills at least, as long as there is work.
const leastKills = 5

// chaos kills autobuilder and Jenkins until the storm is over, and a few times
// in any case: what was told of is still being built then. Between two kills
// lies work that was done, not time: a slow machine gets as far as a fast one.
func (w *tempest) chaos(over <-chan struct{}) {
	for kill := 0; w.goesOn(over, kill); kill++ {
		if w.kind != "embedded" && kill%3 == 1 {
			w.kills["jenkins"]++
			w.killCI()
			w.startCI()
			continue
		}
		w.kills["autobuilder"]++
		w.server.kill()
		w.startServer()
	}
}

// goesOn waits for work to be done since the last kill, and says whether another
// one is due.
func (w *tempest) goesOn(over <-chan struct{}, kills int) bool {
	began, stride := w.done(), w.stride+w.random.IntN(2*w.stride)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for w.done() < began+stride {
		if kills >= leastKills && isClosed(over) || isClosed(over) && w.restless() == "" {
			return false
		}
		<-look.C
	}
	return kills < leastKills || !isClosed(over)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// done counts deliveries that were acknowledged and shells that ran.
func (w *tempest) done() int {
	const line = 72 // about as long as what a shell notes
	ran := 0
	if info, err := os.Stat(filepath.Join(w.dir, "ran")); err == nil {
		ran = int(info.Size()) / line
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked) + ran
}
