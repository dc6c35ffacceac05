package dispatch

import (
	"context"

	"autobuilder/build"
)

// Jenkins is where the builds run. No method waits for a build.
//
// Errors are of three kinds. build.ErrNoJob and build.ErrRefused: Jenkins
// understood, and certainly started nothing. build.ErrNoRun: Jenkins answered,
// and has no such build. Every other error is a doubt: Jenkins may or may not
// have done what it was asked, and is asked again what it has.
type Jenkins interface {
	// Trigger asks for one build of the job. It sends one request and never
	// repeats it.
	Trigger(ctx context.Context, job string, params map[string]string) error
	// Find looks for the run with that AUTOBUILDER_ID, in the queue and among the
	// builds. A run that moves from one to the other at that moment may be missed.
	Find(ctx context.Context, job, id string) (build.Run, error)
	// Build is the run with that number.
	Build(ctx context.Context, job string, number int64) (build.Run, error)
	// Stop asks for the end of the run with that number, which comes a moment later.
	Stop(ctx context.Context, job string, number int64) error
}
