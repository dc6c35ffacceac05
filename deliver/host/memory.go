package host

import (
	"context"
	"encoding/json"
	"os"

	"github.com/google/renameio/v2"
)

// memory is what Restart leaves for the Check after it, which may run in
// another process: whether the service was started anew in between.
type memory struct {
	Manager  string `json:"manager"`
	Name     string `json:"name"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
}

// remember is a help for Check and no part of a restart: where it fails, Check
// sees what happens from its own start on.
func (l *Local) remember(ctx context.Context, m manager, name string) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	seen, err := m.look(ctx, name)
	if err != nil {
		return
	}
	line, err := json.Marshal(memory{Manager: seen.Manager, Name: name, PID: seen.PID, Restarts: seen.restarts})
	if err == nil {
		_ = renameio.WriteFile(l.state("restarted.json"), line, 0o644)
	}
}

// recall takes what the last Restart left, when it was of the same service. It
// is good for one Check: later, a service may have been restarted by anybody.
func (l *Local) recall(manager, name string) (memory, bool) {
	var m memory
	path := l.state("restarted.json")
	line, err := os.ReadFile(path)
	_ = os.Remove(path)
	if err != nil || json.Unmarshal(line, &m) != nil || m.Manager != manager || m.Name != name {
		return memory{}, false
	}
	return m, true
}
