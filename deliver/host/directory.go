package host

import (
	"errors"
	"io/fs"
	"path"
	"runtime"
	"strings"

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
	var found []family
	at := map[string]int{}
	for _, n := range numbers {
		dir := path.Dir(m.Entries[n].Path)
		where, ok := at[dir]
		if !ok {
			where = len(found)
			at[dir] = where
			found = append(found, family{dir: dir})
		}
		found[where].children = append(found[where].children, n)
	}
	return found
}

// eachFamily calls do for the directory of every entry that is asked for, some
// directories at a time.
func eachFamily(open func(name string) (dirFD, error), m *manifest.Manifest, numbers []int, do func(dir dirFD, f family) error) error {
	var group errgroup.Group
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, f := range families(m, numbers) {
		group.Go(func() error {
			dir, err := open(f.dir)
			if err != nil {
				return err
			}
			defer dir.close()
			return do(dir, f)
		})
	}
	return group.Wait()
}

// timesOf are those of an entry, for the calls that set them. Where the machine
// has no such time it is 1970.
func timesOf(t manifest.Time) []unix.Timespec {
	when, _ := unix.TimeToTimespec(t.Go())
	return []unix.Timespec{when, when}
}
