package host

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// targetPrefix starts the name of the file, in a berth, that says which tree
// was to be made there.
const targetPrefix = "target-"

// remains are what an earlier try to make the same tree has left.
type remains struct {
	dir    *os.File // its berth, which is locked
	site   *site
	target *manifest.Manifest
}

// openRemains looks at a berth that nobody fills. It is nil where it is not
// of the tree; the berth is then to be cleared.
func (l *Local) openRemains(path, tree string) *remains {
	if tree == "" {
		return nil
	}
	encoded, err := os.ReadFile(filepath.Join(path, targetPrefix+tree))
	if err != nil {
		return nil
	}
	target, err := manifest.Decode(encoded)
	if err != nil {
		return nil
	}
	at, err := openSite(filepath.Join(path, "tree"))
	if err != nil {
		return nil
	}
	for _, name := range l.place.SharedTrees {
		l.openMoved(at, path, name)
	}
	return &remains{site: at, target: target}
}

// openMoved finds a directory that was about to become a kept tree.
func (l *Local) openMoved(s *site, berth, name string) {
	target := s.link(name)
	if target == "" {
		return
	}
	dir, called := filepath.Split(target)
	if fd, err := openTop(filepath.Join(berth, "trees", filepath.Base(dir), called)); err == nil {
		s.trees[name] = fd
	}
}

// close removes what was not adopted.
func (r *remains) close() {
	r.site.close()
	_ = removeTree(r.dir.Name()) // what stays is cleared by the next Receive
	r.dir.Close()
}

// adopt takes over the files that came whole. They are read again: nobody
// knows how far the earlier try got with the last of them.
func (a *assembly) adopt(r *remains) error {
	return a.each(a.wanted(), func(dir dirFD, f family) error {
		old, err := r.site.open(f.dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer old.close()
		for _, n := range f.children {
			if err := a.adoptOne(old, dir, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// adoptOne leaves alone what has more names than one: it is shared with another
// release, and is shared again.
func (a *assembly) adoptOne(old, dir dirFD, n int) error {
	e := a.target.Entries[n]
	name := path.Base(e.Path)
	var st unix.Stat_t
	if err := old.stat(name, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Size != e.Size {
		return nil
	}
	fd, err := old.read(name)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	d, err := digestOf(fd, e.Size)
	if err != nil || !a.target.Complete(n, d) {
		return nil
	}
	if err := unix.Renameat(int(old), name, int(dir), name); err != nil {
		return &fs.PathError{Op: "adopt", Path: e.Path, Err: err}
	}
	return a.finish(dir, fd, n)
}
