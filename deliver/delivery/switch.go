package delivery

import (
	"context"
	"time"

	"deliver/host"
	"deliver/rollout"
)

// switching puts the release live on a server, one step after the other, and
// knows the way back. A server on which it is live and healthy already is
// left alone.
func (f *fleet) switching() rollout.Phase {
	phase := rollout.Phase{Name: "switch"}
	if f.Action == Rollback {
		phase.Before = f.once(before("rollback")...)
	}
	phase.Before = append(phase.Before, f.once(append(before("switch"), before("restart")...)...)...)
	phase.Before = append(phase.Before, f.onOne(preSwitchOnce)...)
	phase.After = append(f.onOne(postRestartOnce, postSwitchOnce), f.once(append(after("restart"), after("switch")...)...)...)
	if f.Action == Rollback {
		phase.After = append(phase.After, f.once(after("rollback")...)...)
	}
	phase.After = append(phase.After, f.prune()...)

	steps := []rollout.Step{
		f.forward("switch", f.switchTo),
		f.forward("restart", f.restart),
		f.checked(f.forward("health", f.check)),
	}
	if f.Hooks.has("drain") {
		steps = append([]rollout.Step{f.hooked(f.forward("drain", f.drain))}, steps...)
	}
	if f.Hooks.has("undrain") {
		steps = append(steps, f.hooked(f.forward("undrain", f.undrain)))
	}
	phase.Steps = append(steps, f.step("record", f.record))
	phase.Verify = []rollout.Step{f.checked(f.step("health", f.checkAgain))}
	phase.Undo = f.undo()
	return phase
}

// forward is a step of a server that is not there yet.
func (f *fleet) forward(name string, do work) rollout.Step {
	return f.step(name, func(ctx context.Context, v *visit, tell *rollout.Teller) error {
		if v.settled {
			return nil
		}
		err := do(ctx, v, tell)
		v.failure = err
		return err
	})
}

// hooked gives a step the deadline of hooks.
func (f *fleet) hooked(step rollout.Step) rollout.Step {
	step.Timeout = f.Times.Hook
	return step
}

// checked gives a step time for the whole health check, which has a deadline
// of its own and says more when that passes.
func (f *fleet) checked(step rollout.Step) rollout.Step {
	step.Timeout = f.App.Health.Deadline + time.Minute
	return step
}

func (f *fleet) drain(ctx context.Context, v *visit, tell *rollout.Teller) error {
	v.drained = true // even a hook that fails may have drained it
	return f.balance(ctx, "drain", v, tell)
}

func (f *fleet) undrain(ctx context.Context, v *visit, tell *rollout.Teller) error {
	err := f.balance(ctx, "undrain", v, tell)
	if err == nil {
		v.drained = false
	}
	return err
}

func (f *fleet) switchTo(ctx context.Context, v *visit, tell *rollout.Teller) error {
	if err := f.onServer(ctx, "pre-switch", v, tell); err != nil {
		return err
	}
	v.switched = true
	if _, err := v.server.Switch(ctx, f.Record.ID, v.over); err != nil {
		return err
	}
	return f.onServer(ctx, "post-switch", v, tell)
}

func (f *fleet) restart(ctx context.Context, v *visit, tell *rollout.Teller) error {
	if err := v.server.Restart(ctx, f.service(v)); err != nil {
		return err
	}
	return f.onServer(ctx, "post-restart", v, tell)
}

func (f *fleet) check(ctx context.Context, v *visit, tell *rollout.Teller) error {
	return f.checkFor(ctx, v, f.Record.ID, tell)
}

// checkAgain asks once whether the release is still well, and whether its
// service was started again since it was.
func (f *fleet) checkAgain(ctx context.Context, v *visit, _ *rollout.Teller) error {
	health := f.App.Health
	health.Rise, health.AfterRestart = 1, !v.settled
	_, err := v.server.Check(ctx, health, f.service(v), f.Record.ID)
	v.failure = err
	return err
}

func (f *fleet) checkFor(ctx context.Context, v *visit, id string, tell *rollout.Teller) error {
	health := f.App.Health
	health.AfterRestart = true
	checked, err := v.server.Check(ctx, health, f.service(v), id)
	if err == nil && !checked.Proven && checked.Detail != "" {
		tell.Message("healthy, but it was not seen that the new release answers: " + checked.Detail)
	}
	return err
}

// service is what is restarted on a server.
func (f *fleet) service(v *visit) host.Service {
	if v.bare {
		return host.Service{Manager: noManager, Name: f.App.Service.Name}
	}
	return f.App.Service
}

// isSettled says whether the release is live and healthy on a server already,
// as far as that can be told soon.
func (f *fleet) isSettled(ctx context.Context, v *visit) bool {
	if f.Record.ID == "" || v.state.Current != f.Record.ID {
		return false
	}
	soon := f.App.Health
	soon.Deadline = min(soon.Deadline, time.Duration(max(soon.Rise, 1))*(soon.Interval+soon.Timeout)+time.Second)
	_, err := v.server.Check(ctx, soon, f.service(v), f.Record.ID)
	return err == nil
}
