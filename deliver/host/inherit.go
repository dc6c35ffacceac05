package host

import (
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// ancestor is a release that is here, from which another one is made. It is
// never changed.
type ancestor struct {
	*keeping
	id     string
	site   *site
	copied bool // LINK=copy: no file is shared with it
	clones bool // the file system shares blocks, so that no inode has to be

	to       []int         // by entry: that of the new tree with its path, or None
	from     []int         // by entry of the new tree: that with its path, or None
	taken    []atomic.Bool // entries whose inode another path of the new tree has
	byDigest map[manifest.Digest][]int
	known    func() map[inode]manifest.Digest // what other releases know of the same files
	doubtful atomic.Int64                     // bytes of files that show something else than they did
	mu       sync.Mutex
	damaged  []string
}

// worthAsking is how many bytes take longer to read than what all releases know.
const worthAsking = 4 << 20

// ancestor opens release id, which must be the tree of digest.
func (l *Local) ancestor(id string, want manifest.Digest) (*ancestor, error) {
	if err := l.require(id); err != nil {
		return nil, err
	}
	k, err := l.kept(id)
	if err != nil {
		return nil, err
	}
	if k.tree() != want {
		return nil, noBase(id, "it is another tree than expected")
	}
	return l.ancestorOf(id, k)
}

func (l *Local) ancestorOf(id string, k *keeping) (*ancestor, error) {
	at, err := l.openRelease(id, k)
	if err != nil {
		return nil, l.wrap("open release "+id, err)
	}
	an := &ancestor{keeping: k, id: id, site: at, copied: l.place.Link == LinkCopy, taken: make([]atomic.Bool, len(k.inodes))}
	an.known = sync.OnceValue(l.known)
	return an, nil
}

func (an *ancestor) close() { an.site.close() }

// meet finds which paths the new tree has, too.
func (an *ancestor) meet(target *manifest.Manifest) {
	if an.to == nil {
		an.to, an.from = an.manifest.Matches(target), target.Matches(an.manifest)
	}
}

// look finds the files with the contents of these entries of the new tree, and gives
// the entries for which there are any.
func (an *ancestor) look(target *manifest.Manifest, wanted []int) []int {
	found := map[manifest.Digest][]int{}
	for _, n := range wanted {
		found[target.Entries[n].Digest] = nil
	}
	for n := range an.manifest.Entries {
		e := &an.manifest.Entries[n]
		if e.Kind != manifest.File || an.inodes[n].Number == 0 {
			continue
		}
		if all, is := found[e.Digest]; is {
			found[e.Digest] = append(all, n)
		}
	}
	an.byDigest = found
	return slices.DeleteFunc(wanted, func(n int) bool { return len(found[target.Entries[n].Digest]) == 0 })
}

// read gives part of a file, as it is now.
func (an *ancestor) read(entry int, offset int64, part []byte) error {
	if entry >= len(an.manifest.Entries) || an.manifest.Entries[entry].Kind != manifest.File {
		return os.ErrNotExist
	}
	name := an.manifest.Entries[entry].Path
	dir, err := an.site.open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.close()
	fd, err := dir.read(path.Base(name))
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	_, err = f.ReadAt(part, offset)
	return err
}

// inherit makes all files whose content the ancestor has.
func (a *assembly) inherit(an *ancestor) error {
	wanted := an.look(a.target, a.wanted())
	if len(wanted) == 0 {
		return nil
	}
	an.meet(a.target)
	an.clones = !an.copied && an.probe(a)
	an.reserve(a.target)
	return a.each(wanted, func(dir dirFD, f family) error {
		old := &oldDirs{site: an.site}
		defer old.close()
		for _, n := range f.children {
			if err := a.inheritOne(an, old, dir, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// reserve keeps each inode for the path that has it already.
func (an *ancestor) reserve(target *manifest.Manifest) {
	for from, n := range an.to {
		if e := &an.manifest.Entries[from]; n != manifest.None && e.Kind == manifest.File && target.Entries[n].Digest == e.Digest {
			an.taken[from].Store(true)
		}
	}
}

// probe asks the file system, by the first file that there is.
func (an *ancestor) probe(a *assembly) bool {
	for n, e := range an.manifest.Entries {
		if e.Kind != manifest.File || e.Size == 0 || an.inodes[n].Number == 0 {
			continue
		}
		dir, err := an.site.open(path.Dir(e.Path))
		if err != nil {
			return false
		}
		defer dir.close()
		berth, err := openTop(path.Dir(a.path))
		if err != nil {
			return false
		}
		defer berth.close()
		return canShare(dir, path.Base(e.Path), berth)
	}
	return false
}

func (a *assembly) inheritOne(an *ancestor, old *oldDirs, dir dirFD, n int) error {
	e := a.target.Entries[n]
	for _, from := range an.candidates(e, n) {
		name := an.manifest.Entries[from].Path
		oldDir, err := old.open(path.Dir(name))
		if err != nil {
			an.damage(name)
			continue
		}
		h := heir{tree: a, ancestor: an, old: oldDir, dir: dir, from: from, n: n}
		if done, err := h.take(); done || err != nil {
			return err
		}
	}
	return nil
}

// candidates are the entries with the content of e, which is entry n of the new tree: the
// one at its own path, where that has it.
func (an *ancestor) candidates(e manifest.Entry, n int) []int {
	if from := an.from[n]; from != manifest.None {
		if was := &an.manifest.Entries[from]; was.Kind == manifest.File && was.Digest == e.Digest && an.inodes[from].Number != 0 {
			return an.from[n : n+1]
		}
	}
	if e.Size == 0 {
		return nil
	}
	return an.byDigest[e.Digest]
}

func (an *ancestor) damage(name string) {
	an.mu.Lock()
	defer an.mu.Unlock()
	an.damaged = append(an.damaged, name)
}

// oldDirs keeps the last directory of the ancestor open: most files of a
// directory come from one.
type oldDirs struct {
	site *site
	name string
	dir  dirFD
	is   bool
}

func (o *oldDirs) open(name string) (dirFD, error) {
	if o.is && o.name == name {
		return o.dir, nil
	}
	o.close()
	dir, err := o.site.open(name)
	if err != nil {
		return -1, err
	}
	o.name, o.dir, o.is = name, dir, true
	return dir, nil
}

func (o *oldDirs) close() {
	if o.is {
		o.dir.close()
		o.is = false
	}
}

// heir is one file of the new tree and the old file that it is made of.
type heir struct {
	tree     *assembly
	ancestor *ancestor
	old, dir dirFD // of the old file and of the new one
	from     int   // entry of the ancestor
	n        int   // entry of the tree
}

func (h heir) was() manifest.Entry { return h.ancestor.manifest.Entries[h.from] }
func (h heir) is() manifest.Entry  { return h.tree.target.Entries[h.n] }
func (h heir) oldName() string     { return path.Base(h.was().Path) }
func (h heir) name() string        { return path.Base(h.is().Path) }

// take makes the new file of the old one. It is false where the old one is not
// what it was.
func (h heir) take() (bool, error) {
	var st unix.Stat_t
	if !h.stands(&st) {
		h.ancestor.damage(h.was().Path)
		return false, nil
	}
	if h.shares(&st) && (h.was().Path == h.is().Path || !h.ancestor.taken[h.from].Swap(true)) {
		if done, err := h.link(&st); done || err != nil {
			return done, err
		}
	}
	return h.copy(&st)
}

// stands says whether the old file is there with its content, and how it looks.
func (h heir) stands(st *unix.Stat_t) bool {
	return h.old.stat(h.oldName(), st) == nil && h.genuine(st)
}

// genuine says whether the old file still has its content: it shows nothing
// else than when it was written or when another release was made of it, or it
// has been read again.
func (h heir) genuine(st *unix.Stat_t) bool {
	e := h.was()
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != e.Size {
		return false
	}
	now := inodeOf(st)
	if now == h.ancestor.inodes[h.from] {
		return true
	}
	if h.ancestor.doubtful.Add(e.Size) > worthAsking && h.ancestor.known()[now] == e.Digest {
		return true
	}
	fd, err := h.old.read(h.oldName())
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	d, err := digestOf(fd, e.Size)
	return err == nil && d == e.Digest && unix.Fstat(fd, st) == nil
}

// shares says whether the new file may be the old one's inode: it must have
// all that tar would give it. A time that most files of the archive bear is
// that of the archive, not of the file: the old one's stands for it.
func (h heir) shares(st *unix.Stat_t) bool {
	e := h.is()
	sec, nsec := st.Mtim.Unix()
	when := manifest.Time{Sec: sec, Nsec: int32(nsec)}
	return !h.ancestor.copied && !h.ancestor.clones && !h.tree.outside[h.n] &&
		st.Mode&0o7777 == h.tree.mode(e) && st.Uid == h.tree.uid && (h.tree.timeless[h.n] || h.tree.target.Bears(e) || when == e.Time)
}

// link gives the old inode a name in the new tree. Where an inode has as many
// names as it may, or this user may not name it, it is to be copied.
func (h heir) link(st *unix.Stat_t) (bool, error) {
	linked := retried(func() error { return unix.Linkat(int(h.old), h.oldName(), int(h.dir), h.name(), 0) }) == nil
	if !linked {
		return false, nil
	}
	var now unix.Stat_t
	if err := h.dir.stat(h.name(), &now); err != nil {
		return false, err
	}
	if now.Ino != st.Ino || now.Mtim != st.Mtim || now.Size != st.Size {
		return false, unix.Unlinkat(int(h.dir), h.name(), 0) // changed at this moment
	}
	h.tree.made[h.n], h.tree.inodes[h.n] = true, inodeOf(&now)
	return true, nil
}

func (h heir) copy(st *unix.Stat_t) (bool, error) {
	fd, err := h.old.read(h.oldName())
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if err := h.tree.copyFrom(fd, h.dir, h.n); err != nil {
		return false, err
	}
	var now unix.Stat_t
	if unix.Fstat(fd, &now) != nil || inodeOf(&now) != inodeOf(st) {
		h.tree.made[h.n] = false
		return false, unix.Unlinkat(int(h.dir), h.name(), 0) // changed at this moment
	}
	return true, nil
}
