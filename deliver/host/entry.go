package host

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"

	"deliver/manifest"
)

// kind is what a path of a release is.
type kind byte

const (
	absent kind = iota
	directory
	file
	symlink
)

func (k kind) String() string {
	return [...]string{"nothing", "a directory", "a file", "a symlink"}[k]
}

// kindOf is absent for what a release may not have.
func kindOf(typeflag byte) kind {
	switch typeflag {
	case tar.TypeReg, '\x00', tar.TypeCont, tar.TypeGNUSparse, tar.TypeLink:
		return file
	case tar.TypeDir:
		return directory
	case tar.TypeSymlink:
		return symlink
	}
	return absent
}

// entryPath is name without what means nothing; one that leaves the release is refused.
func entryPath(name string) (string, error) {
	clean, err := manifest.CleanPath(name)
	return clean, unsafeOf(err)
}

func unsafe(name, format string, args ...any) error {
	return &Error{
		Kind:    KindUnsafe,
		Message: fmt.Sprintf("tar entry %q: %s", name, fmt.Sprintf(format, args...)),
		Hint:    "nothing was kept; build the archive without it",
	}
}

// unsafeOf is an error of a manifest as those of this package are.
func unsafeOf(err error) error {
	var refused *manifest.Unsafe
	if errors.As(err, &refused) {
		return unsafe(refused.Name, "%s", refused.Why)
	}
	return err
}

// tree knows all paths of a release, so that where a name leads is decided
// without asking the disk.
type tree struct {
	kinds   map[string]kind
	targets map[string]string // of the symlinks
}

func newTree() tree {
	return tree{kinds: map[string]kind{".": directory}, targets: map[string]string{}}
}

// admit checks that name may become a k.
func (t tree) admit(name string, k kind) error {
	if have := t.kinds[name]; have != absent && have != k {
		return unsafe(name, "it is %s, and was %s before", k, have)
	}
	for parent := path.Dir(name); t.kinds[parent] != directory; parent = path.Dir(parent) {
		if have := t.kinds[parent]; have != absent {
			return unsafe(name, "it goes through %s, which is %s", parent, have)
		}
	}
	return nil
}

// leaves says whether following target from the directory dir gets above the
// release. What is not there is taken for a directory.
func (t tree) leaves(dir, target string) bool {
	const mostHops = 40 // as the kernel has it; after them nothing is followed any more
	at, rest := dir, strings.Split(target, "/")
	if path.IsAbs(target) {
		return true
	}
	for hops := 0; len(rest) > 0 && hops <= mostHops; {
		step := rest[0]
		rest = rest[1:]
		if step == ".." && at == "." {
			return true
		}
		at = path.Join(at, step)
		if next, ok := t.targets[at]; ok {
			at, rest = path.Dir(at), append(strings.Split(next, "/"), rest...)
			hops++
		}
	}
	return false
}

// escapee names a symlink that leaves the release, now that all are known.
func (t tree) escapee() (name string, found bool) {
	for name, target := range t.targets {
		if t.leaves(path.Dir(name), target) {
			return name, true
		}
	}
	return "", false
}
