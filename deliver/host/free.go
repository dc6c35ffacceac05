package host

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// free is what this user may still take of the disk of path, or of the nearest
// directory above it that is there.
func free(path string) (bytes, inodes uint64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(nearest(path), &stat); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", path, err)
	}
	inodes = stat.Ffree
	if stat.Files == 0 { // btrfs and others make them as they go
		inodes = math.MaxInt64
	}
	return stat.Bavail * uint64(stat.Bsize), inodes, nil
}

// nearest is path or the lowest directory above it that is there.
func nearest(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}

// checkWritable says whether this user could receive a release.
func (l *Local) checkWritable() error {
	for _, dir := range []string{l.root, l.releases(), l.state(""), l.incoming(), l.records()} {
		dir = nearest(dir)
		if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			return l.denied(fmt.Sprintf("%s may not write to %s, and so not deliver to %s: %v", userName(), dir, l.root, err), err)
		}
	}
	return nil
}
