// Package build holds the words that every part of autobuilder shares: a
// delivery from GitHub, the project it belongs to, the build that it asks for.
package build

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// Delivery is one signed message from GitHub, as received.
type Delivery struct {
	ID       string // X-GitHub-Delivery; the same on a redelivery
	Event    string // X-GitHub-Event
	Received time.Time
	Body     []byte // the JSON, also where it came in a form
	Push     Push   // what a push says, read from Body; empty for other events
}

// The Events of deliveries that did not come from GitHub.
const (
	Trigger = "trigger" // a person made it by hand
	Found   = "found"   // the repository has what GitHub did not tell of
)

// Push is what a push event says, and what rules decide on.
type Push struct {
	Repo     string `json:"repo"`             // owner/name
	Ref      string `json:"ref"`              // refs/heads/master, refs/tags/v1.2.0; of a trigger also a bare commit
	Before   string `json:"before,omitempty"` // object name, all zeros: created
	After    string `json:"after,omitempty"`  // object name, all zeros: deleted
	Commit   string `json:"commit,omitempty"` // the commit that After is or, for an annotated tag, points to
	Pusher   string `json:"pusher,omitempty"`
	Message  string `json:"message,omitempty"` // of the head commit
	CloneURL string `json:"clone_url,omitempty"`
	Deleted  bool   `json:"deleted,omitempty"`
	Forced   bool   `json:"forced,omitempty"`
	Project  string `json:"project,omitempty"`  // of a trigger: the only project it is meant for
	Again    bool   `json:"again,omitempty"`    // of a trigger: build also what was built
	Back     bool   `json:"back,omitempty"`     // of a trigger: what was delivered before goes out again
	Only     string `json:"only,omitempty"`     // of a trigger: just these servers, as ParseOnly gives them
	Tree     string `json:"tree,omitempty"`     // of the commit, where the sender says it
	Replayed string `json:"replayed,omitempty"` // who asked for it to be decided once more
}

const (
	headPrefix = "refs/heads/"
	tagPrefix  = "refs/tags/"
)

// Branch is the name of the branch that was pushed, or empty.
func (p Push) Branch() string {
	name, ok := strings.CutPrefix(p.Ref, headPrefix)
	if !ok {
		return ""
	}
	return name
}

// Tag is the name of the tag that was pushed, or empty.
func (p Push) Tag() string {
	name, ok := strings.CutPrefix(p.Ref, tagPrefix)
	if !ok {
		return ""
	}
	return name
}

// State says how far a build is.
type State string

// The states of a build. Queued, Triggered and Running are open, Held waits
// outside of the queue; the others are final.
const (
	Queued     State = "queued"    // in the ledger, not yet sent to Jenkins
	Triggered  State = "triggered" // Jenkins may have it: look before sending again
	Running    State = "running"   // Jenkins gave it a number
	Succeeded  State = "succeeded"
	Failed     State = "failed"
	Aborted    State = "aborted"
	Lost       State = "lost"       // Jenkins forgot it (a crash erased its record)
	Superseded State = "superseded" // a newer push came while it was queued or held
	Held       State = "held"       // waits for people, see Hold
	Rejected   State = "rejected"   // people said no, or nothing in time
)

// Final says whether a build in this state is over.
func (s State) Final() bool {
	return s != Queued && s != Triggered && s != Running && s != Held
}

// Build is one build of one release: however many deliveries told of it, there
// is one for each project and commit, unless somebody asks for another attempt. One
// for some servers only stands beside these, and is never what is live.
type Build struct {
	ID        string    `json:"id"` // AUTOBUILDER_ID, unique for ever
	Project   string    `json:"project"`
	Job       string    `json:"job"`
	Commit    string    `json:"commit"`
	Attempt   int       `json:"attempt"` // 1, more where it was asked for again
	Branch    string    `json:"branch"`
	Tag       string    `json:"tag,omitempty"`
	Version   string    `json:"version,omitempty"` // the tag, or empty: the job asks git describe
	By        string    `json:"by,omitempty"`
	Message   string    `json:"message,omitempty"`
	State     State     `json:"state"`
	Why       string    `json:"why,omitempty"`      // of a state that needs a word
	Accepted  bool      `json:"accepted,omitempty"` // Jenkins said that it has it
	Taken     int       `json:"taken,omitempty"`    // how often it said so; more than once: it forgot it
	Number    int64     `json:"number,omitempty"`   // Jenkins' build number, 0 before it has one
	URL       string    `json:"url,omitempty"`      // of the build in Jenkins
	Created   time.Time `json:"created"`
	Triggered time.Time `json:"triggered,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	Tree      string    `json:"tree,omitempty"`    // of the commit, where known
	Release   string    `json:"release,omitempty"` // a stored release that is deployed again; empty: it is built
	Command   string    `json:"command,omitempty"` // a checklist's; then nothing is built nor deployed
	Step      string    `json:"step,omitempty"`    // ID/N of the checklist's step that asked for it
	Only      string    `json:"only,omitempty"`    // the servers that it is for, as ParseOnly gives them; empty: all
}

// NewID makes an ID that sorts by time and is never made twice.
func NewID(now time.Time) string {
	return fmt.Sprintf("%s-%s", now.UTC().Format("20060102T150405"), strings.ToLower(rand.Text()[:10]))
}

// Params are what the job is started with. RELEASE, RUN and DELIVER_ONLY are only
// sent where they mean something: a job that does not know them refuses them then,
// rather than build, or deliver to all servers.
func (b Build) Params() map[string]string {
	params := map[string]string{
		"COMMIT": b.Commit, "BRANCH": b.Branch, "TAG": b.Tag,
		"VERSION": b.Version, "AUTOBUILDER_ID": b.ID,
	}
	if b.Release != "" {
		params["RELEASE"] = b.Release
	}
	if b.Command != "" {
		params["RUN"] = b.Command
	}
	if b.Only != "" {
		params["DELIVER_ONLY"] = b.Only // deliver reads it itself, from the job's environment
	}
	return params
}

// Fate is what became of a delivery, and why: a line of the ledger.
type Fate struct {
	Delivery string    `json:"delivery"`
	Event    string    `json:"event"`
	Repo     string    `json:"repo,omitempty"`
	Ref      string    `json:"ref,omitempty"`
	Commit   string    `json:"commit,omitempty"`
	By       string    `json:"by,omitempty"`
	Received time.Time `json:"received"`
	Verdict  string    `json:"verdict"` // pending, build, joined, ignored, failed
	Why      string    `json:"why"`
	Build    string    `json:"build,omitempty"` // the build's ID
}
