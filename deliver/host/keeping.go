package host

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// inode is a file as it was when its content was known. A file that shows
// anything else may have another content.
type inode struct {
	Number   uint64 // 0: the release has no file of its own there
	Modified int64  // nanoseconds
	Changed  int64  // nanoseconds; a write that sets the modification time back still shows here
}

const inodeSize = 24

func inodeOf(st *unix.Stat_t) inode {
	return inode{Number: st.Ino, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano()}
}

// keeping is what is remembered of a release's tree: its manifest, and for each
// entry the inode that it became.
type keeping struct {
	manifest *manifest.Manifest
	encoded  []byte          // the manifest, where it was encoded already
	digest   manifest.Digest // of that, where it is known
	trees    []keptTree
	inodes   []inode
}

// The file of a keeping is the SHA-256 of what follows, the length of the
// manifest, the manifest, the number of kept trees, the entry, the length of
// the name and the name of each, and the inodes that are not in these.

func (k *keeping) encode() []byte {
	encoded := k.encodedManifest()
	const numbers = 64 // the room for the rest, mostly
	out := make([]byte, sha256.Size, sha256.Size+len(encoded)+len(k.inodes)*inodeSize+numbers)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(encoded)))
	out = append(out, encoded...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(k.trees)))
	own := k.inodes
	if len(k.trees) > 0 {
		own = slices.Clone(own)
	}
	for _, t := range k.trees {
		out = binary.LittleEndian.AppendUint32(out, uint32(t.entry))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(t.name)))
		out = append(out, t.name...)
		clear(own[t.entry : t.entry+1+len(k.manifest.Below(t.entry))])
	}
	return seal(appendInodes(out, own))
}

func (k *keeping) encodedManifest() []byte {
	if k.encoded != nil {
		return k.encoded
	}
	return k.manifest.Encode()
}

// tree is the digest of the manifest.
func (k *keeping) tree() manifest.Digest {
	if k.digest == (manifest.Digest{}) {
		k.digest = sha256.Sum256(k.encodedManifest())
	}
	return k.digest
}

func encodeInodes(inodes []inode) []byte {
	return appendInodes(make([]byte, 0, len(inodes)*inodeSize), inodes)
}

func appendInodes(out []byte, inodes []inode) []byte {
	for _, i := range inodes {
		out = binary.LittleEndian.AppendUint64(out, i.Number)
		out = binary.LittleEndian.AppendUint64(out, uint64(i.Modified))
		out = binary.LittleEndian.AppendUint64(out, uint64(i.Changed))
	}
	return out
}

func decodeInodes(encoded []byte) []inode {
	inodes := make([]inode, len(encoded)/inodeSize)
	for n := range inodes {
		at := encoded[n*inodeSize:]
		inodes[n] = inode{
			Number:   binary.LittleEndian.Uint64(at),
			Modified: int64(binary.LittleEndian.Uint64(at[8:])),
			Changed:  int64(binary.LittleEndian.Uint64(at[16:])),
		}
	}
	return inodes
}

var errKeeping = errors.New("it is damaged")

// parts are those of a keeping's file, not decoded yet.
type parts struct {
	manifest []byte
	trees    []keptTree
	inodes   []byte
}

func parseKeeping(file []byte) (parts, error) {
	content, ok := unsealed(file)
	r := &fields{rest: content}
	p := parts{manifest: r.take(r.number(8))}
	for range r.number(4) {
		entry := r.number(4)
		p.trees = append(p.trees, keptTree{entry: int(entry), name: string(r.take(r.number(4)))})
		if r.short {
			break
		}
	}
	p.inodes = r.rest
	if !ok || r.short || len(p.inodes)%inodeSize != 0 {
		return parts{}, errKeeping
	}
	return p, nil
}

// fields takes a file apart; short stays once it was.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(n uint64) []byte {
	if n > uint64(len(f.rest)) {
		f.rest, f.short = nil, true
		return nil
	}
	part := f.rest[:n]
	f.rest = f.rest[n:]
	return part
}

func (f *fields) number(size uint64) uint64 {
	var whole [8]byte
	copy(whole[:], f.take(size))
	return binary.LittleEndian.Uint64(whole[:])
}

func decodeKeeping(file []byte) (*keeping, error) {
	p, err := parseKeeping(file)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Decode(p.manifest)
	if err != nil {
		return nil, err
	}
	k := &keeping{manifest: m, encoded: p.manifest, trees: p.trees, inodes: decodeInodes(p.inodes)}
	if len(k.inodes) != len(m.Entries) {
		return nil, errKeeping
	}
	for _, t := range k.trees {
		if t.entry >= len(m.Entries) || m.Entries[t.entry].Kind != manifest.Directory || !filepath.IsLocal(t.name) {
			return nil, errKeeping
		}
	}
	return k, nil
}

func (l *Local) keepings() string             { return l.state("manifests") }
func (l *Local) keepingFile(id string) string { return filepath.Join(l.keepings(), id) }

// Manifest is the manifest of release id, as it is kept.
func (l *Local) Manifest(_ context.Context, id string) ([]byte, error) {
	if err := l.require(id); err != nil {
		return nil, err
	}
	k, err := l.kept(id)
	if err != nil {
		return nil, err
	}
	return k.encodedManifest(), nil
}

// kept is what is remembered of release id.
func (l *Local) kept(id string) (*keeping, error) {
	content, err := os.ReadFile(l.keepingFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noBase(id, "its manifest is not here")
	}
	if err != nil {
		return nil, l.wrap("read the manifest of "+id, err)
	}
	k, err := decodeKeeping(content)
	if err != nil {
		return nil, noBase(id, "its manifest: "+err.Error())
	}
	l.overlay(k)
	return k, nil
}

// keep writes down again what is remembered of release id.
func (l *Local) keep(id string, k *keeping) error {
	for _, t := range k.trees {
		if err := l.keepTree(k, t); err != nil {
			return l.wrap("remember "+id, err)
		}
	}
	return l.wrap("remember "+id, l.save(l.keepingFile(id), k.encode()))
}

// known is what all releases remember of files, whichever of them it was that
// looked last: a file that shows just this has this content.
func (l *Local) known() map[inode]manifest.Digest {
	known := map[inode]manifest.Digest{}
	entries, _ := os.ReadDir(l.keepings()) // one that cannot be read says nothing
	for _, e := range entries {
		k, err := l.kept(e.Name())
		if err != nil {
			continue
		}
		for n, was := range k.inodes {
			if was.Number != 0 {
				known[was] = k.manifest.Entries[n].Digest
			}
		}
	}
	return known
}

func noBase(id, why string) error {
	return &Error{
		Kind:    KindBase,
		Message: fmt.Sprintf("nothing can be made from release %s: %s", id, why),
		Hint:    "send the whole build, or what another release lacks",
	}
}
