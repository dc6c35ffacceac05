// Package manifest says what a release's tree is: every path, what it is and
// what is in it. Two manifests with one digest are of the same tree.
package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"strings"
	"time"
)

// Digest is the SHA-256 of a content or of a whole manifest.
type Digest [sha256.Size]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// brief is d as a brief difference has it.
func (d Digest) brief() Digest {
	var b Digest
	copy(b[:briefDigest], d[:])
	return b
}

// ParseDigest reads what String wrote.
func ParseDigest(s string) (Digest, bool) {
	var d Digest
	n, err := hex.Decode(d[:], []byte(s[:min(len(s), 2*len(d))]))
	return d, err == nil && n == len(d) && len(s) == 2*len(d)
}

// Kind is what a path of a release is.
type Kind byte

// The kinds of an Entry.
const (
	Absent    Kind = iota
	Directory      // with what is below it
	File
	Symlink
	Link // another name of an earlier file or symlink
)

// String is the kind as a message has it.
func (k Kind) String() string {
	return [...]string{"nothing", "a directory", "a file", "a symlink", "a hard link"}[k]
}

// Time is a modification time, which time.Time has too much of to be compared.
type Time struct {
	Sec  int64
	Nsec int32
}

// At is t as an Entry has it.
func At(t time.Time) Time { return Time{t.Unix(), int32(t.Nanosecond())} }

// Go is the time as Go has it.
func (t Time) Go() time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// Entry is one path of a tree.
type Entry struct {
	Path    string // relative and clean; "." is the tree itself
	Kind    Kind
	Implied bool   // a directory that the archive says nothing of
	Mode    uint16 // permission bits of a directory or file, before any umask
	Time    Time
	Size    int64  // of a file
	Digest  Digest // of a file's content
	Target  string // of a symlink, as it is written; of a hard link, the first path of the same
}

// Manifest is a whole tree. It is not changed once it is made and complete.
type Manifest struct {
	// Entries are sorted so that a directory stands right before all that is
	// below it. The first is the tree itself.
	Entries []Entry
	// Stamp is the time that most of the files bear, as git archive gives all
	// of them that of the commit: it says nothing of a single file.
	Stamp   Time
	Stamped bool // there is a Stamp
	parents []int
}

// sealed completes a manifest whose entries are all there, each below the one
// that parents names.
func sealed(entries []Entry, parents []int) *Manifest {
	m := &Manifest{Entries: entries, parents: parents}
	m.Stamp, m.Stamped = commonTime(entries)
	return m
}

// commonTime is what more than half of the files bear: of any two that differ,
// one of each can be left out, and it is still what more than half bear.
func commonTime(entries []Entry) (Time, bool) {
	var common Time
	ahead := 0
	for n := range entries {
		switch e := &entries[n]; {
		case e.Kind != File:
		case e.Time == common:
			ahead++
		case ahead == 0:
			common, ahead = e.Time, 1
		default:
			ahead--
		}
	}
	bear, files := 0, 0
	for n := range entries {
		if entries[n].Kind == File {
			bear += boolToInt(entries[n].Time == common)
			files++
		}
	}
	if 2*bear <= files {
		return Time{}, false
	}
	return common, true
}

// Parent is the number of the directory that entry n lies in; the tree lies in itself.
func (m *Manifest) Parent(n int) int { return m.parents[n] }

// Find is the number of the entry of path. To look for most of another
// manifest's paths, Matches takes less.
func (m *Manifest) Find(path string) (int, bool) { return find(m.Entries, path) }

func find(entries []Entry, path string) (int, bool) {
	return sort.Find(len(entries), func(n int) int { return compare(path, entries[n].Path) })
}

// None stands for no entry.
const None = -1

// Matches gives for each entry of m the number of the one of other that has its
// path, or None.
func (m *Manifest) Matches(other *Manifest) []int {
	found := make([]int, len(m.Entries))
	at := 0
	for n := range m.Entries {
		name := m.Entries[n].Path
		for at < len(other.Entries) && compare(other.Entries[at].Path, name) < 0 {
			at++
		}
		found[n] = None
		if at < len(other.Entries) && other.Entries[at].Path == name {
			found[n] = at
		}
	}
	return found
}

// Bears says whether an entry has the stamp for its time.
func (m *Manifest) Bears(e Entry) bool { return m.Stamped && e.Time == m.Stamp }

// Digest names the tree.
func (m *Manifest) Digest() Digest { return sha256.Sum256(m.Encode()) }

// Encode writes the manifest down; Decode reads it.
func (m *Manifest) Encode() []byte { return (&writer{target: m}).write(formWhole) }

// Complete is told the digest of the content of entry n. It is false where
// that is not the content that belongs there.
func (m *Manifest) Complete(n int, d Digest) bool {
	if !m.May(n, d) {
		return false
	}
	m.Entries[n].Digest = d
	return true
}

// May says whether d may be the digest of the content of entry n, as far as
// that is known.
func (m *Manifest) May(n int, d Digest) bool {
	have := m.Entries[n].Digest
	return have == d || have == d.brief()
}

// Decode reads what Encode wrote. What it returns has passed all checks of Apply.
func Decode(encoded []byte) (*Manifest, error) { return Apply(nil, encoded) }

// Whole says whether the digest of entry n is complete.
func (m *Manifest) Whole(n int) bool { return m.Entries[n].Digest != m.Entries[n].Digest.brief() }

// Below are the entries under the directory of entry n, without itself.
func (m *Manifest) Below(n int) []Entry {
	top := m.Entries[n].Path
	end := n + 1
	for end < len(m.Entries) && isBelow(m.Entries[end].Path, top) {
		end++
	}
	return m.Entries[n+1 : end]
}

func isBelow(path, top string) bool {
	return top == "." || (strings.HasPrefix(path, top) && len(path) > len(top) && path[len(top)] == '/')
}

// Contents are the numbers of the files that have a content which no file
// before them has. Empty ones are not among them: nobody lacks nothing.
func (m *Manifest) Contents() []int {
	var found []int
	seen := map[Digest]bool{}
	for n := range m.Entries {
		if e := &m.Entries[n]; e.Kind == File && e.Size > 0 && !seen[e.Digest] {
			seen[e.Digest] = true
			found = append(found, n)
		}
	}
	return found
}

// compare sorts paths so that what is below a directory follows it at once:
// the slash comes before every other byte.
func compare(a, b string) int {
	if a == "." || b == "." {
		return boolToInt(b == ".") - boolToInt(a == ".")
	}
	if a == b {
		return 0
	}
	n := commonPrefix(a, b)
	return rank(a, n) - rank(b, n)
}

func rank(s string, n int) int {
	switch {
	case n == len(s):
		return 0
	case s[n] == '/':
		return 1
	}
	return 2 + int(s[n])
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sortEntries(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return compare(a.Path, b.Path) })
}
