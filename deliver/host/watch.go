package host

// watch notices that a service's process is another one than before.
type watch struct {
	begun    bool
	pid      int
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
	other := w.pid != 0 && seen.PID != 0 && seen.PID != w.pid
	// Who else would have started it? Supervisor tells a process only when that
	// has stayed up for a while.
	if !seen.counts && (other || (seen.starting && w.up)) {
		again = 1
	}
	w.begun, w.restarts, w.up = true, seen.restarts, seen.Running
	if seen.PID != 0 || again > 0 {
		w.pid = seen.PID
	}
	w.again += again
	if other || again > 0 {
		w.changes++
	}
	return other || again > 0
}

// looping says that the service does not stay up. A first change of the process
// that the manager had no part in may be a person's restart, or a service that
// replaces itself.
func (w *watch) looping() bool { return w.again > 0 || w.changes > 1 }
