package main

import (
	"context"
	"errors"
	"syscall"
)

// The exit codes; README and help show the same table.
const (
	exitDone     = 0 // every host runs the release and is healthy
	exitFailed   = 1
	exitUsage    = 2 // usage or config error; nothing was contacted
	exitPartial  = 3 // done but for hosts set aside
	exitLease    = 4 // another delivery holds the lease
	exitUndone   = 5 // failed and rolled back
	exitRefused  = 6 // order fence, pin, shrunken list, stale plan
	exitSignaled = 128
)

// coded is an error that says which code deliver ends with.
type coded struct {
	code int
	err  error
}

// withCode gives err the exit code that deliver ends with when it comes out
// of a command.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &coded{code, err}
}

// Error is the error's own text.
func (c *coded) Error() string { return c.err.Error() }

// Unwrap gives the error that was coded.
func (c *coded) Unwrap() error { return c.err }

// exitCode says how deliver ends. A signal decides before all else: what was
// interrupted never reads as success or as an ordinary failure.
func exitCode(ctx context.Context, err error) int {
	var signaled interrupted
	if errors.As(context.Cause(ctx), &signaled) {
		return exitForSignal(signaled.signal)
	}
	var c *coded
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &c):
		return c.code
	default:
		return exitFailed
	}
}

func exitForSignal(s syscall.Signal) int { return exitSignaled + int(s) }
