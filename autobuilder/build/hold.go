package build

import "time"

// Hold is a release that waits for people: for their approval and, where there
// is a checklist, for each of its steps.
type Hold struct {
	Build     string    `json:"build"` // ID of the build that waits
	Project   string    `json:"project"`
	Commit    string    `json:"commit"`
	Tag       string    `json:"tag,omitempty"`
	Only      string    `json:"only,omitempty"` // the servers that its build is for; empty: all
	By        string    `json:"by,omitempty"`   // who pushed it
	Message   string    `json:"message,omitempty"`
	Why       string    `json:"why"` // it is held, or how it ended
	State     HoldState `json:"state"`
	Needed    int       `json:"needed"`              // approvals
	Checklist string    `json:"checklist,omitempty"` // where its steps are written
	Problem   string    `json:"problem,omitempty"`   // with the checklist: it can't be approved
	Since     time.Time `json:"since"`
	Deadline  time.Time `json:"deadline,omitzero"` // for the approvals
	Ended     time.Time `json:"ended,omitzero"`
	Steps     []Item    `json:"steps,omitempty"`
	Acts      []Act     `json:"acts,omitempty"` // what was done about it, oldest first
}

// HoldState says how far a hold is.
type HoldState string

// The states of a hold. Waiting and Approved are open.
const (
	Waiting  HoldState = "waiting"  // for approvals
	Approved HoldState = "approved" // its checklist is worked through
	Released HoldState = "released" // its build is Jenkins' from here on, its checklist done
	Refused  HoldState = "refused"  // rejected by a person
	Expired  HoldState = "expired"  // too late: its deadline passed, or a newer release came
)

// Open says whether somebody can still act on the hold.
func (s HoldState) Open() bool { return s == Waiting || s == Approved }

// Approvals are those who approved it.
func (h Hold) Approvals() []string {
	var names []string
	for _, act := range h.Acts {
		if act.Kind == ActApprove {
			names = append(names, act.By)
		}
	}
	return names
}

// Next is the first step that is not done, or nil.
func (h Hold) Next() *Item {
	for i := range h.Steps {
		if h.Steps[i].State != ItemDone {
			return &h.Steps[i]
		}
	}
	return nil
}

// ItemKind says what a step of a checklist is.
type ItemKind string

// The kinds of steps.
const (
	ItemPerson ItemKind = "person" // somebody does it and ticks it
	ItemRun    ItemKind = "run"    // a command in the release's checkout, run by the project's job
	ItemDeploy ItemKind = "deploy" // a project at a version goes to its servers
	ItemWait   ItemKind = "wait"
)

// ItemState says how far a step is.
type ItemState string

// The states of a step.
const (
	ItemTodo   ItemState = "todo"
	ItemDoing  ItemState = "doing"
	ItemDone   ItemState = "done"
	ItemFailed ItemState = "failed" // a person decides: again, or ticked by hand
)

// Item is one step: a line of a checklist.
type Item struct {
	N       int           `json:"n"` // from 1
	Line    int           `json:"line"`
	Kind    ItemKind      `json:"kind"`
	Text    string        `json:"text"`              // as it is written
	Project string        `json:"project,omitempty"` // of a deploy
	Version string        `json:"version,omitempty"` // of a deploy: the tag
	Command string        `json:"command,omitempty"` // of a run
	Wait    time.Duration `json:"wait,omitempty"`    // of a wait
	State   ItemState     `json:"state"`
	Why     string        `json:"why,omitempty"`   // it waits or failed
	Child   string        `json:"child,omitempty"` // the build that does it
	By      string        `json:"by,omitempty"`    // who ticked it
	Started time.Time     `json:"started,omitzero"`
	Due     time.Time     `json:"due,omitzero"` // of a wait: its end
	Ended   time.Time     `json:"ended,omitzero"`
}

// Tick is what a person does to a step of a checklist: it is done; or, again,
// what failed is to be tried once more.
type Tick struct {
	Step  int
	Again bool
	By    string
	Note  string
}

// Act is one thing that was done about a hold: by whom and when.
type Act struct {
	Build string    `json:"build"`
	Step  int       `json:"step,omitempty"` // 0: the hold itself
	Kind  string    `json:"kind"`
	By    string    `json:"by"`
	Note  string    `json:"note,omitempty"`
	At    time.Time `json:"at"`
}

// The kinds of acts.
const (
	ActHold    = "hold"
	ActApprove = "approve"
	ActReject  = "reject"
	ActExpire  = "expire"
	ActRelease = "release" // its build goes to Jenkins
	ActStart   = "start"   // of a step
	ActTick    = "tick"
	ActFail    = "fail"
	ActAgain   = "again"
)

// Itself is who acts when no person does.
const Itself = "autobuilder"
