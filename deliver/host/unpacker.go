package host

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// unpacker makes the files of a release out of tar entries as GNU tar does, but
// for what leaves the release, owners, and set-id bits; its directories are
// open to the owner alone. It writes through an os.Root, so that even a mistake
// of its own could not leave the tree.
type unpacker struct {
	root     *os.Root
	files    *writers
	umask    fs.FileMode       // taken from the modes of entries
	manifest *manifest.Builder // of what was made; it says what may be
	made     map[string]bool   // paths that are on the disk
	needs    uint64            // bytes of all files; of a sparse one, more than the archive has
	room     uint64            // bytes
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
		root: root, files: newWriters(root), room: room,
		manifest: manifest.NewBuilder(), made: map[string]bool{".": true},
		umask: tarUmask(),
	}, nil
}

func (u *unpacker) close() {
	_ = u.files.settle()
	u.root.Close()
}

// add makes what header says, once it is known that it may be.
func (u *unpacker) add(header *tar.Header, content io.Reader) error {
	node, err := u.manifest.Add(header)
	if err != nil {
		return unsafeOf(err)
	}
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil // git archive's commit
	}
	name := path.Clean(header.Name)
	switch manifest.KindOf(header.Typeflag) {
	case manifest.Directory:
		return u.mkdirs(name)
	case manifest.Link:
		return u.hardLink(name, path.Clean(header.Linkname))
	case manifest.Symlink:
		return u.symlink(name, header)
	}
	return u.file(name, header, node, content)
}

func (u *unpacker) file(name string, header *tar.Header, node *manifest.Node, content io.Reader) error {
	if err := u.clear(name); err != nil {
		return err
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

// mkdirs makes name and what is missing above it.
func (u *unpacker) mkdirs(name string) error {
	if u.made[name] {
		return nil
	}
	if err := u.mkdirs(path.Dir(name)); err != nil {
		return err
	}
	u.made[name] = true
	return u.root.Mkdir(name, 0o700)
}

// clear makes room for name: of two entries with one name the later one counts.
func (u *unpacker) clear(name string) error {
	if err := u.mkdirs(path.Dir(name)); err != nil {
		return err
	}
	if !u.made[name] {
		u.made[name] = true
		return nil
	}
	if err := u.files.settle(); err != nil {
		return err
	}
	return u.root.Remove(name)
}

func (u *unpacker) symlink(name string, header *tar.Header) error {
	if err := u.clear(name); err != nil {
		return err
	}
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
	if err := u.clear(name); err != nil {
		return err
	}
	if err := u.files.settle(); err != nil { // target must be there
		return err
	}
	return u.root.Link(target, name)
}

func (u *unpacker) mode(h *tar.Header) fs.FileMode {
	return fs.FileMode(h.Mode) & 0o777 &^ u.umask
}
