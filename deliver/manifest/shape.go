package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Unsafe is a path that a release may not have.
type Unsafe struct {
	Name string
	Why  string
}

// Error says what is wrong with which path.
func (u *Unsafe) Error() string { return fmt.Sprintf("tar entry %q: %s", u.Name, u.Why) }

func unsafe(name, format string, args ...any) error {
	return &Unsafe{Name: name, Why: fmt.Sprintf(format, args...)}
}

// CleanPath is name without what means nothing; one that leaves the release
// is Unsafe.
func CleanPath(name string) (string, error) {
	switch {
	case name == "":
		return "", unsafe(name, "it has no name")
	case strings.HasPrefix(name, "/"):
		return "", unsafe(name, "its name is absolute")
	case strings.ContainsRune(name, 0):
		return "", unsafe(name, "its name has a zero byte")
	case strings.Contains(name, "..") && slices.Contains(strings.Split(name, "/"), ".."):
		return "", unsafe(name, "its name has ..")
	}
	return path.Clean(name), nil
}

// Shape knows what each path of a release is, so that where a name leads is
// decided without asking a disk.
type Shape struct {
	Kinds   map[string]Kind
	Targets map[string]string // of the symlinks
}

// NewShape is an empty tree.
func NewShape() Shape {
	return Shape{Kinds: map[string]Kind{".": Directory}, Targets: map[string]string{}}
}

// Admit checks that name may become a k.
func (s Shape) Admit(name string, k Kind) error {
	if have := s.Kinds[name]; have != Absent && have != k {
		return unsafe(name, "it is %s, and was %s before", k, have)
	}
	for parent := path.Dir(name); s.Kinds[parent] != Directory; parent = path.Dir(parent) {
		if have := s.Kinds[parent]; have != Absent {
			return unsafe(name, "it goes through %s, which is %s", parent, have)
		}
	}
	return nil
}

// AdmitSymlink checks that a symlink at name may lead to target.
func (s Shape) AdmitSymlink(name, target string) error {
	switch {
	case target == "" || strings.ContainsRune(target, 0):
		return unsafe(name, "it links to %q, which is no path", target)
	case s.leaves(path.Dir(name), target, "."):
		return unsafe(name, "it links to %s, outside the release", target)
	}
	return nil
}

// leaves says whether following target from the directory dir gets above top, which
// is the release or a directory in it. What is not there is taken for a directory.
func (s Shape) leaves(dir, target, top string) bool {
	const mostHops = 40 // as the kernel has it; after them nothing is followed any more
	at, rest := dir, strings.Split(target, "/")
	if path.IsAbs(target) {
		return true
	}
	for hops := 0; len(rest) > 0 && hops <= mostHops; {
		step := rest[0]
		rest = rest[1:]
		if step == ".." && at == top {
			return true
		}
		at = path.Join(at, step)
		if next, ok := s.Targets[at]; ok {
			at, rest = path.Dir(at), append(strings.Split(next, "/"), rest...)
			hops++
		}
	}
	return false
}

// AdmitSymlinks looks at all symlinks again, now that all are known: two that
// stay inside can lead outside together.
func (s Shape) AdmitSymlinks() error {
	for name, target := range s.Targets {
		if s.leaves(path.Dir(name), target, ".") {
			return unsafe(name, "it links to %s, outside the release", target)
		}
	}
	return nil
}
