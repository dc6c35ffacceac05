package build

import "time"

// Commit is one change of a project's branch.
type Commit struct {
	ID      string    `json:"id"` // object name
	Author  string    `json:"author"`
	At      time.Time `json:"at"`
	Subject string    `json:"subject"` // first line of its message
}
