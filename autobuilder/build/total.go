package build

import "time"

// Total sums up the builds of a project that are in one state.
type Total struct {
	Project string
	State   State
	Builds  int
	Seconds float64   // that those which ran took together
	Last    time.Time // the end of the last one
}

// Traffic is what came, and what of it is not decided yet.
type Traffic struct {
	Deliveries int64
	Pending    int
	Oldest     time.Time // of the pending
}

// Backlog is what a notifier has not been told yet.
type Backlog struct {
	Notifier string    `json:"notifier"`
	Letters  int       `json:"letters"`
	Oldest   time.Time `json:"oldest,omitzero"`
	// Of the oldest that was not taken: how often it was tried, what the place said
	// the last time, and when it is tried again, or later if the place is down.
	Tries int       `json:"tries,omitempty"`
	Error string    `json:"error,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}
