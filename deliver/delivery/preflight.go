package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// preflight looks at every server, all of them, before anything is changed on one.
func (f *fleet) preflight() rollout.Phase {
	connect := rollout.Step{Name: "connect", Timeout: f.Times.Step, Do: f.connect}
	return rollout.Phase{Name: "preflight", Steps: []rollout.Step{connect, f.step("look", f.look)}}
}

func (f *fleet) connect(ctx context.Context, h inventory.Host, _ *rollout.Teller) error {
	v := f.visit(h)
	server, err := f.Open(ctx, h)
	if err != nil {
		return f.lost(v, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v.server = server
	return nil
}

func (f *fleet) look(ctx context.Context, v *visit, tell *rollout.Teller) error {
	state, err := v.server.Look(ctx, f.App.Service)
	if err != nil {
		return f.lost(v, err)
	}
	f.mu.Lock()
	v.state = state
	f.mu.Unlock()
	v.previous = f.previousOf(state)
	if state.Current == "" {
		v.say(tell, "nothing runs here yet")
	} else {
		v.say(tell, "runs %s", state.Current)
	}
	v.setFit(f, false)
	unfit := cmp.Or(f.mayReplace(ctx, v), f.suits(ctx, v))
	v.settled = unfit == nil && f.isSettled(ctx, v)
	if err := cmp.Or(f.confirm(v, f.found(v)), unfit); err != nil {
		return err
	}
	v.setFit(f, true)
	if v.settled {
		v.say(tell, "and is healthy: nothing is to be done here")
	}
	return nil
}

// suits says why the release cannot go to a server.
func (f *fleet) suits(ctx context.Context, v *visit) error {
	if err := f.knowsService(v); err != nil {
		return err
	}
	if f.Record.ID == "" || has(v.state, f.Record.ID) {
		return nil
	}
	return f.fits(ctx, v)
}

func (f *fleet) knowsService(v *visit) error {
	service, found := f.App.Service, v.state.Service
	switch {
	case service.Command != "" || service.Manager == noManager || found.Known:
		return nil
	case f.App.Bare:
		v.bare = true
		return nil
	}
	manager := "no service manager there"
	if found.Manager != "" && found.Manager != noManager {
		manager = found.Manager
	}
	return &host.Error{
		Kind:    host.KindService,
		Message: fmt.Sprintf("%s knows no service %q%s", manager, service.Name, inBrackets(found.Detail)),
		Hint:    "install the service, name it with SERVICE, give RESTART_CMD, or set SUPERVISOR=none where nothing is to be restarted",
	}
}

// noManager is the service manager of an app that nothing restarts.
const noManager = "none"

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// runsOn refuses a build whose programs are all for other machines.
func runsOn(b *Build, s host.State) error {
	if s.Arch == "" || len(b.Arches) == 0 || slices.Contains(b.Arches, s.Arch) {
		return nil
	}
	return &host.Error{
		Kind:    host.KindFailed,
		Message: fmt.Sprintf("the server is %s; the programs in the build are for %v", s.Arch, b.Arches),
		Hint:    "build it for " + s.Arch,
	}
}
