package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"deliver/delta"
	"deliver/manifest"
)

// A pack is a stream of package delta without old files, and an index of it
// beside: for each part of a content, in order, the digest of the content, where
// the frame is, and where in the frame the part is.

// largest is the content that is worth being held in memory.
const largest = 64 << 20

// part is an entry of the index.
type part struct {
	digest manifest.Digest
	offset int64 // of the frame in the pack
	packed uint32
	raw    uint32
	at     uint32 // in the raw frame
	size   uint32
}

const partSize = sha256.Size + 8 + 4*4

func (p part) append(out []byte) []byte {
	out = append(out, p.digest[:]...)
	out = binary.LittleEndian.AppendUint64(out, uint64(p.offset))
	for _, n := range []uint32{p.packed, p.raw, p.at, p.size} {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out
}

func partOf(b []byte) part {
	n := b[sha256.Size+8:]
	return part{
		digest: manifest.Digest(b[:sha256.Size]), offset: int64(binary.LittleEndian.Uint64(b[sha256.Size:])),
		packed: binary.LittleEndian.Uint32(n), raw: binary.LittleEndian.Uint32(n[4:]),
		at: binary.LittleEndian.Uint32(n[8:]), size: binary.LittleEndian.Uint32(n[12:]),
	}
}

// Packing is a pack that is being written.
type Packing struct {
	cache  *Cache
	tree   manifest.Digest
	target *manifest.Manifest
	file   *os.File
	index  []byte
	last   int   // entry
	done   int64 // of its content
}

// Pack begins the pack of a tree, whose manifest is target: what is written to its
// File becomes one by Keep. It is nil where there is no cache, or the tree's pack already.
func (c *Cache) Pack(tree manifest.Digest, target *manifest.Manifest) *Packing {
	if c == nil {
		return nil
	}
	if _, err := os.Stat(c.path(tree, "pack")); err == nil {
		return nil
	}
	file, err := os.CreateTemp(c.dir, ".pack-")
	if err != nil {
		return nil
	}
	return &Packing{cache: c, tree: tree, target: target, file: file, last: delta.None}
}

// File is where the stream is to be written.
func (p *Packing) File() *os.File { return p.file }

// Placed takes down where a frame is.
func (p *Packing) Placed(f delta.Placed) {
	at := 0
	for _, n := range f.Entries {
		if n != p.last {
			p.last, p.done = n, 0
		}
		e := p.target.Entries[n]
		size := int(min(e.Size-p.done, int64(f.Raw-at)))
		p.index = part{e.Digest, f.Offset, uint32(f.Size), uint32(f.Raw), uint32(at), uint32(size)}.append(p.index)
		p.done += int64(size)
		at += size
	}
}

// Keep makes the pack one that is found. The file stays open.
func (p *Packing) Keep() {
	if p.cache.save(p.cache.path(p.tree, "index"), p.index) != nil {
		p.Drop()
		return
	}
	_ = os.Rename(p.file.Name(), p.cache.path(p.tree, "pack"))
	p.cache.shrink()
}

// Drop takes the name away from the pack.
func (p *Packing) Drop() { _ = os.Remove(p.file.Name()) }

// Find gives those of the contents that are in the packs and are whole.
func (c *Cache) Find(wanted map[manifest.Digest]bool) map[manifest.Digest]io.ReaderAt {
	found := map[manifest.Digest]io.ReaderAt{}
	if c == nil || len(wanted) == 0 {
		return found
	}
	indexes, err := filepath.Glob(filepath.Join(c.dir, "*.index"))
	if err != nil {
		return found
	}
	for _, name := range indexes {
		search(name, wanted, found)
	}
	return found
}

func search(name string, wanted map[manifest.Digest]bool, found map[manifest.Digest]io.ReaderAt) {
	index, err := os.ReadFile(name)
	if err != nil {
		return
	}
	pack, err := os.Open(strings.TrimSuffix(name, ".index") + ".pack")
	if err != nil {
		return
	}
	defer pack.Close()
	u := &unpacking{pack: pack}
	for len(index) >= partSize {
		digest := partOf(index).digest
		n := partSize
		for len(index) >= n+partSize && partOf(index[n:]).digest == digest {
			n += partSize
		}
		if wanted[digest] && found[digest] == nil {
			if whole, ok := u.content(index[:n]); ok {
				found[digest] = bytes.NewReader(whole)
			}
		}
		index = index[n:]
	}
}

// unpacking reads contents of a pack; the last frame stays at hand, and what
// held it is used for the next.
type unpacking struct {
	pack   *os.File
	at     int64
	frame  []byte
	room   []byte
	packed []byte
}

// content puts one together, and is false where it is not the one that the
// index says.
func (u *unpacking) content(parts []byte) ([]byte, bool) {
	var whole []byte
	want := partOf(parts).digest
	for ; len(parts) >= partSize; parts = parts[partSize:] {
		p := partOf(parts)
		raw, ok := u.read(p)
		if !ok || int64(p.at)+int64(p.size) > int64(len(raw)) || len(whole)+int(p.size) > largest {
			return nil, false
		}
		whole = append(whole, raw[p.at:p.at+p.size]...)
	}
	return whole, sha256.Sum256(whole) == want
}

func (u *unpacking) read(p part) ([]byte, bool) {
	if u.frame != nil && u.at == p.offset {
		return u.frame, true
	}
	if p.packed > largest {
		return nil, false
	}
	u.frame, u.packed = nil, slices.Grow(u.packed[:0], int(p.packed))[:p.packed]
	if _, err := u.pack.ReadAt(u.packed, p.offset); err != nil {
		return nil, false
	}
	raw, err := delta.Unpack(u.room, u.packed, int(p.raw))
	if err != nil {
		return nil, false
	}
	u.at, u.frame, u.room = p.offset, raw, raw
	return raw, true
}
