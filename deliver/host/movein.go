package host

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// takeSpare has the spare tree lie in the berth, if nobody has put anything into
// it, and gives the release that it is of. Mostly that is the one, base, of which
// the new one is made anyway.
func (l *Local) takeSpare(b *berth, base *ancestor) *ancestor {
	note, is := l.readSpare()
	if !is || l.place.Link != "" {
		return nil
	}
	of := base
	if base == nil || note.id != base.id || note.tree != base.tree() {
		var err error
		if of, err = l.ancestor(note.id, note.tree); err != nil {
			return nil
		}
	}
	if os.Rename(filepath.Join(l.spare(), "tree"), b.tree()) == nil { // else somebody has taken it
		_ = removeTree(l.spare()) // what stays is removed by whoever lays out the next one
		if note.describes(of, b.tree()) {
			return of
		}
		_ = removeTree(b.tree()) // what stays is in the way of the tree that is made instead, which says so
	}
	if of != base {
		of.close()
	}
	return nil
}

// describes says whether the directories in dir are those of the note, with
// just what was put into them.
func (s spareNote) describes(an *ancestor, dir string) bool {
	a, err := newAssembly(an.manifest, dir)
	if err != nil {
		return false
	}
	defer a.close()
	rest := s.directories
	for n, e := range an.manifest.Entries {
		if e.Kind != manifest.Directory {
			continue
		}
		if len(rest) == 0 {
			return false
		}
		was := rest[0]
		rest = rest[1:]
		if was.Number == 0 {
			continue
		}
		if now, err := a.directoryNow(n); err != nil || now != was {
			return false
		}
	}
	return len(rest) == 0
}

// moveIn makes of the spare tree of an ancestor, which lies in a's place
// already, what it can be of a's tree: files that are what they are to be
// stay, and their directories. All others go.
func (a *assembly) moveIn(an *ancestor) error {
	var files []int
	for n, e := range an.manifest.Entries {
		if e.Kind == manifest.File {
			files = append(files, n)
		}
	}
	err := eachFamily(a.openIfThere, an.manifest, files, func(dir dirFD, f family) error {
		if dir < 0 {
			return nil
		}
		for _, from := range f.children {
			if err := a.moveInOne(an, dir, from); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.moveInDirectories(an)
}

// openIfThere is -1 for a directory of a shared path, which was not laid out.
func (a *assembly) openIfThere(name string) (dirFD, error) {
	dir, err := a.top.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	return dir, err
}

func (a *assembly) moveInOne(an *ancestor, dir dirFD, from int) error {
	was := an.manifest.Entries[from]
	if n, ok := a.target.Find(was.Path); ok && a.target.Entries[n].Kind == manifest.File && !a.spared[n] && a.target.May(n, was.Digest) {
		h := heir{tree: a, ancestor: an, old: dir, dir: dir, from: from, n: n}
		var st unix.Stat_t
		if h.stands(&st) && h.shares(&st) && a.target.Complete(n, was.Digest) {
			a.made[n], a.inodes[n] = true, inodeOf(&st)
			return nil
		}
	}
	if err := unix.Unlinkat(int(dir), path.Base(was.Path), 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "remove", Path: was.Path, Err: err}
	}
	return nil
}

// moveInDirectories removes the deepest first: they are empty.
func (a *assembly) moveInDirectories(an *ancestor) error {
	for n, e := range slices.Backward(an.manifest.Entries) {
		if e.Kind != manifest.Directory || n == 0 {
			continue
		}
		at, ok := a.target.Find(e.Path)
		if ok && a.target.Entries[at].Kind == manifest.Directory && !a.spared[at] {
			var st unix.Stat_t
			a.made[at] = a.top.stat(e.Path, &st) == nil
			continue
		}
		if err := unix.Unlinkat(int(a.top), e.Path, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "remove", Path: e.Path, Err: err}
		}
	}
	return nil
}
