package delivery

import (
	"cmp"
	"context"
	"fmt"

	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

// found is a server as a plan knows it. Of what another delivery may have
// changed since the look, the lease has the last word.
func (f *fleet) found(v *visit) plan.State {
	current, pin, token := v.state.Current, v.state.Pin, v.state.Lease.Token
	if v.claimed {
		current, pin, token = v.claim.Current, v.claim.Pin, v.claim.Lease.Token-v.claims
	}
	found := plan.State{
		Current: current, Token: token, Restart: v.state.Service.Restart,
		Has: has(v.state, f.Record.ID) && f.sameBuild(v), Settled: v.settled,
	}
	if pin != nil {
		found.Pin = cmp.Or(pin.Release, pin.From)
	}
	return found
}

// confirm refuses the run where a server is not as it must be.
func (f *fleet) confirm(v *visit, found plan.State) error {
	if f.Confirm == nil {
		return nil
	}
	if err := f.Confirm(v.key, found); err != nil {
		return refusedBy(err)
	}
	return nil
}

// lost is the error of a server that could not be looked at.
func (f *fleet) lost(v *visit, err error) error {
	return cmp.Or(f.confirm(v, plan.State{Down: err.Error()}), err)
}

// confirmAll confirms the servers under their leases. One whose lease could
// not be taken may be changed by others, so it is not as it must be either.
func (f *fleet) confirmAll() error {
	for _, v := range f.fit() {
		found := f.found(v)
		if !v.claimed {
			found = plan.State{Down: "its lease could not be taken"}
		}
		if err := f.confirm(v, found); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

// begin is the step between what looks and what changes, where there is one.
func (f *fleet) begin() []rollout.Step {
	if f.Begin == nil {
		return nil
	}
	return []rollout.Step{{
		Name: "begin", Timeout: f.Times.Step,
		Do: func(ctx context.Context, _ inventory.Host, _ *rollout.Teller) error { return f.Begin(ctx) },
	}}
}
