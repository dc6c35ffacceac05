package host

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// inspection holds a directory that lies somewhere against entry n of a
// manifest and all that is below it.
type inspection struct {
	*assembly
	n      int
	dir    dirFD
	was    []inode // as they were when it was made, from entry n on
	now    []inode
	looked atomic.Bool // something had changed, and still is what it is to be
}

var errDiffers = errors.New("it is not what it is to be")

func (a *assembly) openInspection(n int, dir string) (*inspection, error) {
	fd, err := openTop(dir)
	if err != nil {
		return nil, err
	}
	count := 1 + len(a.target.Below(n))
	return &inspection{assembly: a, n: n, dir: fd, was: make([]inode, count), now: make([]inode, count)}, nil
}

// inspect says whether the kept tree of that name can stand for the directory
// of entry n: a file that shows what it showed when it was made is not read.
func (l *Local) inspect(a *assembly, n int, name string) bool {
	in, err := a.openInspection(n, l.treeDir(name, path.Base(a.target.Entries[n].Path)))
	if err != nil {
		return false
	}
	defer in.dir.close()
	if known := l.readInodes(name, len(in.was)); known != nil {
		in.was = known
	}
	if err := in.each(in.check); err != nil {
		return false
	}
	if in.looked.Load() {
		_ = l.writeInodes(name, in.now) // or they are read again the next time
	}
	return true
}

// each calls do for the directory of entry n, and for all that is below it.
func (in *inspection) each(do func(dir dirFD, m int) error) error {
	top := in.target.Entries[in.n].Path
	above, err := unix.Openat(int(in.dir), "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(above)
	if err := do(dirFD(above), in.n); err != nil {
		return err
	}
	numbers := make([]int, 0, len(in.now))
	for m := in.n + 1; m < in.n+len(in.now); m++ {
		numbers = append(numbers, m)
	}
	lies := &site{top: -1, trees: map[string]dirFD{top: in.dir}}
	return eachFamily(lies.open, in.target, numbers, func(dir dirFD, f family) error {
		for _, m := range f.children {
			if err := do(dir, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// check is an error where entry m is not what the manifest says.
func (in *inspection) check(dir dirFD, m int) error {
	e := in.target.Entries[m]
	name := path.Base(e.Path)
	var st unix.Stat_t
	if err := dir.stat(name, &st); err != nil || !in.resembles(m, &st) {
		return errDiffers
	}
	in.now[m-in.n] = inodeOf(&st)
	if in.now[m-in.n] == in.was[m-in.n] {
		return nil
	}
	in.looked.Store(true)
	var same bool
	switch e.Kind {
	case manifest.File:
		same = in.sameContent(dir, m)
	case manifest.Directory:
		same = in.sameNames(dir, m)
	case manifest.Symlink:
		same = (&site{top: dir}).link(name) == e.Target
	}
	if !same {
		return errDiffers
	}
	return nil
}

// resembles holds what costs nothing to know against the manifest.
func (in *inspection) resembles(m int, st *unix.Stat_t) bool {
	e := in.target.Entries[m]
	switch mode := st.Mode & unix.S_IFMT; e.Kind {
	case manifest.Directory:
		return mode == unix.S_IFDIR && st.Uid == in.uid && st.Mode&0o7777 == in.directoryMode(e, m == in.n)
	case manifest.Symlink:
		return mode == unix.S_IFLNK
	case manifest.File:
		return mode == unix.S_IFREG && st.Uid == in.uid && st.Size == e.Size && st.Mode&0o7777 == in.mode(e)
	}
	return true // another name of one of these
}

func (in *inspection) sameContent(dir dirFD, m int) bool {
	e := in.target.Entries[m]
	fd, err := dir.read(path.Base(e.Path))
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	d, err := digestOf(fd, e.Size)
	return err == nil && d == e.Digest
}

// sameNames says whether a directory has what the manifest says, and no more.
func (in *inspection) sameNames(dir dirFD, m int) bool {
	fd, err := dir.open(path.Base(in.target.Entries[m].Path))
	if err != nil {
		return false
	}
	f := os.NewFile(uintptr(fd), in.target.Entries[m].Path)
	defer f.Close()
	have, err := f.Readdirnames(-1)
	if err != nil {
		return false
	}
	var want []string
	for _, e := range in.target.Below(m) {
		if name := strings.TrimPrefix(e.Path, in.target.Entries[m].Path+"/"); !strings.Contains(name, "/") {
			want = append(want, name)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	return slices.Equal(have, want)
}
