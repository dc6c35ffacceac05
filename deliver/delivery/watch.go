package delivery

import (
	"context"
	"fmt"
	"io"
	"strings"

	"deliver/host"
	"deliver/plan"
	"deliver/release"
)

// Watch is a server that tells what is done to it, just before it is done.
// What only looks is not told, but for the questions about health.
func Watch(server host.Server, tell func(plan.Do)) host.Server {
	return &watched{Server: server, tell: tell, looked: func(host.State) {}}
}

type watched struct {
	host.Server
	tell    func(plan.Do)
	looked  func(host.State)
	restart []string // what the manager runs
}

func (w *watched) say(what, format string, args ...any) {
	w.tell(plan.Do{What: what, With: fmt.Sprintf(format, args...)})
}

// Look remembers how the service is restarted.
func (w *watched) Look(ctx context.Context, service host.Service) (host.State, error) {
	state, err := w.Server.Look(ctx, service)
	w.restart = state.Service.Restart
	w.looked(state)
	return state, err
}

// Receive tells the release.
func (w *watched) Receive(ctx context.Context, rec release.Record, build io.Reader, progress func(int64)) (host.Receipt, error) {
	w.say("receive", "%s (build %.12s)", rec.ID, rec.Digest())
	return w.Server.Receive(ctx, rec, build, progress)
}

// Switch tells the link.
func (w *watched) Switch(ctx context.Context, id, over string) (host.Switched, error) {
	if id == "" {
		w.say("switch", "current is taken away")
	} else {
		w.say("switch", "current -> releases/%s", id)
	}
	return w.Server.Switch(ctx, id, over)
}

// Restart tells the commands.
func (w *watched) Restart(ctx context.Context, service host.Service) error {
	commands := w.restart
	switch {
	case service.Command != "":
		commands = []string{service.Command}
	case service.Manager == noManager:
		commands = nil
	}
	for _, command := range commands {
		w.say("restart", "%s", command)
	}
	return w.Server.Restart(ctx, service)
}

// Check tells the question.
func (w *watched) Check(ctx context.Context, health host.Health, service host.Service, id string) (host.Checked, error) {
	w.say("health", "%s: %d good in a row within %s", question(health), max(health.Rise, 1), health.Deadline)
	return w.Server.Check(ctx, health, service, id)
}

// question is what an app is asked.
func question(h host.Health) string {
	var all []string
	if h.URL != "" {
		all = append(all, "GET "+h.URL)
	}
	if h.Port != 0 {
		all = append(all, fmt.Sprintf("connect to port %d", h.Port))
	}
	if h.Command != "" {
		all = append(all, h.Command)
	}
	if len(all) == 0 {
		return "does the service run"
	}
	return strings.Join(all, " and ")
}

// Hook tells the executable; whether the release brings it, it does not know.
func (w *watched) Hook(ctx context.Context, name, id string, env map[string]string) (string, error) {
	w.say(whatHook, "%s%s", hooksDir, name)
	return w.Server.Hook(ctx, name, id, env)
}

// Record tells the line.
func (w *watched) Record(ctx context.Context, entry host.Entry) error {
	w.say("history", "%s %s %s", entry.Action, entry.Release, entry.Result)
	return w.Server.Record(ctx, entry)
}

// Prune tells how many stay.
func (w *watched) Prune(ctx context.Context, keep int) ([]string, error) {
	w.say("prune", "to %d good releases", keep)
	return w.Server.Prune(ctx, keep)
}

// Claim tells a lease that is taken; to hold it is nothing new.
func (w *watched) Claim(ctx context.Context, claim host.Claim) (host.Claimed, error) {
	if !claim.Renew {
		w.say("lease", "taken")
	}
	return w.Server.Claim(ctx, claim)
}

// Release tells that the lease is given back.
func (w *watched) Release(ctx context.Context) error {
	w.say("lease", "given back")
	return w.Server.Release(ctx)
}

// Pin tells the pin.
func (w *watched) Pin(ctx context.Context, pin *host.Pin) error {
	if pin == nil {
		w.say("pin", "taken away")
	} else {
		w.say("pin", "to %s", pin.Release)
	}
	return w.Server.Pin(ctx, pin)
}

// What a plan.Do of a hook is called, and where a release has it.
const (
	whatHook = "hook"
	hooksDir = ".deliver/hooks/"
)
