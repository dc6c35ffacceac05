package delivery

import (
	"archive/tar"
	"fmt"
	"path"
	"slices"
	"strings"

	"deliver/host"
)

// checker refuses early what every server would refuse: a tar entry whose
// name leaves the release, and one that is no file, directory or link. What
// needs the whole tree to be known is left to the servers.
type checker struct {
	entries int64
	links   map[string]bool
}

func (c *checker) check(h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil // git archive's commit
	case tar.TypeReg, '\x00', tar.TypeCont, tar.TypeGNUSparse, tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
	default:
		return unsafe(h.Name, fmt.Sprintf("is no file, directory or link (type %q)", h.Typeflag))
	}
	c.entries++
	if !local(h.Name) {
		return unsafe(h.Name, "leaves the release")
	}
	if h.Typeflag == tar.TypeLink && !local(h.Linkname) {
		return unsafe(h.Name, "links to "+h.Linkname+", outside the release")
	}
	return c.throughLink(h)
}

// throughLink refuses an entry that would be written through a symlink.
func (c *checker) throughLink(h *tar.Header) error {
	name := path.Clean(h.Name)
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if c.links[dir] {
			return unsafe(h.Name, "goes through "+dir+", which is a symlink")
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		if c.links == nil {
			c.links = map[string]bool{}
		}
		c.links[name] = true
		return nil
	}
	delete(c.links, name)
	return nil
}

func local(name string) bool {
	return name != "" && !strings.HasPrefix(name, "/") && !strings.ContainsRune(name, 0) &&
		!slices.Contains(strings.Split(name, "/"), "..")
}

func unsafe(name, why string) error {
	return &host.Error{
		Kind: host.KindUnsafe, Message: fmt.Sprintf("tar entry %q %s", name, why),
		Hint: "build the archive without it",
	}
}
