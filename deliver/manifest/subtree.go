package manifest

import (
	"crypto/sha256"
	"path"
	"slices"
	"strings"
)

// Closed says whether the directory of entry n can lie elsewhere, with a symlink
// in its place: no symlink of the release goes out of it upwards, and no hard
// link crosses its edge.
func (m *Manifest) Closed(n int) bool {
	top := m.Entries[n].Path
	shape := NewShape()
	for _, e := range m.Entries {
		switch e.Kind {
		case Symlink:
			shape.Targets[e.Path] = e.Target
		case Link:
			if isBelow(e.Path, top) != isBelow(e.Target, top) {
				return false
			}
			if target, ok := shape.Targets[e.Target]; ok {
				shape.Targets[e.Path] = target
			}
		}
	}
	for name, target := range shape.Targets {
		if shape.leaves(path.Dir(name), target, top) {
			return false
		}
	}
	return true
}

// Subtree names what the directory of entry n is called and what is in it, with
// everything but times: of two with one name each can stand for the other. The
// digests below it must be whole.
func (m *Manifest) Subtree(n int) Digest {
	top := m.Entries[n]
	entries := slices.Concat([]Entry{top}, m.Below(n))
	for i := range entries {
		e := &entries[i]
		e.Time = Time{}
		e.Path = strings.TrimPrefix(e.Path[len(top.Path):], "/")
		if e.Kind == Link {
			e.Target = e.Target[len(top.Path)+1:]
		}
	}
	entries[0].Path = "."
	name := append([]byte(path.Base(top.Path)), 0)
	return sha256.Sum256(append(name, (&Manifest{Entries: entries}).Encode()...))
}

// WholeBelow says whether all digests below the directory of entry n are complete.
func (m *Manifest) WholeBelow(n int) bool {
	for i := range m.Below(n) {
		if at := n + 1 + i; m.Entries[at].Kind == File && !m.Whole(at) {
			return false
		}
	}
	return true
}
