package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"deliver/manifest"
)

// The digests of a build take longer than all else that is done when it is
// read, and it is read before any server is asked: they are taken beside it.

// handedOver is what is handed over at once.
const handedOver = 256 << 10

// digests takes those of the contents.
type digests struct {
	file    io.ReaderAt // where the contents are read; nil: they are handed over
	group   errgroup.Group
	full    sync.Pool // of []byte, to be used again
	mu      sync.Mutex
	offsets map[manifest.Digest]int64 // the first place of each content
	block   []byte
	small   []content
}

// content is one whose digest is to be taken with those of others.
type content struct {
	node  *manifest.Node
	size  int64
	start int64 // in the tar
}

// newDigests takes digests of contents as they come. There is a limit to what
// waits in memory.
func newDigests(offsets map[manifest.Digest]int64) *digests {
	d := &digests{offsets: offsets}
	d.group.SetLimit(2)
	return d
}

// newDigestsOf takes digests of contents that a file has.
func newDigestsOf(file io.ReaderAt, offsets map[manifest.Digest]int64) *digests {
	const atOnce = 8
	d := &digests{file: file, offsets: offsets}
	d.group.SetLimit(min(max(runtime.GOMAXPROCS(0), 2), atOnce))
	return d
}

// room is where a small content is to be read to; nil for one that is large.
func (d *digests) room(size int64) []byte {
	if size > handedOver {
		return nil
	}
	if len(d.block)+int(size) > cap(d.block) {
		d.flush()
		d.block = d.empty()
	}
	at := len(d.block)
	d.block = d.block[:at+int(size)]
	return d.block[at:]
}

func (d *digests) empty() []byte {
	if block, ok := d.full.Get().([]byte); ok {
		return block[:0]
	}
	return make([]byte, 0, handedOver)
}

// add takes the digest of what is in the file, or in the room that was for it.
func (d *digests) add(c content) {
	if d.file != nil && len(d.small) > 0 && c.start+c.size-d.small[0].start > handedOver {
		d.flush()
	}
	d.small = append(d.small, c)
}

func (d *digests) flush() {
	block, contents := d.block, d.small
	d.block, d.small = nil, nil
	switch {
	case len(contents) == 0:
	case d.file == nil:
		d.group.Go(func() error {
			d.takeAll(block, contents)
			return nil
		})
	case contents[0].size > handedOver:
		d.group.Go(func() error { return d.takeLarge(contents[0]) })
	default:
		d.group.Go(func() error { return d.takeRead(contents) })
	}
}

// takeAll takes the digests of contents that follow each other in block.
func (d *digests) takeAll(block []byte, contents []content) {
	rest := block
	for _, c := range contents {
		d.set(c, sha256.Sum256(rest[:c.size]))
		rest = rest[c.size:]
	}
	d.full.Put(block) //nolint:staticcheck // the header of a slice is small beside it
}

// takeRead takes the digests of contents that are near each other in the file.
func (d *digests) takeRead(contents []content) error {
	first, last := contents[0], contents[len(contents)-1]
	block := d.empty()[:last.start+last.size-first.start]
	if _, err := d.file.ReadAt(block, first.start); err != nil {
		return whole(err)
	}
	for _, c := range contents {
		d.set(c, sha256.Sum256(block[c.start-first.start:][:c.size]))
	}
	d.full.Put(block) //nolint:staticcheck // as above
	return nil
}

func (d *digests) takeLarge(c content) error {
	block := d.empty()[:handedOver]
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, io.NewSectionReader(d.file, c.start, c.size), block)
	if err == nil && n < c.size {
		err = io.EOF
	}
	d.set(c, manifest.Digest(sum.Sum(nil)))
	d.full.Put(block) //nolint:staticcheck // as above
	return whole(err)
}

// whole is the error of a file that ends within a content.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *digests) set(c content, digest manifest.Digest) {
	c.node.Digest = digest
	d.place(digest, c.start)
}

func (d *digests) place(digest manifest.Digest, start int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.offsets[digest]; !ok || start < at {
		d.offsets[digest] = start
	}
}

// settle waits until all are there.
func (d *digests) settle() error {
	d.flush()
	return d.group.Wait()
}

// copying writes what it is given to another writer, and takes the digest of it
// where it is to be sealed.
type copying struct {
	to     io.Writer
	sum    hash.Hash // nil: nobody asks for it
	size   int64
	block  []byte
	blocks chan []byte
	used   chan []byte
	done   chan struct{}
	failed chan struct{}
	err    error // of the other writer; set before failed is closed
}

func newCopying(to io.Writer, sealed bool) *copying {
	const underWay = 4
	c := &copying{to: to, blocks: make(chan []byte, underWay), used: make(chan []byte, underWay+2), done: make(chan struct{}), failed: make(chan struct{})}
	if sealed {
		c.sum = sha256.New()
	}
	go c.work()
	return c
}

func (c *copying) work() {
	defer close(c.done)
	for block := range c.blocks {
		if c.sum != nil {
			c.sum.Write(block)
		}
		if _, err := c.to.Write(block); err != nil && c.err == nil {
			c.err = err
			close(c.failed)
		}
		c.used <- block[:0]
	}
}

// Write takes p over; an error of the other writer comes a little later.
func (c *copying) Write(p []byte) (int, error) {
	select {
	case <-c.failed:
		return 0, c.err
	default:
	}
	c.size += int64(len(p))
	for rest := p; len(rest) > 0; {
		if c.block == nil {
			c.block = c.empty()
		}
		n := min(len(rest), cap(c.block)-len(c.block))
		c.block, rest = append(c.block, rest[:n]...), rest[n:]
		if len(c.block) == cap(c.block) {
			c.pass()
		}
	}
	return len(p), nil
}

func (c *copying) empty() []byte {
	select {
	case block := <-c.used:
		return block
	default:
		return make([]byte, 0, handedOver)
	}
}

func (c *copying) pass() {
	c.blocks <- c.block
	c.block = nil
}

// settle waits until all is written, and gives its SHA-256 if that was asked for.
func (c *copying) settle() (string, error) {
	if c.block != nil {
		c.pass()
	}
	close(c.blocks)
	<-c.done
	if c.sum == nil {
		return "", c.err
	}
	return hex.EncodeToString(c.sum.Sum(nil)), c.err
}
