package delivery

import (
	"context"
	"errors"
	"fmt"

	"deliver/host"
	"deliver/rollout"
)

// undo takes a server back to what it ran before, and proves that this is well.
// A first delivery has nothing to go back to: `current` is taken away, the
// service is left to its manager, and a drained server stays drained.
func (f *fleet) undo() []rollout.Step {
	steps := []rollout.Step{
		f.back("switch", f.switchBack),
		f.back("restart", f.restartBack),
		f.checked(f.back("health", f.checkBack)),
	}
	if f.Hooks.has("drain") {
		steps = append([]rollout.Step{f.hooked(f.back("drain", f.drain))}, steps...)
	}
	if f.Hooks.has("undrain") {
		steps = append(steps, f.hooked(f.step("undrain", f.undrainBack)))
	}
	return append(steps, f.back("record", f.recordBack))
}

// back is a step of a server on which something was switched.
func (f *fleet) back(name string, do work) rollout.Step {
	return f.step(name, func(ctx context.Context, v *visit, tell *rollout.Teller) error {
		if !v.switched {
			return nil
		}
		f.beforeUndo(ctx, tell)
		return do(ctx, v, tell)
	})
}

// beforeUndo calls pre_rollback for the first server that is taken back. One
// that fails does not keep the fleet from going back.
func (f *fleet) beforeUndo(ctx context.Context, tell *rollout.Teller) {
	f.undoing.Do(func() {
		f.undone = true
		if f.Action == Rollback || !f.Hooks.has("pre_rollback") {
			return
		}
		if err := f.callHook(ctx, HookCall{Name: "pre_rollback", Env: f.environment("", "")}, tell); err != nil {
			tell.Message("pre_rollback failed, and the rollback goes on: " + err.Error())
		}
	})
}

// afterUndo calls post_rollback when all servers are back.
func (f *fleet) afterUndo(ctx context.Context) error {
	if !f.undone || f.Action == Rollback || !f.Hooks.has("post_rollback") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.hookTime())
	defer cancel()
	if err := f.callHook(ctx, HookCall{Name: "post_rollback", Env: f.environment("", "")}, nil); err != nil {
		return fmt.Errorf("post_rollback: %w", err)
	}
	return nil
}

func (f *fleet) switchBack(ctx context.Context, v *visit, tell *rollout.Teller) error {
	if v.previous == "" && v.state.Current != "" {
		return errors.New("there is no earlier good release on the server to go back to")
	}
	if v.previous == "" {
		v.say(tell, "nothing ran here before: current is taken away")
	}
	_, err := v.server.Switch(ctx, v.previous, f.Record.ID)
	return err
}

func (f *fleet) restartBack(ctx context.Context, v *visit, _ *rollout.Teller) error {
	if v.previous == "" {
		return nil
	}
	return v.server.Restart(ctx, f.service(v))
}

func (f *fleet) checkBack(ctx context.Context, v *visit, tell *rollout.Teller) error {
	if v.previous == "" {
		return nil
	}
	return f.checkFor(ctx, v, v.previous, tell)
}

func (f *fleet) undrainBack(ctx context.Context, v *visit, tell *rollout.Teller) error {
	switch {
	case !v.drained:
		return nil
	case v.switched && v.previous == "":
		v.say(tell, "it stays drained: nothing runs here")
		return nil
	}
	return f.undrain(ctx, v, tell)
}

func (f *fleet) recordBack(ctx context.Context, v *visit, tell *rollout.Teller) error {
	why := "another server failed"
	if v.failure != nil {
		why = v.failure.Error()
	}
	f.write(ctx, v, host.Entry{Result: RolledBack, Why: why}, tell)
	return nil
}
