package host

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// unpacker makes a release's tree out of tar entries as GNU tar does, but for
// what leaves the release, owners, and set-id bits. It writes through an
// os.Root, so that even a mistake of its own could not leave the tree.
type unpacker struct {
	tree
	root     *os.Root
	files    *writers
	umask    fs.FileMode            // taken from the modes of entries
	plain    fs.FileMode            // mode of a directory that no entry speaks of
	dirs     map[string]*tar.Header // what they say is set last
	manifest *manifest.Builder      // of what was made
	entries  int64
	needs    uint64 // bytes of all files; of a sparse one, more than the archive has
	room     uint64 // bytes
}

func newUnpacker(dir string) (*unpacker, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	room, _, err := free(dir)
	if err != nil {
		root.Close()
		return nil, err
	}
	return &unpacker{
		tree: newTree(), manifest: manifest.NewBuilder(), root: root, files: newWriters(root), dirs: map[string]*tar.Header{}, room: room,
		umask: tarUmask(), plain: 0o777 &^ processUmask(),
	}, nil
}

func (u *unpacker) close() {
	_ = u.files.settle()
	u.root.Close()
}

// add makes what header says.
func (u *unpacker) add(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil // git archive's commit
	}
	name, err := entryPath(header.Name)
	if err != nil {
		return err
	}
	k := kindOf(header.Typeflag)
	if k == absent {
		return unsafe(header.Name, "it is no file, directory or link (type %q)", header.Typeflag)
	}
	u.entries++
	if header.Typeflag == tar.TypeLink {
		if err := u.hardLink(name, header.Linkname); err != nil {
			return err
		}
		_, err := u.manifest.Add(header)
		return err
	}
	if err := u.admit(name, k); err != nil {
		return err
	}
	return u.make(name, k, header, content)
}

func (u *unpacker) make(name string, k kind, header *tar.Header, content io.Reader) error {
	node, err := u.manifest.Add(header)
	if err != nil {
		return unsafeOf(err)
	}
	if k == directory {
		return u.directory(name, header)
	}
	if k == symlink && u.leaves(path.Dir(name), header.Linkname) {
		return unsafe(name, "it links to %s, outside the release", header.Linkname)
	}
	if err := u.clear(name, k); err != nil {
		return err
	}
	if k == symlink {
		return u.symlink(name, header)
	}
	if u.needs += uint64(header.Size); u.needs > u.room {
		return &Error{
			Kind:    KindSpace,
			Message: fmt.Sprintf("no space left: the files up to %s need %d bytes, where %d are free", name, u.needs, u.room),
			Hint:    spaceHint,
		}
	}
	return u.files.write(incoming{name, u.mode(header), header, node}, content)
}

func (u *unpacker) directory(name string, header *tar.Header) error {
	if err := u.mkdirs(name); err != nil {
		return err
	}
	u.dirs[name] = header
	return nil
}

// mkdirs makes name and what is missing above it.
func (u *unpacker) mkdirs(name string) error {
	if u.kinds[name] == directory {
		return nil
	}
	if err := u.mkdirs(path.Dir(name)); err != nil {
		return err
	}
	u.kinds[name] = directory
	if err := u.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	return u.root.Chmod(name, u.plain|0o700)
}

// clear makes room for name: of two entries with one name the later one counts.
func (u *unpacker) clear(name string, k kind) error {
	if err := u.mkdirs(path.Dir(name)); err != nil {
		return err
	}
	if u.kinds[name] == absent {
		u.kinds[name] = k
		return nil
	}
	delete(u.targets, name)
	if err := u.files.settle(); err != nil {
		return err
	}
	return u.root.Remove(name)
}

func (u *unpacker) symlink(name string, header *tar.Header) error {
	u.targets[name] = header.Linkname
	if err := u.root.Symlink(header.Linkname, name); err != nil {
		return err
	}
	dir, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	when, err := unix.TimeToTimespec(header.ModTime)
	if err != nil {
		return fmt.Errorf("time of %s: %w", name, err)
	}
	times := []unix.Timespec{when, when}
	return unix.UtimesNanoAt(int(dir.Fd()), path.Base(name), times, unix.AT_SYMLINK_NOFOLLOW)
}

func (u *unpacker) hardLink(name, target string) error {
	to, err := entryPath(target)
	if err != nil {
		return unsafe(name, "it links to %s, outside the release", target)
	}
	k := u.kinds[to]
	if (k != file && k != symlink) || to == name {
		return unsafe(name, "it links to %s, which is %s in the release", target, k)
	}
	if err := u.admit(name, k); err != nil {
		return err
	}
	if next := u.targets[to]; k == symlink && u.leaves(path.Dir(name), next) {
		return unsafe(name, "it links to %s, outside the release", next)
	}
	return u.link(name, to, k)
}

func (u *unpacker) link(name, to string, k kind) error {
	if err := u.clear(name, k); err != nil {
		return err
	}
	if k == symlink {
		u.targets[name] = u.targets[to]
	}
	if err := u.files.settle(); err != nil { // to must be there
		return err
	}
	return u.root.Link(to, name)
}

// finish sets what can only be set when nothing is written any more.
func (u *unpacker) finish() error {
	if _, said := u.dirs["."]; !said {
		if err := u.root.Chmod(".", u.plain|0o700); err != nil {
			return err
		}
	}
	return u.finishBelow(".")
}

// finishBelow does so for top and what is in it, the deepest directory first.
func (u *unpacker) finishBelow(top string) error {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(u.dirs))) {
		if top != "." && name != top && !strings.HasPrefix(name, top+"/") {
			continue
		}
		mode := u.mode(u.dirs[name])
		if name == top {
			mode |= 0o700 // or it could not be moved
		}
		if err := u.finishDir(name, mode, u.dirs[name].ModTime); err != nil {
			return err
		}
		delete(u.dirs, name)
	}
	return nil
}

func (u *unpacker) finishDir(name string, mode fs.FileMode, modified time.Time) error {
	if err := u.root.Chtimes(name, modified, modified); err != nil {
		return err
	}
	return u.root.Chmod(name, mode)
}

// checkLinks looks at all symlinks again, now that all are known: two that
// stay inside can lead outside together.
func (u *unpacker) checkLinks() error {
	if name, found := u.escapee(); found {
		return unsafe(name, "it links to %s, outside the release", u.targets[name])
	}
	return nil
}

func (u *unpacker) mode(h *tar.Header) fs.FileMode {
	return fs.FileMode(h.Mode) & 0o777 &^ u.umask
}
