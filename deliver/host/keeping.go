package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
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
	inodes   []inode
}

// The file of a keeping is the SHA-256 of what follows, the length of the
// manifest, the manifest, and the inodes.

func (k *keeping) encode() []byte {
	encoded := k.manifest.Encode()
	out := make([]byte, sha256.Size, sha256.Size+8+len(encoded)+len(k.inodes)*inodeSize)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(encoded)))
	out = append(out, encoded...)
	for _, i := range k.inodes {
		out = binary.LittleEndian.AppendUint64(out, i.Number)
		out = binary.LittleEndian.AppendUint64(out, uint64(i.Modified))
		out = binary.LittleEndian.AppendUint64(out, uint64(i.Changed))
	}
	sum := sha256.Sum256(out[sha256.Size:])
	copy(out, sum[:])
	return out
}

var errKeeping = errors.New("it is damaged")

func decodeKeeping(content []byte) (*keeping, error) {
	if len(content) < sha256.Size+8 {
		return nil, errKeeping
	}
	if sum := sha256.Sum256(content[sha256.Size:]); !bytes.Equal(sum[:], content[:sha256.Size]) {
		return nil, errKeeping
	}
	content = content[sha256.Size:]
	size := binary.LittleEndian.Uint64(content)
	content = content[8:]
	if size > uint64(len(content)) {
		return nil, errKeeping
	}
	m, err := manifest.Decode(content[:size])
	if err != nil {
		return nil, err
	}
	content = content[size:]
	if len(content) != len(m.Entries)*inodeSize {
		return nil, errKeeping
	}
	k := &keeping{manifest: m, inodes: make([]inode, len(m.Entries))}
	for n := range k.inodes {
		at := content[n*inodeSize:]
		k.inodes[n] = inode{
			Number:   binary.LittleEndian.Uint64(at),
			Modified: int64(binary.LittleEndian.Uint64(at[8:])),
			Changed:  int64(binary.LittleEndian.Uint64(at[16:])),
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
	return k.manifest.Encode(), nil
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
	return k, nil
}

// keep writes down again what is remembered of release id.
func (l *Local) keep(id string, k *keeping) error {
	return l.wrap("remember "+id, renameio.WriteFile(l.keepingFile(id), k.encode(), 0o644, renameio.WithTempDir(l.incoming())))
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
