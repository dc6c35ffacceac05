package manifest

import (
	"encoding/binary"
	"maps"
	"slices"
)

// A difference is the steps that make one list of entries of another. Each
// step is a number n and one of these codes, as n<<2|code; n entries of the old
// list are kept, dropped, kept with new times, or n new ones follow. "Keep 0"
// is the end.
const (
	stepKeep = iota
	stepDrop
	stepTouch
	stepPut
)

// The flags of an entry that is put, above its kind.
const (
	kindBits    = 7
	flagImplied = 1 << (iota + 2)
	flagStamped
	flagSameMode // as the last entry of its kind
)

// The forms of a difference: with whole digests, and with the first bytes of
// those that base does not have.
const (
	formWhole = iota + 1
	formBrief
)

// briefDigest is how much of a digest a brief difference has: enough to find
// a damaged content early; what proves it is the digest of the whole tree.
const briefDigest = 8

// Difference writes down how target differs from base, which may be nil: then
// it is all of target. Apply makes target of base and it, but for the digests of
// new contents: whoever has the contents completes them.
func Difference(base, target *Manifest) []byte {
	return (&writer{base: base, target: target}).write(formBrief)
}

func (w *writer) write(form byte) []byte {
	target := w.target
	w.form = form
	if w.base == nil {
		const usual = 96 // bytes of an entry
		w.out = make([]byte, 0, usual*len(target.Entries))
	}
	w.out = append(w.out, form)
	w.out = append(w.out, byte(boolToInt(target.Stamped)))
	if target.Stamped {
		w.time(target.Stamp)
	}
	w.steps()
	return w.out
}

// writer writes a difference.
type writer struct {
	base, target *Manifest
	form         byte
	out          []byte
	coder
	byDigest map[Digest]int // entries of base, made when first needed
}

// coder is what both sides remember while they go through the entries.
type coder struct {
	path string // of the last entry put
	when Time   // the last time written
	mode [Link + 1]uint16
}

func (w *writer) steps() {
	var old []Entry
	if w.base != nil {
		old = w.base.Entries
	}
	code, from, n := stepKeep, 0, 0 // the step under way began at entry from of target
	flush := func() {
		if n > 0 {
			w.step(code, n, from)
		}
		n = 0
	}
	for a, b := 0, 0; a < len(old) || b < len(w.target.Entries); {
		next := w.classify(old, a, b)
		if next != code || n == 0 {
			flush()
			code, from = next, b
		}
		n++
		if next != stepPut {
			a++
		}
		if next != stepDrop {
			b++
		}
	}
	flush()
	w.uvarint(stepKeep)
}

// classify says what becomes of the old entry a, or that entry b is new.
func (w *writer) classify(old []Entry, a, b int) int {
	switch {
	case a == len(old):
		return stepPut
	case b == len(w.target.Entries):
		return stepDrop
	}
	was, is := &old[a], &w.target.Entries[b]
	if order := compare(was.Path, is.Path); order != 0 {
		if order < 0 {
			return stepDrop
		}
		return stepPut
	}
	if !sameButTime(was, is) {
		return stepDrop // and then put
	}
	if bears := w.target.Bears(*is); w.base.Bears(*was) == bears && (bears || was.Time == is.Time) {
		return stepKeep
	}
	return stepTouch
}

func sameButTime(a, b *Entry) bool {
	return a.Kind == b.Kind && a.Implied == b.Implied && a.Mode == b.Mode && a.Size == b.Size && a.Digest == b.Digest && a.Path == b.Path && a.Target == b.Target
}

func (w *writer) step(code, n, from int) {
	w.uvarint(uint64(n)<<2 | uint64(code))
	if code != stepTouch && code != stepPut {
		return
	}
	entries := w.target.Entries[from : from+n]
	for i := range entries {
		if code == stepTouch {
			w.time(entries[i].Time)
		} else {
			w.entry(&entries[i])
		}
	}
}

func (w *writer) entry(e *Entry) {
	flags := byte(e.Kind)
	if e.Implied {
		flags |= flagImplied
	}
	if w.target.Bears(*e) {
		flags |= flagStamped
	}
	if e.Mode == w.mode[e.Kind] {
		flags |= flagSameMode
	}
	shared := commonPrefix(w.path, e.Path)
	w.path = e.Path
	w.out = append(w.out, flags)
	w.uvarint(uint64(shared))
	w.text(e.Path[shared:])
	if flags&flagSameMode == 0 {
		w.uvarint(uint64(e.Mode))
		w.mode[e.Kind] = e.Mode
	}
	if flags&flagStamped == 0 {
		w.time(e.Time)
	}
	switch e.Kind {
	case File:
		w.uvarint(uint64(e.Size))
		if e.Size > 0 {
			w.digest(e.Digest)
		}
	case Symlink, Link:
		w.text(e.Target)
	}
}

// digest writes where in base the same content is, or else itself.
func (w *writer) digest(d Digest) {
	if w.base != nil && w.byDigest == nil {
		w.byDigest = w.inBase()
	}
	if n, ok := w.byDigest[d]; ok {
		w.uvarint(uint64(n) + 1)
		return
	}
	w.uvarint(0)
	if w.form == formBrief {
		w.out = append(w.out, d[:briefDigest]...)
	} else {
		w.out = append(w.out, d[:]...)
	}
}

// inBase finds the first file of base with each content of what is put.
func (w *writer) inBase() map[Digest]int {
	found := map[Digest]int{}
	for n, at := range w.target.Matches(w.base) {
		if e := &w.target.Entries[n]; e.Kind == File && (at == None || !sameButTime(&w.base.Entries[at], e)) {
			found[e.Digest] = None
		}
	}
	for n := range slices.Backward(w.base.Entries) {
		e := &w.base.Entries[n]
		if _, put := found[e.Digest]; put && e.Kind == File {
			found[e.Digest] = n
		}
	}
	maps.DeleteFunc(found, func(_ Digest, n int) bool { return n == None })
	return found
}

func (w *writer) time(t Time) {
	w.out = binary.AppendVarint(w.out, t.Sec-w.when.Sec)
	w.out = binary.AppendVarint(w.out, int64(t.Nsec-w.when.Nsec))
	w.when = t
}

func (w *writer) uvarint(n uint64) { w.out = binary.AppendUvarint(w.out, n) }

func (w *writer) text(s string) {
	w.uvarint(uint64(len(s)))
	w.out = append(w.out, s...)
}

func commonPrefix(a, b string) int {
	a = a[:min(len(a), len(b))]
	b = b[:len(a)]
	for n := range len(a) {
		if a[n] != b[n] {
			return n
		}
	}
	return len(a)
}
