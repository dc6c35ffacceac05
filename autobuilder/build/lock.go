package build

import "time"

// Lock keeps a project's builds waiting, but for those of who locked it.
type Lock struct {
	Project string    `json:"project"`
	By      string    `json:"by"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // zero: until somebody unlocks it
}

// Words are who locked it, why, and until when.
func (l Lock) Words() string {
	words := "locked by " + l.By
	if l.Reason != "" {
		words += ": " + l.Reason
	}
	if !l.Until.IsZero() {
		words += ", until " + l.Until.UTC().Format("2006-01-02 15:04 UTC")
	}
	return words
}

// Chat says who may do what in a room, by the names that approvers have. Empty
// lists are everybody, and every room.
type Chat struct {
	Deploy   []string `yaml:"deploy"`
	Rollback []string `yaml:"rollback"`
	Lock     []string `yaml:"lock"`
	Rooms    []string `yaml:"rooms"`
}
