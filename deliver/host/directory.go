package host

import (
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// A tree of many thousand files is made and looked at with system calls that
// name a file by its directory: to walk the whole path each time would take
// longer than the rest.

// dirFD is an open directory.
type dirFD int

// openTop opens the directory at an absolute path.
func openTop(name string) (dirFD, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return dirFD(fd), nil
}

// open opens a directory below d. No part of its name may be a symlink: what
// somebody put into an old release must not lead elsewhere.
func (d dirFD) open(name string) (dirFD, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	how := &unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(int(d), name, how)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old kernel, or a filter of system calls
		return d.openByParts(name, flags)
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return dirFD(fd), nil
}

func (d dirFD) openByParts(name string, flags int) (dirFD, error) {
	at := int(d)
	for part := range strings.SplitSeq(name, "/") {
		fd, err := unix.Openat(at, part, flags, 0)
		if at != int(d) {
			unix.Close(at)
		}
		if err != nil {
			return -1, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		at = fd
	}
	return dirFD(at), nil
}

func (d dirFD) close() {
	if d >= 0 {
		unix.Close(int(d))
	}
}

// stat looks at name itself, not at what it links to.
func (d dirFD) stat(name string, st *unix.Stat_t) error {
	return retried(func() error { return unix.Fstatat(int(d), name, st, unix.AT_SYMLINK_NOFOLLOW) })
}

// create makes a new file for writing.
func (d dirFD) create(name string, mode uint32) (int, error) {
	var fd int
	err := retried(func() (err error) {
		fd, err = unix.Openat(int(d), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return -1, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return fd, nil
}

// read opens a file for reading; not one behind a symlink, and nothing that waits.
func (d dirFD) read(name string) (int, error) {
	var fd int
	err := retried(func() (err error) {
		fd, err = unix.Openat(int(d), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

func retried(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// family is a directory's entry and the entries that lie right in it.
type family struct {
	dir      string
	children []int
}

// families sorts the entries that are asked for by their directory.
func families(m *manifest.Manifest, numbers []int) []family {
	if len(numbers) == 0 {
		return nil
	}
	var found []family
	at := make([]int, len(m.Entries)) // by directory: the number of its family, from 1
	for _, n := range numbers {
		dir := m.Parent(n)
		if at[dir] == 0 {
			found = append(found, family{dir: m.Entries[dir].Path})
			at[dir] = len(found)
		}
		f := &found[at[dir]-1]
		f.children = append(f.children, n)
	}
	return found
}

// eachFamily calls do for the directory of every entry that is asked for, some
// directories at a time.
func eachFamily(open func(name string) (dirFD, error), m *manifest.Manifest, numbers []int, do func(dir dirFD, f family) error) error {
	return eachOf(families(m, numbers), func(f family) error {
		dir, err := open(f.dir)
		if err != nil {
			return err
		}
		defer dir.close()
		return do(dir, f)
	})
}

// eachOf calls do for all, some at a time. After a failure what is not begun may
// be left alone.
func eachOf[T any](all []T, do func(T) error) error {
	var group errgroup.Group
	var next atomic.Int64
	takeTurns := func() error {
		for n := next.Add(1); int(n) <= len(all); n = next.Add(1) {
			if err := do(all[n-1]); err != nil {
				return err
			}
		}
		return nil
	}
	for range min(len(all), max(2, runtime.GOMAXPROCS(0))) {
		group.Go(takeTurns)
	}
	return group.Wait()
}

// timesOf are those of an entry, for the calls that set them. Where the machine
// has no such time it is 1970.
func timesOf(t manifest.Time) []unix.Timespec {
	when, _ := unix.TimeToTimespec(t.Go())
	return []unix.Timespec{when, when}
}
