package build

import (
	"errors"
	"time"
)

// Run is what Jenkins says of one build: in its queue, building or over.
type Run struct {
	Queued   bool   // in Jenkins' queue, no number yet
	Number   int64  // 0 while queued
	URL      string // of the build in Jenkins
	Building bool
	Result   string        // SUCCESS, FAILURE, UNSTABLE, ABORTED, NOT_BUILT; empty until it is over
	Started  time.Time     // zero while queued
	Duration time.Duration // 0 until it is over
	Why      string        // why it still waits in the queue, in Jenkins' words
	Lost     bool          // the number is there, its record was erased by a crash: FAILURE without parameters
}

// Over says whether Jenkins has finished the run.
func (r Run) Over() bool {
	return r.Lost || !r.Queued && !r.Building && r.Result != ""
}

// State is the run's state in the words of the ledger. An unstable build
// failed: its release is not one to put on servers.
func (r Run) State() State {
	switch {
	case r.Lost:
		return Lost
	case r.Queued:
		return Triggered
	case !r.Over():
		return Running
	case r.Result == "SUCCESS":
		return Succeeded
	case r.Result == "ABORTED" || r.Result == "NOT_BUILT":
		return Aborted
	}
	return Failed
}

var (
	// ErrNoRun says that Jenkins answered, and has no such run.
	ErrNoRun = errors.New("no such build in jenkins")
	// ErrNoJob says that Jenkins answered, and has no such job: sending again
	// is of no use until somebody makes it.
	ErrNoJob = errors.New("no such job in jenkins")
	// ErrRefused says that Jenkins understood a request and refused it (token,
	// permission, bad parameter): certainly nothing was started.
	ErrRefused = errors.New("refused by jenkins")
)
