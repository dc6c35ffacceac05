package host

import (
	"encoding/json"
	"os"
)

// memory is what Restart leaves for the Check after it, and that one for the
// next of the same delivery, which may run in other processes: what the
// service did in between.
type memory struct {
	Token    int64  `json:"token"` // of the delivery's lease
	Release  string `json:"release"`
	Manager  string `json:"manager"`
	Name     string `json:"name"`
	PIDs     pids   `json:"pids"`
	Up       bool   `json:"up"`
	Restarts int    `json:"restarts"`
	Failing  bool   `json:"failing,omitempty"` // it had ended already, and nobody counts that
	Kills    int    `json:"kills"`             // by the kernel, before the restart
	Said     string `json:"said,omitempty"`    // by a manager that could not start it
}

// remember is a help for Check and no part of a restart: where it fails, Check
// sees what happens from its own start on.
func (l *Local) remember(name string, before, after sighting, kills int, failed error) {
	m := memory{Manager: after.Manager, Name: name, PIDs: after.pids(), Up: after.Running, Failing: after.failing != "" && !after.counts, Kills: kills}
	if before.failing != "" { // the count goes on, unless the service came up meanwhile
		m.Restarts = min(before.restarts, after.restarts)
	}
	if failed != nil {
		m.Said = asError(failed).Message
	}
	l.leave(m)
}

func (l *Local) leave(m memory) {
	m.Token = l.token.Load()
	m.Release, _ = l.currentID() // without one there is nothing to check
	line, err := json.Marshal(m)
	if err == nil {
		_ = l.save(l.state(restarted), line)
	}
}

// recall takes what the last Restart left, when it was of the same service and
// release in the same delivery: on a disk that has become read-only, what an earlier one
// left stays. It is good for one Check: later, a service may have been restarted by anybody.
func (l *Local) recall(manager, name string) (memory, bool) {
	var m memory
	line, err := os.ReadFile(l.state(restarted))
	l.forget()
	if err != nil || json.Unmarshal(line, &m) != nil || m.Manager != manager || m.Name != name {
		return memory{}, false
	}
	current, err := l.currentID()
	return m, err == nil && m.Release == current && m.Token == l.token.Load()
}

func (l *Local) forget() { _ = os.Remove(l.state(restarted)) }

// restarted is the memory's file.
const restarted = "restarted.json"

// watch goes on from where the restart was.
func (m memory) watch() watch {
	w := watch{begun: true, pids: m.PIDs, up: m.Up, restarts: m.Restarts}
	if m.Failing {
		w.again = 1
	}
	return w
}
