package delivery

import (
	"context"
	"slices"
	"strings"
	"sync"

	"deliver/host"
	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

// Rehearse takes the delivery through all its steps over servers on which
// nothing happens, and tells what each step would do. brings says whether the
// release has a hook for servers; nil: that is not known. Nobody is waited for
// in line, and there is no rest between batches.
func (d *Delivery) Rehearse(ctx context.Context, brings func(hook string) bool) (plan.Forecast, rollout.Outcome) {
	r := &rehearsal{seen: map[string]*plan.Host{}, brings: brings}
	dry := *d
	dry.Relist, dry.Begin, dry.Ended, dry.Depot = nil, nil, nil, nil
	dry.Confirm, dry.Listen = r.found, r.listen
	dry.Lease.Wait, dry.Order.Pause = 0, 0
	dry.Hooks.Call = r.hook
	dry.Open = func(ctx context.Context, h inventory.Host) (host.Server, error) {
		server, err := d.Open(ctx, h)
		if err != nil {
			return nil, err
		}
		return r.watch(h.String(), host.NewDry(server)), nil
	}
	out := dry.Deliver(ctx)
	return r.forecast(out), out
}

// rehearsal is what is seen of one Rehearse.
type rehearsal struct {
	brings func(hook string) bool
	course []plan.Leg // written by the listener alone

	mu   sync.Mutex
	seen map[string]*plan.Host
}

// at changes what is known of a host.
func (r *rehearsal) at(name string, change func(*plan.Host)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[name] == nil {
		r.seen[name] = &plan.Host{Name: name}
	}
	change(r.seen[name])
}

func (r *rehearsal) watch(name string, server host.Server) host.Server {
	return &watched{
		Server: server,
		tell:   func(do plan.Do) { r.does(name, do) },
		looked: func(state host.State) {
			r.at(name, func(h *plan.Host) { h.Version, h.Commit = versionOf(state) })
		},
	}
}

func versionOf(state host.State) (version, commit string) {
	rec := recordOf(state, state.Current)
	return rec.Version, rec.Commit
}

func (r *rehearsal) does(name string, do plan.Do) {
	hook, isHook := strings.CutPrefix(do.With, hooksDir)
	switch {
	case do.What != whatHook || !isHook:
	case r.brings == nil:
		do.With += " (if the release has it)"
	case !r.brings(hook):
		return
	}
	r.at(name, func(h *plan.Host) { h.Does = append(h.Does, do) })
}

// hook is called in the place of the project's functions.
func (r *rehearsal) hook(_ context.Context, call HookCall) error {
	if call.Host != "" {
		r.does(call.Host, plan.Do{What: call.Name, With: strings.Join(append([]string{call.Name}, call.Args...), " ")})
	}
	return nil
}

func (r *rehearsal) found(name string, found plan.State) error {
	r.at(name, func(h *plan.Host) { h.State = found })
	return nil
}

func (r *rehearsal) listen(e rollout.Event) {
	switch {
	case e.Kind == rollout.StageStarted:
		r.course = append(r.course, plan.Leg{Stage: e.Stage, Hosts: e.Hosts})
	case e.Kind == rollout.StepStarted && e.Host == "":
		r.course = append(r.course, plan.Leg{Step: e.Step})
	}
}

func (r *rehearsal) forecast(out rollout.Outcome) plan.Forecast {
	forecast := plan.Forecast{Course: r.course, Result: string(out.Result)}
	if out.Err != nil {
		forecast.Why = out.Err.Error()
	}
	for _, h := range out.Hosts {
		r.at(h.Host.String(), func(seen *plan.Host) {
			seen.Result = string(h.Result)
			if h.Err != nil {
				seen.Problem = h.Step + ": " + h.Err.Error()
			}
			forecast.Hosts = append(forecast.Hosts, *seen)
		})
	}
	return forecast
}

// Brings says for Rehearse which hooks the build has.
func (b *Build) Brings(hook string) bool { return slices.Contains(b.Hooks, hook) }
