package delta

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"deliver/manifest"
)

// Delta is what a stream is made of.
type Delta struct {
	// Difference is that of the manifests; empty where the far side has the
	// target's already.
	Difference []byte
	Target     *manifest.Manifest
	Base       *manifest.Manifest // of Needs' old entries; nil without any
	Needs      []Need             // in the order of their entries
	// Open gives a content of the target.
	Open func(entry int) (io.ReadCloser, error)
	// Old gives a content of base, where it is at hand; it may be nil.
	Old func(entry int) (io.ReaderAt, bool)
}

// Placed tells where in a stream a frame is, so that a content can be read
// from it later.
type Placed struct {
	Start   int64 // of the frame
	Offset  int64 // of its compressed bytes
	Size    int
	Raw     int
	Entries []int
}

// Ends are what stands before and after the frames of a stream without a
// difference: with some frames of another one between them they are a stream of
// the contents in these. A content that goes on in the next frame needs both.
func Ends() (before, after []byte) {
	return []byte{0, 0}, []byte{0}
}

// Write writes the stream. It holds a few frames in memory, however large the
// contents are. placed, which may be nil, is told of each frame.
func Write(w io.Writer, d Delta, placed func(Placed)) error {
	p := &packer{to: w, placed: placed, queue: make(chan *frame, runtime.GOMAXPROCS(0))}
	done := make(chan error, 1)
	go func() { done <- p.drain() }()
	err := p.fill(d)
	close(p.queue)
	if drained := <-done; err == nil {
		err = drained
	}
	if err == nil {
		err = p.write(binary.AppendUvarint(nil, 0))
	}
	return err
}

// packer compresses frames beside each other and writes them in order.
type packer struct {
	to     io.Writer
	at     int64
	placed func(Placed)
	queue  chan *frame
	idle   sync.Pool // of []byte: what held contents
	compressors
}

// frame is one frame under way.
type frame struct {
	entries []int
	windows []window
	raw     []byte
	dict    []byte
	packed  chan []byte
}

func (p *packer) fill(d Delta) error {
	if err := p.difference(d.Difference); err != nil {
		return err
	}
	f := p.frame()
	for _, need := range d.Needs {
		var err error
		if f, err = p.content(d, need, f); err != nil {
			return fmt.Errorf("pack %s: %w", d.Target.Entries[need.Entry].Path, err)
		}
	}
	if len(f.raw) > 0 {
		p.send(f)
	}
	return nil
}

func (p *packer) difference(raw []byte) error {
	var packed []byte
	if len(raw) > 0 {
		var err error
		if packed, err = p.compress(raw, nil); err != nil {
			return err
		}
	}
	head := binary.AppendUvarint(nil, uint64(len(raw)))
	return p.write(append(binary.AppendUvarint(head, uint64(len(packed))), packed...))
}

// content puts a content into f, and into further frames where it is larger.
func (p *packer) content(d Delta, need Need, f *frame) (*frame, error) {
	size := d.Target.Entries[need.Entry].Size
	if size <= smallContent && int64(len(f.raw))+size > frameSize {
		p.send(f)
		f = p.frame()
	}
	content, err := d.Open(need.Entry)
	if err != nil {
		return f, err
	}
	defer content.Close()
	old, oldSize := d.old(need)
	for offset := int64(0); offset < size; {
		if len(f.raw) >= frameSize {
			p.send(f)
			f = p.frame()
		}
		n := int(min(size-offset, int64(frameSize-len(f.raw))))
		if win, ok := around(need.Old, oldSize, offset, n); ok {
			f.learn(old, win)
		}
		if err := f.take(content, need.Entry, n); err != nil {
			return f, err
		}
		offset += int64(n)
	}
	return f, nil
}

func (d Delta) old(need Need) (io.ReaderAt, int64) {
	if need.Old == None || d.Old == nil {
		return nil, 0
	}
	old, ok := d.Old(need.Old)
	if !ok {
		return nil, 0
	}
	return old, d.Base.Entries[need.Old].Size
}

// learn adds part of an old file to the dictionary, where there is room. One
// that can't be read is left out: the frame is larger then.
func (f *frame) learn(old io.ReaderAt, win window) {
	if len(f.dict)+win.size > mostDictionary {
		return
	}
	part := make([]byte, win.size)
	if n, _ := old.ReadAt(part, win.offset); n < win.size {
		return
	}
	f.dict = append(f.dict, part...)
	f.windows = append(f.windows, win)
}

func (f *frame) take(content io.Reader, entry, n int) error {
	if cap(f.raw) == 0 {
		f.raw = make([]byte, 0, max(n, 64<<10))
	}
	at := len(f.raw)
	f.raw = slices.Grow(f.raw, n)[:at+n]
	if _, err := io.ReadFull(content, f.raw[at:]); err != nil {
		return fmt.Errorf("its content ends early: %w", err)
	}
	f.entries = append(f.entries, entry)
	return nil
}

// frame is an empty one.
func (p *packer) frame() *frame {
	f := &frame{}
	if raw, ok := p.idle.Get().(*[]byte); ok {
		f.raw = (*raw)[:0]
	}
	return f
}

func (p *packer) send(f *frame) {
	f.packed = make(chan []byte, 1)
	p.queue <- f
	go func() {
		packed, err := p.compress(f.raw, f.dict)
		if err != nil {
			packed = nil // never in memory; drain says so
		}
		f.packed <- packed
	}()
}

// drain writes the frames as they are ready. After a failure it only empties
// the queue, so that fill comes to its end.
func (p *packer) drain() error {
	var failed error
	for f := range p.queue {
		packed := <-f.packed
		switch {
		case failed != nil:
		case packed == nil:
			failed = fmt.Errorf("compress a frame of %d bytes", len(f.raw))
		default:
			failed = p.writeFrame(f, packed)
		}
		p.idle.Put(&f.raw)
	}
	return failed
}

func (p *packer) writeFrame(f *frame, packed []byte) error {
	head := binary.AppendUvarint(nil, uint64(len(f.raw)))
	head = binary.AppendUvarint(head, uint64(len(packed)))
	head = binary.AppendUvarint(head, uint64(len(f.windows)))
	for _, win := range f.windows {
		head = binary.AppendUvarint(head, uint64(win.entry))
		head = binary.AppendUvarint(head, uint64(win.offset))
		head = binary.AppendUvarint(head, uint64(win.size))
	}
	head = binary.AppendUvarint(head, uint64(len(f.entries)))
	last := 0
	for _, n := range f.entries {
		head = binary.AppendUvarint(head, uint64(n-last))
		last = n
	}
	start := p.at
	if err := p.write(head); err != nil {
		return err
	}
	if p.placed != nil {
		p.placed(Placed{Start: start, Offset: p.at, Size: len(packed), Raw: len(f.raw), Entries: f.entries})
	}
	return p.write(packed)
}

func (p *packer) write(b []byte) error {
	n, err := p.to.Write(b)
	p.at += int64(n)
	return err
}
