// Package delta is the stream that carries a release to a server which may
// have another one already: how its manifest differs from the old one's, and
// the contents that the old one lacks, compressed with the old files as
// their dictionary.
//
// The stream is the difference of the manifests, then frames. A frame holds at
// most frameSize bytes of contents in the order of their entries; a content
// may go on in the next frame. Each is a zstd frame of its own, so that they
// are made and read beside each other, and a frame whose old files are damaged
// leaves the others readable.
package delta

import (
	"path"

	"deliver/manifest"
)

const (
	// frameSize is how much of the contents one frame holds.
	frameSize = 8 << 20
	// smallContent is never split: who receives it has it whole.
	smallContent = 1 << 20
	// reach is how far before and after its own place a piece of a large file
	// looks for what it has in common with the old one.
	reach = 1 << 20
	// mostDictionary is what the old files of a frame may take of the memory.
	mostDictionary = frameSize + 4*reach
	// mostDifference is what a difference of two manifests may be.
	mostDifference = 1 << 30
	// widestWindow is what a frame may make the reader keep.
	widestWindow = 16 << 20
	// dictionaryID marks frames that have a dictionary.
	dictionaryID = 1
)

// None stands for no entry.
const None = manifest.None

// Need is a content of the target that base does not have.
type Need struct {
	Entry int // of the target
	Old   int // entry of base that is likely to be an older version; or None
}

// Needs are the contents that target has and base, which may be nil, has not.
func Needs(base, target *manifest.Manifest) []Need {
	var needs []Need
	if base == nil {
		for _, n := range target.Contents() {
			needs = append(needs, Need{Entry: n, Old: None})
		}
		return needs
	}
	at := target.Matches(base)
	others := others(base, target, at)
	lacking := map[manifest.Digest]bool{}
	for _, n := range others {
		lacking[target.Entries[n].Digest] = true
	}
	for n := range base.Entries {
		if e := &base.Entries[n]; e.Kind == manifest.File {
			delete(lacking, e.Digest)
		}
	}
	moved := vanished(base, target)
	for _, n := range others {
		e := &target.Entries[n]
		if lacking[e.Digest] {
			needs = append(needs, Need{Entry: n, Old: older(base, at[n], moved, e.Path)})
		}
		delete(lacking, e.Digest)
	}
	return needs
}

// others are the files of target that have a content, and another one than the
// file of base with their path: at has the numbers of these.
func others(base, target *manifest.Manifest, at []int) []int {
	var found []int
	for n := range target.Entries {
		e := &target.Entries[n]
		if e.Kind == manifest.File && e.Size > 0 && (at[n] == manifest.None || base.Entries[at[n]].Digest != e.Digest) {
			found = append(found, n)
		}
	}
	return found
}

// vanished are the files of base whose path target does not have, by their
// last name.
func vanished(base, target *manifest.Manifest) map[string]int {
	found := map[string]int{}
	for n, at := range base.Matches(target) {
		if e := &base.Entries[n]; at == manifest.None && e.Kind == manifest.File {
			found[path.Base(e.Path)] = n
		}
	}
	return found
}

// older is the entry of base that is likely to be an older version of the
// target's file at name, where base has entry at.
func older(base *manifest.Manifest, at int, moved map[string]int, name string) int {
	if at != manifest.None && base.Entries[at].Kind == manifest.File && base.Entries[at].Size > 0 {
		return at
	}
	if n, ok := moved[path.Base(name)]; ok && base.Entries[n].Size > 0 {
		return n
	}
	return None
}

// window is the part of an old file that a piece is compressed with.
type window struct {
	entry  int
	offset int64
	size   int
}

// around is the window of an old file for the n bytes at offset of a new one.
func around(entry int, old, offset int64, n int) (window, bool) {
	from := max(offset-reach, 0)
	to := min(offset+int64(n)+reach, old)
	if to <= from {
		return window{}, false
	}
	return window{entry: entry, offset: from, size: int(to - from)}, true
}
