// Package release holds the words for what is delivered: a release's id and
// its record.
package release

import (
	"cmp"
	"time"
)

// Record says what a release is and where it came from. It travels with the
// build, lies beside it on each server and in the store.
type Record struct {
	ID       string    `json:"id"` // one path segment; Jenkins' BUILD_TAG where there is one
	App      string    `json:"app"`
	Version  string    `json:"version,omitempty"` // the tag, or what git describe says
	Commit   string    `json:"commit,omitempty"`  // full object name
	Branch   string    `json:"branch,omitempty"`
	Sequence int64     `json:"sequence,omitempty"` // grows with each build of a job; 0: unknown
	BuildTag string    `json:"build_tag,omitempty"`
	BuildURL string    `json:"build_url,omitempty"`
	Job      string    `json:"job,omitempty"`
	SHA256   string    `json:"sha256,omitempty"` // of the uncompressed tar, hex; of one that a store has
	Tree     string    `json:"tree,omitempty"`   // digest of the manifest of what the tar makes, hex
	Size     int64     `json:"size"`             // of the uncompressed tar, bytes
	Files    int64     `json:"files,omitempty"`  // entries of the tar
	Once     []string  `json:"once,omitempty"`   // its hooks that run on one server only
	Created  time.Time `json:"created"`
	By       string    `json:"by,omitempty"`
}

// SameBuild says whether two records are of one build: of one tree, or where
// one of them does not say that, of one tar.
func (r Record) SameBuild(other Record) bool {
	if r.Tree != "" && other.Tree != "" {
		return r.Tree == other.Tree
	}
	return r.SHA256 != "" && r.SHA256 == other.SHA256
}

// Digest is that of the build: of its tree, or if that is not known of its tar.
func (r Record) Digest() string { return cmp.Or(r.Tree, r.SHA256) }
