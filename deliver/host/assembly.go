package host

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// assembly makes the tree of a manifest: directories first, then the files
// from wherever they are, at last what can only be set when nothing is
// written any more. Files of different directories are made beside each other.
type assembly struct {
	target *manifest.Manifest
	path   string // of the new tree
	top    dirFD
	uid    uint32 // whose the files are
	umask  uint32 // taken from the modes of entries
	plain  uint32 // mode of a directory that no entry speaks of

	outside  []bool // by entry: no file of the release's own, but one of a shared path or of a kept tree
	spared   []bool // by entry: not made, for what stands in its place is there
	lasting  []int  // directories that are to be kept
	timeless []bool // by entry: below one of these, where times do not count
	trees    []keptTree

	made   []bool            // by entry; each is only touched by whoever makes it
	inodes []inode           // by entry
	modes  []uint32          // by entry: of a directory that was moved in, as the kernel gives it
	keys   []manifest.Digest // of the contents, as they were before they were complete
	copies func() copies
	moved  []string // what has gone to its shared path
}

func newAssembly(target *manifest.Manifest, dir string) (*assembly, error) {
	top, err := openTop(dir)
	if err != nil {
		return nil, err
	}
	a := &assembly{
		target: target, path: dir, top: top, uid: uint32(unix.Geteuid()), umask: uint32(tarUmask()), plain: 0o777 &^ uint32(processUmask()),
		outside: make([]bool, len(target.Entries)), spared: make([]bool, len(target.Entries)),
		timeless: make([]bool, len(target.Entries)),
		made:     make([]bool, len(target.Entries)), inodes: make([]inode, len(target.Entries)), modes: make([]uint32, len(target.Entries)),
		keys: make([]manifest.Digest, len(target.Entries)),
	}
	for n := range target.Entries {
		a.keys[n] = target.Entries[n].Digest
	}
	a.copies = sync.OnceValue(a.unsettled)
	return a, nil
}

func (a *assembly) close() { a.top.close() }

// share has the entries that sharing knows lie at a shared path.
func (a *assembly) share(sharing func(name string) (below, there bool)) {
	for n := range a.target.Entries {
		below, there := sharing(a.target.Entries[n].Path)
		a.outside[n], a.spared[n] = below, below && there
	}
}

// directories makes all of them, for the owner alone while they are filled.
func (a *assembly) directories() error {
	for n, e := range a.target.Entries {
		if e.Kind != manifest.Directory || n == 0 || a.spared[n] || a.made[n] {
			continue
		}
		if err := unix.Mkdirat(int(a.top), e.Path, 0o700); err != nil {
			return &fs.PathError{Op: "mkdir", Path: e.Path, Err: err}
		}
	}
	return nil
}

// wanted are the files that are still to be made. What is spared is never made: it
// would give way to a link.
func (a *assembly) wanted() []int {
	var found []int
	for n := range a.target.Entries {
		if a.target.Entries[n].Kind == manifest.File && !a.made[n] && !a.spared[n] {
			found = append(found, n)
		}
	}
	return found
}

// each calls do for the directory of every entry that is asked for.
func (a *assembly) each(numbers []int, do func(dir dirFD, f family) error) error {
	return eachFamily(a.top.open, a.target, numbers, do)
}

// write makes the file of entry n with content, which is all of it. It is
// false where that is not the content that belongs there.
func (a *assembly) write(dir dirFD, n int, content []byte) (bool, error) {
	if !a.target.Complete(n, sha256.Sum256(content)) {
		return false, nil
	}
	e := a.target.Entries[n]
	fd, err := dir.create(path.Base(e.Path), a.mode(e))
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if err := writeAll(fd, content); err != nil {
		return false, &fs.PathError{Op: "write", Path: e.Path, Err: err}
	}
	return true, a.finish(dir, fd, n)
}

// finish gives an open file what its entry says, and remembers it.
func (a *assembly) finish(dir dirFD, fd, n int) error {
	e := a.target.Entries[n]
	var st unix.Stat_t
	err := unix.UtimesNanoAt(int(dir), path.Base(e.Path), timesOf(e.Time), unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	// A directory may give its files other modes by itself.
	if err == nil && st.Mode&0o7777 != a.mode(e) {
		if err = unix.Fchmod(fd, a.mode(e)); err == nil {
			err = unix.Fstat(fd, &st)
		}
	}
	if err != nil {
		return &fs.PathError{Op: "finish", Path: e.Path, Err: err}
	}
	a.made[n], a.inodes[n] = true, inodeOf(&st)
	return nil
}

func (a *assembly) mode(e manifest.Entry) uint32 { return uint32(e.Mode) &^ a.umask }

// copyFrom makes the file of entry n of an open one.
func (a *assembly) copyFrom(from int, dir dirFD, n int) error {
	e := a.target.Entries[n]
	fd, err := dir.create(path.Base(e.Path), a.mode(e))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := copyContent(fd, from, e.Size); err != nil {
		return &fs.PathError{Op: "copy", Path: e.Path, Err: err}
	}
	return a.finish(dir, fd, n)
}

// release lets go of a shared path, which is finished and about to be moved.
func (a *assembly) release(name string) error {
	err := a.finishDirectories(name)
	a.moved = append(a.moved, name)
	return err
}

// look takes down the inodes of a tree that is there.
func (a *assembly) look() error {
	return a.each(a.wanted(), func(dir dirFD, f family) error {
		for _, n := range f.children {
			var st unix.Stat_t
			name := a.target.Entries[n].Path
			if err := dir.stat(path.Base(name), &st); err != nil {
				return &fs.PathError{Op: "look at", Path: name, Err: err}
			}
			a.made[n], a.inodes[n] = true, inodeOf(&st)
		}
		return nil
	})
}

// links makes symlinks and hard links.
func (a *assembly) links() error {
	for n, e := range a.target.Entries {
		if a.spared[n] {
			continue
		}
		var err error
		switch e.Kind {
		case manifest.Symlink:
			if err = unix.Symlinkat(e.Target, int(a.top), e.Path); err == nil {
				err = unix.UtimesNanoAt(int(a.top), e.Path, timesOf(e.Time), unix.AT_SYMLINK_NOFOLLOW)
			}
		case manifest.Link:
			err = a.hardLink(e)
		}
		if err != nil {
			return &fs.PathError{Op: "link", Path: e.Path, Err: err}
		}
	}
	return nil
}

// hardLink makes a second name. Where its first was spared, the name stays away
// with it.
func (a *assembly) hardLink(e manifest.Entry) error {
	first, ok := a.target.Find(e.Target)
	if ok && a.spared[first] {
		return nil
	}
	if err := unix.Linkat(int(a.top), e.Target, int(a.top), e.Path, 0); err != nil {
		return err
	}
	if !ok || a.target.Entries[first].Kind != manifest.File {
		return nil
	}
	var st unix.Stat_t // another name shows in the change time
	err := a.top.stat(e.Path, &st)
	a.inodes[first] = inodeOf(&st)
	return err
}

// finishDirectories sets times and modes, the deepest first, of what is at and
// below name. What may be moved afterwards stays open to its owner.
func (a *assembly) finishDirectories(name string) error {
	for n := range slices.Backward(a.target.Entries) {
		e := &a.target.Entries[n]
		if a.spared[n] || e.Kind != manifest.Directory || !within(e.Path, name) || slices.ContainsFunc(a.moved, func(top string) bool { return within(e.Path, top) }) {
			continue
		}
		if err := a.finishDirectory(n, a.directoryMode(*e, name != "." && e.Path == name)); err != nil {
			return err
		}
	}
	return nil
}

// directoryMode is what e says, but that one which is moved stays open to its owner.
func (a *assembly) directoryMode(e manifest.Entry, moved bool) uint32 {
	mode := a.mode(e)
	if e.Implied {
		mode = a.plain | 0o700
	}
	if moved {
		mode |= 0o700
	}
	return mode
}

func (a *assembly) finishDirectory(n int, mode uint32) error {
	e := &a.target.Entries[n]
	if !e.Implied {
		if err := unix.UtimesNanoAt(int(a.top), e.Path, timesOf(e.Time), 0); err != nil {
			return &fs.PathError{Op: "set the time of", Path: e.Path, Err: err}
		}
	}
	if a.modes[n] == unix.S_IFDIR|mode {
		return nil // as it was moved in
	}
	if err := unix.Fchmodat(int(a.top), e.Path, mode, 0); err != nil {
		return &fs.PathError{Op: "chmod", Path: e.Path, Err: err}
	}
	return nil
}

// within says whether name is top or below it.
func within(name, top string) bool {
	return top == "." || name == top || strings.HasPrefix(name, top+"/")
}

// keeping is what is to be remembered of the tree. What went to a shared path
// is no longer the release's own.
func (a *assembly) keeping() *keeping {
	for n, outside := range a.outside {
		if outside {
			a.inodes[n] = inode{}
		}
	}
	return &keeping{manifest: a.target, trees: a.trees, inodes: a.inodes}
}

// names says which files the ranges of contents are, as a message has them.
func (a *assembly) names(lacking []Range) string {
	const most = 3
	var names []string
	total := 0
	contents := a.target.Contents()
	for _, r := range lacking {
		for at := r[0]; at < r[1]; at++ {
			if total++; total <= most {
				names = append(names, a.target.Entries[contents[at]].Path)
			}
		}
	}
	text := strings.Join(names, ", ")
	if total > most {
		text += fmt.Sprintf(" and %d more", total-most)
	}
	return text
}
