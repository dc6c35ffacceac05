package rollout

import "time"

// EventKind says what an Event tells.
type EventKind string

// The kinds of events, in the order in which a host passes them. The steps of
// an undo are told as steps, with StageUndo as their stage.
const (
	RunStarted   EventKind = "run-started"
	StageStarted EventKind = "stage-started" // a barrier stage of the whole fleet, a batch, or the undo of the fleet
	StepStarted  EventKind = "step-started"
	StepProgress EventKind = "step-progress"
	StepDone     EventKind = "step-done"
	StepFailed   EventKind = "step-failed"
	HostDone     EventKind = "host-done" // the host has passed the stage
	UndoStarted  EventKind = "undo-started"
	UndoDone     EventKind = "undo-done"
	UndoFailed   EventKind = "undo-failed"
	SetAside     EventKind = "set-aside" // the host is left out of the rest of the run
	Message      EventKind = "message"
	RunDone      EventKind = "run-done"
)

// StageUndo is the stage of the steps that take a host back.
const StageUndo = "rollback"

// StageVerify is the stage of Switch.Verify.
const StageVerify = "verify"

// Event is one change of a rollout; the stream of them is all that any
// display, log or peer learns. As JSON it is a line of --events.
type Event struct {
	Time   time.Time `json:"time"`
	Run    string    `json:"run"`
	Kind   EventKind `json:"kind"`
	Stage  string    `json:"stage,omitempty"` // "ship", "switch 1/3"
	Host   string    `json:"host,omitempty"`  // as inventory.Host.String writes it; empty: the run itself
	Step   string    `json:"step,omitempty"`
	Done   int64     `json:"done,omitempty"`  // bytes, of StepProgress
	Total  int64     `json:"total,omitempty"` // bytes, of StepProgress
	Took   float64   `json:"took,omitempty"`  // seconds, of the *-done and *-failed kinds
	Text   string    `json:"text,omitempty"`
	Error  string    `json:"error,omitempty"`
	Hosts  []string  `json:"hosts,omitempty"`  // of RunStarted and StageStarted
	Result string    `json:"result,omitempty"` // of RunDone: a Result
}
