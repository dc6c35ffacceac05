package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// What a manifest may take of the memory of those who read it.
const (
	mostEntries = 1 << 22
	mostText    = 1 << 29 // bytes of all paths and targets
)

// emptyDigest is that of no bytes.
var emptyDigest = Digest(sha256.Sum256(nil))

// Apply makes the manifest that Difference was given as target. It takes
// nothing for granted: what it returns is sorted, whole and safe to be made.
// The digests that are not in base are brief until Complete was told of them.
func Apply(base *Manifest, difference []byte) (*Manifest, error) {
	r := &reader{in: difference}
	if base != nil {
		r.base = base
	} else {
		r.base = &Manifest{}
	}
	entries, err := r.read()
	if err == nil && len(r.in) > 0 {
		err = errors.New("it goes on after its end")
	}
	var parents []int
	if err == nil {
		parents, err = check(entries)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	m := sealed(entries, parents)
	if m.Stamped != r.stamped || m.Stamp != r.stamp {
		return nil, errors.New("read the manifest: its stamp is not that of its files")
	}
	return m, nil
}

// reader reads a difference. The first failure stays, so that only the end of
// each part asks for it.
type reader struct {
	base    *Manifest
	form    byte
	in      []byte
	at      int // in base
	stamp   Time
	stamped bool
	entries []Entry
	text    int // bytes taken by names
	names   strings.Builder
	err     error
	coder
}

var errEnds = errors.New("it ends early")

func (r *reader) read() ([]Entry, error) {
	if r.form = r.byte(); r.form != formWhole && r.form != formBrief && r.err == nil {
		return nil, errors.New("its format is not known; both sides must run the same deliver")
	}
	usual := 64 // bytes of an entry
	if r.form == formBrief {
		usual = 32
	}
	r.entries = make([]Entry, 0, min(len(r.base.Entries)+len(r.in)/usual, mostEntries))
	if r.stamped = r.byte() == 1; r.stamped {
		r.stamp = r.time()
	}
	for r.err == nil {
		step := r.uvarint()
		if step == stepKeep {
			break
		}
		r.step(int(step&3), step>>2)
	}
	if r.err == nil && r.at != len(r.base.Entries) {
		r.fail(errEnds)
	}
	return r.entries, r.err
}

func (r *reader) step(code int, n uint64) {
	if n > mostEntries || len(r.entries)+int(n) > mostEntries {
		r.fail(fmt.Errorf("it has more than %d entries", mostEntries))
		return
	}
	if code != stepPut && int(n) > len(r.base.Entries)-r.at {
		r.fail(errors.New("it keeps more than there is"))
		return
	}
	switch code {
	case stepKeep, stepTouch:
		r.keep(int(n), code == stepTouch)
	case stepPut:
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.entries = append(r.entries, r.entry())
		}
	}
	if code != stepPut {
		r.at += int(n)
	}
}

func (r *reader) keep(n int, touch bool) {
	from := len(r.entries)
	r.entries = append(r.entries, r.base.Entries[r.at:r.at+n]...)
	kept := r.entries[from:]
	for i := range kept {
		e := &kept[i]
		switch {
		case touch:
			e.Time = r.time()
		case r.base.Stamped && e.Time == r.base.Stamp:
			e.Time = r.stamp
		}
		r.take(len(e.Path) + len(e.Target))
		if r.err != nil {
			return
		}
	}
}

func (r *reader) entry() Entry {
	flags := r.byte()
	e := Entry{Kind: Kind(flags & kindBits), Implied: flags&flagImplied != 0, Time: r.stamp}
	if e.Kind == Absent || e.Kind > Link {
		r.fail(fmt.Errorf("an entry is of kind %d", e.Kind))
		return e
	}
	e.Path = r.suffixed(r.path)
	r.path = e.Path
	if flags&flagSameMode == 0 {
		r.mode[e.Kind] = uint16(min(r.uvarint(), 1<<15))
	}
	e.Mode = r.mode[e.Kind]
	if flags&flagStamped == 0 {
		e.Time = r.time()
	}
	switch e.Kind {
	case File:
		e.Size = int64(min(r.uvarint(), 1<<62))
		e.Digest = emptyDigest
		if e.Size > 0 {
			e.Digest = r.digest()
		}
	case Symlink, Link:
		e.Target = string(r.bytes(r.uvarint()))
	}
	return e
}

func (r *reader) suffixed(last string) string {
	shared, suffix := r.uvarint(), r.bytes(r.uvarint())
	if shared > uint64(len(last)) {
		r.fail(errors.New("a path goes on from more than there is"))
		return ""
	}
	r.take(int(shared) + len(suffix))
	return r.joined(last[:shared], suffix)
}

// joined is one string of two parts. Those of many entries lie in one piece of
// the memory: to get a piece for each takes longer than to read it.
func (r *reader) joined(a string, b []byte) string {
	const piece = 32 << 10
	if n := len(a) + len(b); r.names.Cap()-r.names.Len() < n {
		r.names = strings.Builder{}
		r.names.Grow(max(piece, n))
	}
	at := r.names.Len()
	r.names.WriteString(a)
	r.names.Write(b)
	return r.names.String()[at:]
}

func (r *reader) digest() Digest {
	var d Digest
	n := r.uvarint()
	switch {
	case n == 0 && r.form == formBrief:
		copy(d[:], r.bytes(briefDigest))
	case n == 0:
		copy(d[:], r.bytes(uint64(len(d))))
	case n <= uint64(len(r.base.Entries)) && r.base.Entries[n-1].Kind == File:
		d = r.base.Entries[n-1].Digest
	default:
		r.fail(errors.New("it names a file that is not there"))
	}
	return d
}

func (r *reader) time() Time {
	r.when.Sec += r.varint()
	r.when.Nsec += int32(r.varint())
	return r.when
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.in)
	r.skip(size)
	return n
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.in)
	r.skip(size)
	return n
}

// skip goes past a number; one that could not be read has no size.
func (r *reader) skip(size int) {
	if size <= 0 {
		r.fail(errEnds)
		return
	}
	r.in = r.in[size:]
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.in)) {
		r.fail(errEnds)
		return nil
	}
	b := r.in[:n]
	r.in = r.in[n:]
	return b
}

// take counts what names take of the memory: one that repeats the last one's
// beginning costs the sender next to nothing.
func (r *reader) take(n int) {
	if r.text += n; r.text > mostText {
		r.fail(fmt.Errorf("its names are longer than %d bytes", mostText))
	}
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.in = nil
}
