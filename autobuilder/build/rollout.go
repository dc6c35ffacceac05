package build

import "time"

// Rollout is what deliver tells of one of its runs: which release it takes to
// the servers of an environment, and how that ended.
type Rollout struct {
	Run         string    `json:"run"`
	Build       string    `json:"build,omitempty"` // the build that it belongs to
	Project     string    `json:"project"`
	Environment string    `json:"environment,omitempty"`
	Action      string    `json:"action"` // push or rollback
	Release     string    `json:"release"`
	Version     string    `json:"version,omitempty"` // the tag, or what git describe says
	Commit      string    `json:"commit,omitempty"`
	By          string    `json:"by,omitempty"`
	Only        string    `json:"only,omitempty"`   // the servers that were asked for; empty: all
	Result      string    `json:"result,omitempty"` // empty: it runs
	Error       string    `json:"error,omitempty"`
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended,omitzero"`
	SHA256      string    `json:"sha256,omitempty"` // of the archive, uncompressed, hex
	Size        int64     `json:"size,omitempty"`   // of the archive, uncompressed, bytes
	Hosts       []Host    `json:"hosts,omitempty"`  // how far each is, or where the run left it
}

// Host is what a rollout made of one server.
type Host struct {
	Host      string  `json:"host"`
	Result    string  `json:"result,omitempty"` // empty: it is not through
	Stage     string  `json:"stage,omitempty"`  // where it failed
	Step      string  `json:"step,omitempty"`
	Error     string  `json:"error,omitempty"`
	UndoError string  `json:"undo_error,omitempty"`
	Took      float64 `json:"took,omitempty"` // seconds
	Stages    []Stage `json:"stages,omitempty"`
}

// Stage is one stage of a rollout on one server.
type Stage struct {
	Name  string  `json:"name"`
	State string  `json:"state"`          // doing, done or failed
	Took  float64 `json:"took,omitempty"` // seconds
}

// Promoted says whether the servers run the release now.
func (r Rollout) Promoted() bool { return r.Result == "ok" || r.Result == "partial" }

// Live is what runs on the servers of an environment, as far as is known.
type Live struct {
	Project     string    `json:"project"`
	Environment string    `json:"environment,omitempty"`
	Release     string    `json:"release,omitempty"`
	Version     string    `json:"version,omitempty"`
	Commit      string    `json:"commit,omitempty"`
	Since       time.Time `json:"since,omitzero"`
	By          string    `json:"by,omitempty"`
	Assumed     bool      `json:"assumed,omitempty"` // deliver told nothing: it is the last build that succeeded
}
