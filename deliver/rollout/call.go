package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"deliver/inventory"
)

// call does one step of one host under its deadline. It returns at the latest
// grace after the context or the deadline ended; left is then closed when the
// step that was left behind ends, and nil otherwise.
func call(ctx context.Context, step Step, h inventory.Host, tell *Teller, grace time.Duration) (left <-chan struct{}, err error) {
	timeout := cmp.Or(step.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done after %s", timeout))
	defer cancel()
	defer tell.end()

	result, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		result <- protect(ctx, step, h, tell)
	}()
	select {
	case err = <-result:
		return nil, explain(ctx, err)
	case <-ctx.Done():
	}
	select {
	case err = <-result:
		return nil, explain(ctx, err)
	case <-time.After(grace):
		return ended, explain(ctx, ErrStuck)
	}
}

var errExited = errors.New("the step ended its goroutine")

// protect makes a panic an error; its stack is told, for it is no line to end a run with.
func protect(ctx context.Context, step Step, h inventory.Host, tell *Teller) (err error) {
	err = errExited
	defer func() {
		if p := recover(); p != nil {
			tell.Message(string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return step.Do(ctx, h, tell)
}

// explain says which end of the context a step failed of.
func explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
