package manifest

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// check holds entries that came from elsewhere against all that a Builder's
// have, and gives the directory that each lies in.
func check(entries []Entry) ([]int, error) {
	if len(entries) == 0 || entries[0].Path != "." || entries[0].Kind != Directory {
		return nil, errors.New("it does not begin with the tree itself")
	}
	c := &checking{entries: entries, shape: Shape{Kinds: map[string]Kind{}, Targets: map[string]string{}}, above: lineage{entries: entries}}
	parents := make([]int, len(entries))
	for n := range entries {
		if err := checkFields(&entries[n]); err != nil {
			return nil, err
		}
		parent := c.above.parent(n)
		if err := c.checkPath(n, parent); err != nil {
			return nil, err
		}
		if err := c.checkLink(n); err != nil {
			return nil, err
		}
		parents[n] = parent
	}
	return parents, c.shape.AdmitSymlinks()
}

// lineage knows the directories above an entry while one goes through entries in
// their order.
type lineage struct {
	entries []Entry
	dirs    []int // each lies in the one before it
}

// parent is the directory that entry n lies in, None where that is not right
// above it. It is asked of each entry, from the first on, which lies in itself.
func (l *lineage) parent(n int) int {
	e := &l.entries[n]
	parent := None
	if n == 0 {
		parent = 0
	}
	slash := strings.LastIndexByte(e.Path, '/')
	for ; n > 0 && len(l.dirs) > 0; l.dirs = l.dirs[:len(l.dirs)-1] {
		last := l.dirs[len(l.dirs)-1]
		if (last == 0 && slash < 0) || (last > 0 && slash >= 0 && l.entries[last].Path == e.Path[:slash]) {
			parent = last
			break
		}
	}
	if e.Kind == Directory {
		l.dirs = append(l.dirs, n)
	}
	return parent
}

func checkFields(e *Entry) error {
	switch {
	case e.Mode > 0o777 || e.Size < 0 || e.Time.Nsec < 0 || e.Time.Nsec >= 1e9:
		return fmt.Errorf("entry %q has fields that cannot be", e.Path)
	case e.Kind == File && e.Size == 0 && e.Digest != emptyDigest:
		return fmt.Errorf("entry %q has no content and the digest of one", e.Path)
	case e.Implied && e.Kind != Directory, e.Kind != File && (e.Size != 0 || e.Digest != Digest{}):
		return fmt.Errorf("entry %q has fields that %s cannot have", e.Path, e.Kind)
	}
	return nil
}

// checking is a check under way.
type checking struct {
	entries []Entry
	shape   Shape // of hard links and symlinks alone
	above   lineage
}

// checkPath checks that entry n has a path that may be, after the one before it. Of
// a path below a directory that was checked only the last name is new.
func (c *checking) checkPath(n, parent int) error {
	name := c.entries[n].Path
	if parent == None || (n > 0 && !isName(name[strings.LastIndexByte(name, '/')+1:])) {
		return c.misplaced(n)
	}
	if n == 0 || parent == n-1 {
		return nil
	}
	above := 0 // the bytes that it shares with the entry before it, which lies in parent, too
	if parent > 0 {
		above = len(c.entries[parent].Path) + 1
	}
	if compare(c.entries[n-1].Path[above:], name[above:]) >= 0 {
		return fmt.Errorf("entry %q is not in order", name)
	}
	return nil
}

// isName says whether a name without slashes is that of something in a directory.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && strings.IndexByte(name, 0) < 0
}

// misplaced says why entry n cannot be where its path says.
func (c *checking) misplaced(n int) error {
	name := c.entries[n].Path
	clean, err := CleanPath(name)
	if err != nil {
		return err
	}
	if clean != name || n > 0 && name == "." {
		return fmt.Errorf("entry %q is no clean path", name)
	}
	if compare(c.entries[n-1].Path, name) >= 0 {
		return fmt.Errorf("entry %q is not in order", name)
	}
	parent := path.Dir(name)
	return unsafe(name, "it goes through %s, which is %s", parent, c.kind(n, parent))
}

// kind is what a path is, as far as the entries before entry n say.
func (c *checking) kind(n int, name string) Kind {
	if k, is := c.shape.Kinds[name]; is {
		return k
	}
	if at, is := find(c.entries[:n], name); is {
		return c.entries[at].Kind
	}
	return Absent
}

// checkLink checks where entry n leads, if it does.
func (c *checking) checkLink(n int) error {
	e := &c.entries[n]
	kind, target := e.Kind, e.Target
	switch e.Kind {
	case Link:
		if kind = c.kind(n, e.Target); kind != File && kind != Symlink {
			return unsafe(e.Path, "it links to %s, which is %s in the release", e.Target, kind)
		}
		target = c.shape.Targets[e.Target]
		c.shape.Kinds[e.Path] = kind
	case Symlink:
	default:
		return nil
	}
	if kind != Symlink {
		return nil
	}
	if err := c.shape.AdmitSymlink(e.Path, target); err != nil {
		return err
	}
	c.shape.Targets[e.Path] = target
	return nil
}
