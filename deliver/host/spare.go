package host

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// Most of what an update costs a server is to make thousands of directories and
// give tens of thousands of files another name in them. A spare tree has these
// already: it is laid out of the release that runs when its delivery is over and
// nobody waits, and the next release of the same files begins with it. Nothing
// depends on it: what is not as it was left is made in the usual way.

// LinkNow is the Place.Link of those who want no spare tree.
const LinkNow = "now"

const (
	// spareWorth is how many files a release has for which a spare tree is laid
	// out. Fewer are linked before anybody notices.
	spareWorth = 1000
	// spareShare is which part of the free disk and inodes its directories may take.
	spareShare = 20
	// spareNoteName is the file beside the tree.
	spareNoteName = "of"
)

func (l *Local) spare() string { return l.state("spare") }

// spareNote says what a spare tree was made of.
type spareNote struct {
	id   string          // of the release
	tree manifest.Digest // of that
	// directories are the inodes of all directories of the manifest, in its order:
	// whoever puts something into one changes that. Number 0: it was not made.
	directories []inode
}

func (s spareNote) encode() []byte {
	out := binary.LittleEndian.AppendUint32(s.tree[:], uint32(len(s.id)))
	return sealed(append(append(out, s.id...), encodeInodes(s.directories)...))
}

// readSpare is the note of the spare tree, if there is one.
func (l *Local) readSpare() (spareNote, bool) {
	file, err := os.ReadFile(filepath.Join(l.spare(), spareNoteName))
	if err != nil {
		return spareNote{}, false
	}
	content, ok := unsealed(file)
	f := &fields{rest: content}
	var s spareNote
	copy(s.tree[:], f.take(uint64(len(s.tree))))
	s.id = string(f.take(f.number(4)))
	s.directories = decodeInodes(f.rest)
	return s, ok && !f.short
}

// layOut makes the spare tree of the release that runs, if that has at least so many
// files. What fails here costs the next delivery time and nothing else.
func (l *Local) layOut(ctx context.Context, atLeast int) error {
	if l.place.Link != "" {
		return nil
	}
	an, b, err := l.beginSpare(ctx, atLeast)
	if err != nil || an == nil {
		return err
	}
	defer b.close()
	defer an.close()
	a, err := newAssembly(an.manifest, b.tree())
	if err != nil {
		return err
	}
	defer a.close()
	if an.clones = an.probe(a); an.clones {
		return nil // each release has files of its own, which cost next to nothing
	}
	a.share(l.anyShared)
	for _, t := range an.trees {
		a.lead(t)
	}
	if err := a.directories(); err != nil {
		return err
	}
	if err := a.linkAll(ctx, an); err != nil {
		return errors.Join(err, l.relinked(ctx, an, a))
	}
	return l.endSpare(ctx, an, a, b)
}

// beginSpare is nil where there is nothing to do. What takes long is not done
// under the lock: a thread that lets all others go first would let those wait
// who want it.
func (l *Local) beginSpare(ctx context.Context, atLeast int) (*ancestor, *berth, error) {
	old := ""
	defer func() { _ = removeTree(old) }() // or the next Update does
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	an, err := l.worthASpare(atLeast)
	if err != nil || an == nil {
		return nil, nil, err
	}
	var b *berth
	if old, err = l.hideSpare(); err == nil { // of another release
		b, err = l.newBerth("spare")
	}
	if err == nil {
		if err = os.Mkdir(b.tree(), 0o700); err != nil {
			b.close()
		}
	}
	if err != nil {
		an.close()
		return nil, nil, err
	}
	return an, b, nil
}

// worthASpare is the release that runs; nil where it needs no spare tree, has
// one, or somebody delivers, who is not to be disturbed.
func (l *Local) worthASpare(atLeast int) (*ancestor, error) {
	id, err := l.currentID()
	if err != nil || id == "" {
		return nil, err
	}
	if note, is := l.readSpare(); is && note.id == id {
		return nil, nil
	}
	if lease, err := l.readLease(); err != nil || lease.Held() {
		return nil, err
	}
	k, err := l.kept(id)
	if err != nil || !l.hasRoomForSpare(k, atLeast) {
		return nil, err
	}
	return l.ancestorOf(id, k)
}

func (l *Local) hasRoomForSpare(k *keeping, atLeast int) bool {
	const block = 4096 // of a directory
	files, directories := 0, uint64(0)
	for n, e := range k.manifest.Entries {
		switch {
		case e.Kind == manifest.Directory:
			directories++
		case e.Kind == manifest.File && k.inodes[n].Number != 0:
			files++
		}
	}
	bytes, inodes, err := free(l.root)
	return err == nil && files >= atLeast && directories*block < bytes/spareShare && directories < inodes/spareShare
}

// anyShared spares all shared paths, whether they are there or not.
func (l *Local) anyShared(name string) (below, there bool) {
	for _, top := range l.place.SharedPaths {
		if within(name, filepath.Clean(top)) {
			return true, true
		}
	}
	return false, false
}

// linkAll gives every file of the ancestor that is as it was a name in a's tree.
// It does so on one thread, that of its caller.
func (a *assembly) linkAll(ctx context.Context, an *ancestor) error {
	for _, f := range families(a.target, a.wanted()) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := a.linkFamily(an, f); err != nil {
			return err
		}
	}
	return nil
}

func (a *assembly) linkFamily(an *ancestor, f family) error {
	old, err := an.site.open(f.dir)
	if err != nil {
		return err
	}
	defer old.close()
	dir, err := a.top.open(f.dir)
	if err != nil {
		return err
	}
	defer dir.close()
	for _, n := range f.children {
		h := heir{tree: a, ancestor: an, old: old, dir: dir, from: n, n: n}
		var st unix.Stat_t
		if !h.stands(&st) || !h.shares(&st) {
			continue
		}
		if _, err := h.link(&st); err != nil {
			return err
		}
	}
	return nil
}

// endSpare makes what was laid out the spare tree.
func (l *Local) endSpare(ctx context.Context, an *ancestor, a *assembly, b *berth) error {
	note := spareNote{id: an.id, tree: an.tree()}
	for n, e := range a.target.Entries {
		if e.Kind != manifest.Directory {
			continue
		}
		var is inode
		if !a.spared[n] {
			var err error
			if is, err = a.leave(n); err != nil {
				return err
			}
		}
		note.directories = append(note.directories, is)
	}
	if err := os.WriteFile(b.path(spareNoteName), note.encode(), 0o600); err != nil {
		return err
	}
	if err := l.relinked(ctx, an, a); err != nil {
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	b.kept = true
	return os.Rename(b.dir.Name(), l.spare())
}

// relinked takes down what the files of the release show, now that they have
// one more name.
func (l *Local) relinked(ctx context.Context, an *ancestor, a *assembly) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, there := l.shelved(an.id); !there {
		return nil
	}
	for n, made := range a.made {
		if made {
			an.inodes[n] = a.inodes[n]
		}
	}
	return l.keep(an.id, an.keeping)
}

// dropSpare removes the spare tree, if there is one.
func (l *Local) dropSpare() error {
	bin, err := l.hideSpare()
	if err != nil {
		return err
	}
	return removeTree(bin)
}

// hideSpare takes the spare tree away, if there is one. What is to be removed is
// in bin.
func (l *Local) hideSpare() (bin string, err error) {
	bin, err = l.hide(l.spare(), "spare")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return bin, err
}

// dropSpareOf removes the spare tree if it is of one of these releases, which
// are gone: it would keep their files.
func (l *Local) dropSpareOf(ids []string) error {
	if note, is := l.readSpare(); is && slices.Contains(ids, note.id) {
		return l.dropSpare()
	}
	return nil
}

// leave gives the directory of entry n, which is filled, the mode that it has in
// the release, but that it stays open to its owner, and says what it shows then.
func (a *assembly) leave(n int) (inode, error) {
	dir, err := a.top.open(a.target.Entries[n].Path)
	if err != nil {
		return inode{}, err
	}
	defer dir.close()
	if n != 0 {
		err = unix.Fchmod(int(dir), a.directoryMode(a.target.Entries[n], true))
	}
	var st unix.Stat_t
	if err == nil {
		err = unix.Fstat(int(dir), &st)
	}
	return directoryOf(&st, n), err
}

// directoryOf is what the directory of entry n shows. The one that a whole tree is
// will be renamed: its change time says nothing.
func directoryOf(st *unix.Stat_t, n int) inode {
	is := inodeOf(st)
	if n == 0 {
		is.Changed = 0
	}
	return is
}
