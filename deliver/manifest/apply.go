package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
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
	if err == nil {
		err = check(entries)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	m := sealed(entries)
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
	err     error
	coder
}

var errEnds = errors.New("it ends early")

func (r *reader) read() ([]Entry, error) {
	if r.form = r.byte(); r.form != formWhole && r.form != formBrief && r.err == nil {
		return nil, errors.New("its format is not known; both sides must run the same deliver")
	}
	const brief = 32 // bytes of an entry, at the least that is usual
	r.entries = make([]Entry, 0, min(len(r.base.Entries)+len(r.in)/brief, mostEntries))
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
	for range n {
		switch code {
		case stepKeep, stepTouch:
			r.keep(code == stepTouch)
		case stepPut:
			r.entries = append(r.entries, r.entry())
		}
		if code != stepPut {
			r.at++
		}
		if r.err != nil {
			return
		}
	}
}

func (r *reader) keep(touch bool) {
	e := r.base.Entries[r.at]
	switch {
	case touch:
		e.Time = r.time()
	case r.base.Bears(e):
		e.Time = r.stamp
	}
	r.take(len(e.Path) + len(e.Target))
	r.entries = append(r.entries, e)
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
	return last[:shared] + string(suffix)
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

// check holds entries that came from elsewhere against all that a Builder's have.
func check(entries []Entry) error {
	if len(entries) == 0 || entries[0].Path != "." || entries[0].Kind != Directory {
		return errors.New("it does not begin with the tree itself")
	}
	shape := Shape{Kinds: make(map[string]Kind, len(entries)), Targets: map[string]string{}}
	shape.Kinds["."] = Directory
	for n, e := range entries {
		if n > 0 && compare(entries[n-1].Path, e.Path) >= 0 {
			return fmt.Errorf("entry %q is not in order", e.Path)
		}
		if err := checkFields(e); err != nil {
			return err
		}
		if err := checkPlace(shape, e); err != nil {
			return err
		}
	}
	return shape.AdmitSymlinks()
}

func checkFields(e Entry) error {
	switch {
	case e.Mode > 0o777 || e.Size < 0 || e.Time.Nsec < 0 || e.Time.Nsec >= 1e9:
		return fmt.Errorf("entry %q has fields that cannot be", e.Path)
	case e.Kind == File && e.Size == 0 && e.Digest != emptyDigest:
		return fmt.Errorf("entry %q has no content and the digest of one", e.Path)
	case e.Implied && e.Kind != Directory, e.Kind != File && (e.Size != 0 || e.Digest != Digest{}):
		return fmt.Errorf("entry %q has fields that %s cannot have", e.Path, e.Kind)
	}
	clean, err := CleanPath(e.Path)
	if err == nil && clean != e.Path {
		err = fmt.Errorf("entry %q is no clean path", e.Path)
	}
	return err
}

// checkPlace checks that e may stand where it does, and adds it to shape.
func checkPlace(shape Shape, e Entry) error {
	parent := path.Dir(e.Path)
	if shape.Kinds[parent] != Directory {
		return unsafe(e.Path, "it goes through %s, which is %s", parent, shape.Kinds[parent])
	}
	kind, target := e.Kind, e.Target
	if e.Kind == Link {
		if kind = shape.Kinds[e.Target]; kind != File && kind != Symlink {
			return unsafe(e.Path, "it links to %s, which is %s in the release", e.Target, kind)
		}
		target = shape.Targets[e.Target]
	}
	if kind == Symlink {
		if err := shape.AdmitSymlink(e.Path, target); err != nil {
			return err
		}
		shape.Targets[e.Path] = target
	}
	shape.Kinds[e.Path] = kind
	return nil
}
