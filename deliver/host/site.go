package host

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// site is where a release's tree lies on the disk. A directory that is kept
// for several releases lies elsewhere, and the release has a symlink to it.
type site struct {
	top   dirFD
	trees map[string]dirFD // by their path in the release
}

func openSite(dir string) (*site, error) {
	top, err := openTop(dir)
	if err != nil {
		return nil, err
	}
	return &site{top: top, trees: map[string]dirFD{}}, nil
}

// openRelease opens the tree of release id.
func (l *Local) openRelease(id string, k *keeping) (*site, error) {
	s, err := openSite(l.releaseDir(id))
	if err != nil {
		return nil, err
	}
	for _, t := range k.trees {
		name := k.manifest.Entries[t.entry].Path
		// One that is not there shows as files that are not.
		if dir, err := openTop(l.treeDir(t.name, path.Base(name))); err == nil {
			s.trees[name] = dir
		}
	}
	return s, nil
}

// open opens a directory of the release.
func (s *site) open(name string) (dirFD, error) {
	for top, dir := range s.trees {
		switch {
		case name == top:
			return dir.open(".")
		case within(name, top):
			return dir.open(strings.TrimPrefix(name, top+"/"))
		}
	}
	return s.top.open(name)
}

// link is where the symlink at name leads, empty where there is none.
func (s *site) link(name string) string {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(s.top), name, target)
	if err != nil {
		return ""
	}
	return string(target[:n])
}

func (s *site) close() {
	s.top.close()
	for _, dir := range s.trees {
		dir.close()
	}
}
