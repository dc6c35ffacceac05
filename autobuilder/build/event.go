package build

import "time"

// Event is something that people may want to hear of. It is written with what
// it tells of, all or nothing.
type Event struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Kind    EventKind `json:"kind"`
	Project string    `json:"project"`
	Build   string    `json:"build,omitempty"` // ID
	Run     string    `json:"run,omitempty"`   // of deliver
	Thread  string    `json:"thread"`          // what belongs together, and is told in its order
	By      string    `json:"by,omitempty"`
	Note    string    `json:"note,omitempty"`
}

// EventKind says what happened.
type EventKind string

// What can happen. The first ones are named as the state that a build is in now.
const (
	EventQueued     EventKind = "queued"
	EventRunning    EventKind = "running"
	EventSucceeded  EventKind = "succeeded"
	EventFailed     EventKind = "failed"
	EventAborted    EventKind = "aborted"
	EventLost       EventKind = "lost"
	EventSuperseded EventKind = "superseded"

	EventHeld       EventKind = "held"     // a release waits for people
	EventApproved   EventKind = "approved" // by one of them
	EventRejected   EventKind = "rejected"
	EventExpired    EventKind = "expired"
	EventTicked     EventKind = "ticked"      // a step of a checklist is done
	EventStepFailed EventKind = "step_failed" // and waits for a person

	EventDelivering EventKind = "delivering" // deliver began to take a release to the servers
	EventDelivered  EventKind = "delivered"  // it runs there
	EventUndone     EventKind = "undone"     // it does not: deliver's result says what became of it

	EventLocked   EventKind = "locked" // a project's builds wait
	EventUnlocked EventKind = "unlocked"

	EventWatched   EventKind = "watched"   // a release is watched from now on
	EventStays     EventKind = "stays"     // the watch found nothing
	EventWithdrawn EventKind = "withdrawn" // the watch found it bad: the release before it goes out again
	EventUnjudged  EventKind = "unjudged"  // nobody answered the watch
	EventBad       EventKind = "bad"       // the watch found it bad, and nothing ran before it
)

// Valid says whether there is such a kind.
func (k EventKind) Valid() bool {
	switch k {
	case EventQueued, EventRunning, EventSucceeded, EventFailed, EventAborted, EventLost, EventSuperseded,
		EventHeld, EventApproved, EventRejected, EventExpired, EventTicked, EventStepFailed,
		EventDelivering, EventDelivered, EventUndone, EventLocked, EventUnlocked,
		EventWatched, EventStays, EventWithdrawn, EventUnjudged, EventBad:
		return true
	}
	return false
}

// Bad says whether somebody should look.
func (k EventKind) Bad() bool {
	switch k {
	case EventFailed, EventLost, EventStepFailed, EventUndone, EventWithdrawn, EventBad:
		return true
	}
	return false
}

// Order says in which order a notifier hears of events.
type Order string

// The orders.
const (
	ByThread  Order = "thread"  // each thread for itself
	ByProject Order = "project" // a project's as they happened: one message of it undoes another's
)

// Letter is an event on its way to one notifier.
type Letter struct {
	Event
	Notifier string    `json:"-"`
	Ref      string    `json:"-"` // what the notifier gave to the thread's letter before this one
	Tries    int       `json:"-"` // before this one: it may have arrived
	Begun    time.Time `json:"-"` // the first of them
}
