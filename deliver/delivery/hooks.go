package delivery

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"deliver/inventory"
	"deliver/rollout"
)

// Hooks are the functions of the project's own that run here, where deliver
// was started: those of HookNames once per run, drain and undrain for each
// server. The zero Hooks are none.
type Hooks struct {
	Has  func(name string) bool
	Call func(ctx context.Context, call HookCall) error
}

// HookCall is one call of a hook.
type HookCall struct {
	Name string
	Host string // that it is for, as HOSTS names it; empty: for the run
	Args []string
	Env  map[string]string
	Line func(string) // gets each line that the hook prints
}

// hookSteps are the steps that have hooks, each with the tasks of the original
// Deliver that it stands for: their hooks are called around the step's own.
var hookSteps = []struct {
	step  string
	tasks []string // the outer one first
}{
	{"ship", []string{"git_push"}},
	{"switch", nil},
	{"restart", []string{"upstart", "launch"}},
	{"rollback", nil},
}

// HookNames are the hooks that are called once per run.
func HookNames() []string {
	var names []string
	for _, h := range hookSteps {
		names = append(append(names, before(h.step)...), after(h.step)...)
	}
	return names
}

func before(step string) []string {
	var names []string
	for _, task := range append(tasksOf(step), step) {
		names = append(names, "pre_"+task)
	}
	return names
}

func after(step string) []string {
	names := []string{"post_" + step}
	for _, task := range slices.Backward(tasksOf(step)) {
		names = append(names, "post_"+task)
	}
	return names
}

func tasksOf(step string) []string {
	for _, h := range hookSteps {
		if h.step == step {
			return slices.Clone(h.tasks)
		}
	}
	return nil
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
	return f.callHook(ctx, HookCall{Name: name, Host: v.key, Args: []string{v.name}, Env: f.environment(v.name, v.previous)}, tell)
}

func (f *fleet) callHook(ctx context.Context, call HookCall, tell *rollout.Teller) error {
	call.Line = tell.Message
	return f.Hooks.Call(ctx, call)
}

// onServer runs a hook that the release brings along, if it does.
func (f *fleet) onServer(ctx context.Context, name string, v *visit, tell *rollout.Teller) error {
	if f.lacksHook(name) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.hookTime())
	defer cancel()
	output, err := v.server.Hook(ctx, name, f.Record.ID, f.environment(v.name, v.previous))
	for line := range strings.Lines(output) {
		tell.Message(strings.TrimRight(line, "\n"))
	}
	return err
}

// lacksHook says that nobody needs to be asked for a hook: the build is at hand
// and has it not, and nothing that servers share stands in its place.
func (f *fleet) lacksHook(name string) bool {
	if f.pack == nil || slices.ContainsFunc(f.App.Place.SharedPaths, func(p string) bool { return strings.HasPrefix(path.Clean(p), ".deliver") }) {
		return false
	}
	_, has := f.pack.Manifest.Find(hooksDir + name)
	return !has
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
