package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
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
	group   errgroup.Group
	full    sync.Pool // of []byte, to be used again
	mu      sync.Mutex
	offsets map[manifest.Digest]int64 // the first place of each content
	block   []byte
	small   []content
}

// content is one that stands in a block.
type content struct {
	node  *manifest.Node
	size  int
	start int64 // in the tar
}

func newDigests(offsets map[manifest.Digest]int64) *digests {
	d := &digests{offsets: offsets}
	d.group.SetLimit(2) // there is a limit to what waits in memory
	return d
}

// room is where a small content is to be read to; nil for one that is large.
func (d *digests) room(size int64) []byte {
	if size > handedOver {
		return nil
	}
	if len(d.block)+int(size) > cap(d.block) {
		d.flush()
		d.block, _ = d.full.Get().([]byte)
		if d.block == nil {
			d.block = make([]byte, 0, handedOver)
		}
		d.block = d.block[:0]
	}
	at := len(d.block)
	d.block = d.block[:at+int(size)]
	return d.block[at:]
}

// add takes the digest of what room was for.
func (d *digests) add(c content) { d.small = append(d.small, c) }

func (d *digests) flush() {
	block, contents := d.block, d.small
	d.block, d.small = nil, nil
	if len(contents) == 0 {
		return
	}
	d.group.Go(func() error {
		rest := block
		for _, c := range contents {
			c.node.Digest = sha256.Sum256(rest[:c.size])
			rest = rest[c.size:]
			d.place(c.node.Digest, c.start)
		}
		d.full.Put(block) //nolint:staticcheck // the header of a slice is small beside it
		return nil
	})
}

func (d *digests) place(digest manifest.Digest, start int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.offsets[digest]; !ok || start < at {
		d.offsets[digest] = start
	}
}

// settle waits until all are there.
func (d *digests) settle() {
	d.flush()
	_ = d.group.Wait() // it never fails
}

// copying writes what it is given to another writer, and takes the digest of it.
type copying struct {
	to     io.Writer
	sum    hash.Hash
	size   int64
	block  []byte
	blocks chan []byte
	used   chan []byte
	done   chan struct{}
	failed chan struct{}
	err    error // of the other writer; set before failed is closed
}

func newCopying(to io.Writer) *copying {
	const underWay = 4
	c := &copying{to: to, sum: sha256.New(), blocks: make(chan []byte, underWay), used: make(chan []byte, underWay+2), done: make(chan struct{}), failed: make(chan struct{})}
	go c.work()
	return c
}

func (c *copying) work() {
	defer close(c.done)
	for block := range c.blocks {
		c.sum.Write(block)
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

// settle waits until all is written, and gives its SHA-256.
func (c *copying) settle() (string, error) {
	if c.block != nil {
		c.pass()
	}
	close(c.blocks)
	<-c.done
	return hex.EncodeToString(c.sum.Sum(nil)), c.err
}
