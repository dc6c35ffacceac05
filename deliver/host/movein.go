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

// takeSpare has the spare tree lie in the berth, and gives it. Mostly it is of the
// release, base, of which the new one is made anyway.
func (l *Local) takeSpare(b *berth, base *ancestor) *headStart {
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
		if start, ok := newHeadStart(of, note); ok {
			return start
		}
		_ = removeTree(b.tree()) // what stays is in the way of the tree that is made instead, which says so
	}
	if of != base {
		of.close()
	}
	return nil
}

// headStart is a spare tree with which a new one begins.
type headStart struct {
	*ancestor         // which it is of
	was       []inode // by entry: what its directories showed when it was left
}

func newHeadStart(of *ancestor, note spareNote) (*headStart, bool) {
	s := &headStart{of, make([]inode, len(of.manifest.Entries))}
	rest := note.directories
	for n := range of.manifest.Entries {
		if of.manifest.Entries[n].Kind != manifest.Directory {
			continue
		}
		if len(rest) == 0 {
			return nil, false
		}
		s.was[n], rest = rest[0], rest[1:]
	}
	return s, len(rest) == 0
}

var errSpareChanged = errors.New("the spare tree is not as it was left")

// moveIn makes of the spare tree, which lies in a's place already, what it can be of a's
// tree: files that are what they are to be stay, and their directories. All others
// go. It is an error where somebody has put anything into it.
func (a *assembly) moveIn(s *headStart) error {
	files := make([][]int, len(s.manifest.Entries))
	var directories []int
	for n := range s.manifest.Entries {
		switch s.manifest.Entries[n].Kind {
		case manifest.File:
			dir := s.manifest.Parent(n)
			files[dir] = append(files[dir], n)
		case manifest.Directory:
			if s.was[n].Number != 0 {
				directories = append(directories, n)
			}
		}
	}
	s.meet(a.target)
	if err := eachOf(directories, func(n int) error { return a.moveInFrom(s, n, files[n]) }); err != nil {
		return err
	}
	return a.dropDirectories(s, directories)
}

// moveInFrom moves in the directory of entry n, and the files in it.
func (a *assembly) moveInFrom(s *headStart, n int, files []int) error {
	dir, err := a.top.open(s.manifest.Entries[n].Path)
	if err != nil {
		return err
	}
	defer dir.close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir), &st); err != nil {
		return err
	}
	if directoryOf(&st, n) != s.was[n] {
		return errSpareChanged
	}
	if at := s.to[n]; at != manifest.None {
		a.modes[at] = st.Mode
	}
	for _, from := range files {
		if err := a.moveInOne(s.ancestor, dir, from); err != nil {
			return err
		}
	}
	return nil
}

func (a *assembly) moveInOne(an *ancestor, dir dirFD, from int) error {
	was := &an.manifest.Entries[from]
	if n := an.to[from]; n != manifest.None && a.target.Entries[n].Kind == manifest.File && !a.spared[n] && a.target.May(n, was.Digest) {
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

// dropDirectories removes those that are to be none, the deepest first: they are empty.
func (a *assembly) dropDirectories(s *headStart, directories []int) error {
	for _, n := range slices.Backward(directories) {
		at := s.to[n]
		if at != manifest.None && a.target.Entries[at].Kind == manifest.Directory && !a.spared[at] {
			a.made[at] = true
			continue
		}
		name := s.manifest.Entries[n].Path
		if err := unix.Unlinkat(int(a.top), name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "remove", Path: name, Err: err}
		}
	}
	return nil
}
