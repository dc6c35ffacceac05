package delivery

import (
	"cmp"
	"context"
	"strings"
	"time"

	"deliver/inventory"
	"deliver/rollout"
)

// Hooks are the functions of the project's own that run here, where deliver
// was started: pre_ and post_ of ship, switch, restart and rollback once per
// run, drain and undrain for each server. The zero Hooks are none.
type Hooks struct {
	Has  func(name string) bool
	Call func(ctx context.Context, call HookCall) error
}

// HookCall is one call of a hook.
type HookCall struct {
	Name string
	Args []string
	Env  map[string]string
	Line func(string) // gets each line that the hook prints
}

func (h Hooks) has(name string) bool { return h.Has != nil && h.Has(name) }

// once are the steps that call hooks of the run, those that are there.
func (f *fleet) once(names ...string) []rollout.Step {
	var steps []rollout.Step
	for _, name := range names {
		if !f.Hooks.has(name) {
			continue
		}
		steps = append(steps, rollout.Step{
			Name: name, Timeout: f.Times.Hook,
			Do: func(ctx context.Context, _ inventory.Host, tell *rollout.Teller) error {
				return f.callHook(ctx, HookCall{Name: name, Env: f.environment("", "")}, tell)
			},
		})
	}
	return steps
}

// balance is drain or undrain of one server, which is told as its argument.
func (f *fleet) balance(ctx context.Context, name string, v *visit, tell *rollout.Teller) error {
	if !f.Hooks.has(name) {
		return nil
	}
	return f.callHook(ctx, HookCall{Name: name, Args: []string{v.name}, Env: f.environment(v.name, v.previous)}, tell)
}

func (f *fleet) callHook(ctx context.Context, call HookCall, tell *rollout.Teller) error {
	call.Line = tell.Message
	return f.Hooks.Call(ctx, call)
}

// onServer runs a hook that the release brings along, if it does.
func (f *fleet) onServer(ctx context.Context, name string, v *visit, tell *rollout.Teller) error {
	ctx, cancel := context.WithTimeout(ctx, f.hookTime())
	defer cancel()
	output, err := v.server.Hook(ctx, name, f.Record.ID, f.environment(v.name, v.previous))
	for line := range strings.Lines(output) {
		tell.Message(strings.TrimRight(line, "\n"))
	}
	return err
}

func (f *fleet) hookTime() time.Duration { return cmp.Or(f.Times.Hook, rollout.DefaultTimeout) }

// environment is what hooks find in their environment.
func (f *fleet) environment(host, previous string) map[string]string {
	env := map[string]string{
		"APP": f.App.Place.App, "RELEASE": f.Record.ID, "VERSION": f.Record.Version,
		"COMMIT": f.Record.Commit, "DELIVER_TO": f.App.Place.Root,
	}
	if host != "" {
		env["HOST"], env["PREVIOUS"] = host, previous
	}
	return env
}
