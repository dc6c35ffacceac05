package host

import "maps"

// pids are processes by the names of what runs in them.
type pids map[string]int

// pids are the processes of the service: one, or those of all of its units. One
// unit may be up before another, so a look finds now these and now those.
func (s sighting) pids() pids {
	if s.units != nil {
		return s.units
	}
	return pids{"": s.PID}
}

// replaces says whether one of the processes is another one than before.
func (p pids) replaces(before pids) bool {
	for unit, pid := range p {
		if was := before[unit]; was != 0 && pid != 0 && pid != was {
			return true
		}
	}
	return false
}

// watch notices that a service's process is another one than before.
type watch struct {
	begun    bool
	pids     pids
	up       bool // it ran at the latest look
	restarts int
	again    int // how often it was started again by its manager
	changes  int // how often its process was another one
}

// see takes the next look; it reports whether the process has changed.
func (w *watch) see(seen sighting) bool {
	again := 0
	if w.begun {
		again = max(seen.restarts-w.restarts, 0)
	}
	other := seen.pids().replaces(w.pids)
	// Who else would have started it? Supervisor tells a process only when that
	// has stayed up for a while.
	if !seen.counts && (other || (seen.starting && w.up)) {
		again = 1
	}
	w.begun, w.restarts, w.up = true, seen.restarts, seen.Running
	w.keep(seen.pids(), again > 0)
	w.again += again
	if other || again > 0 {
		w.changes++
	}
	return other || again > 0
}

// keep keeps what runs, for the next look. What does not is forgotten when that
// was noticed: it counts once.
func (w *watch) keep(now pids, noticed bool) {
	next := pids{}
	if !noticed {
		maps.Copy(next, w.pids)
	}
	for unit, pid := range now {
		if pid != 0 {
			next[unit] = pid
		}
	}
	w.pids = next
}

// looping says that the service does not stay up. A first change of the process
// that the manager had no part in may be a person's restart, or a service that
// replaces itself.
func (w *watch) looping() bool { return w.again > 0 || w.changes > 1 }
