// Package build holds the words that every part of autobuilder shares: a
// delivery from GitHub, the project it belongs to, the build that it asks for.
package build

import "time"

// Delivery is one signed message from GitHub, as received.
type Delivery struct {
	ID       string // X-GitHub-Delivery; the same on a redelivery
	Event    string // X-GitHub-Event
	Received time.Time
	Body     []byte // the JSON, also where it came in a form
}

// Push is what a push event says, and what rules decide on.
type Push struct {
	Repo     string // owner/name
	Ref      string // refs/heads/master, refs/tags/v1.2.0
	Before   string // object name, all zeros: created
	After    string // object name, all zeros: deleted
	Commit   string // the commit that After is or, for an annotated tag, points to
	Pusher   string
	Message  string // of the head commit
	CloneURL string
	Deleted  bool
	Forced   bool
}

// Project is a repository that autobuilder builds.
type Project struct {
	Name       string            `yaml:"name"`
	Repo       string            `yaml:"repo"`        // owner/name, as GitHub's payload says
	CloneURL   string            `yaml:"clone_url"`   // what the job clones and ls-remote asks
	Job        string            `yaml:"job"`         // Jenkins job; default: the name
	Branch     string            `yaml:"branch"`      // default: master
	Tags       string            `yaml:"tags"`        // glob of tags that are releases; default: v*
	RequireTag bool              `yaml:"require_tag"` // a push without a tag does not build
	Queue      string            `yaml:"queue"`       // newest (default) or each
	Template   string            `yaml:"template"`    // a job template's name or file; default: node
	Env        map[string]string `yaml:"env"`         // exported in every step of the job
}

// State says how far a build is.
type State string

// The states of a build. Queued, Triggered and Running are open; the others final.
const (
	Queued     State = "queued"    // in the ledger, not yet sent to Jenkins
	Triggered  State = "triggered" // Jenkins may have it: look before sending again
	Running    State = "running"   // Jenkins gave it a number
	Succeeded  State = "succeeded"
	Failed     State = "failed"
	Aborted    State = "aborted"
	Lost       State = "lost"       // Jenkins forgot it (a crash erased its record)
	Superseded State = "superseded" // a newer push came while it was queued
)

// Final says whether a build in this state is over.
func (s State) Final() bool {
	return s != Queued && s != Triggered && s != Running
}

// Build is one build of one release: however many deliveries told of it, there
// is one for each project and commit.
type Build struct {
	ID        string    `json:"id"` // AUTOBUILDER_ID, unique for ever
	Project   string    `json:"project"`
	Job       string    `json:"job"`
	Commit    string    `json:"commit"`
	Branch    string    `json:"branch"`
	Tag       string    `json:"tag,omitempty"`
	Version   string    `json:"version,omitempty"` // the tag, or empty: the job asks git describe
	By        string    `json:"by,omitempty"`
	Message   string    `json:"message,omitempty"`
	State     State     `json:"state"`
	Why       string    `json:"why,omitempty"`    // of a state that needs a word
	Number    int64     `json:"number,omitempty"` // Jenkins' build number, 0 before it has one
	URL       string    `json:"url,omitempty"`    // of the build in Jenkins
	Created   time.Time `json:"created"`
	Triggered time.Time `json:"triggered,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
}

// Params are what the job is started with.
func (b Build) Params() map[string]string {
	return map[string]string{
		"COMMIT": b.Commit, "BRANCH": b.Branch, "TAG": b.Tag,
		"VERSION": b.Version, "AUTOBUILDER_ID": b.ID,
	}
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
