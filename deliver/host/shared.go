package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// checkSharing refuses paths that cannot be shared, and those of which one is
// in another: a kept tree must be the same in all releases.
func (p Place) checkSharing() error {
	for _, name := range p.SharedPaths {
		if err := checkShared("SHARED_PATHS", name); err != nil {
			return err
		}
	}
	for n, name := range p.SharedTrees {
		if err := checkShared("SHARE_TREES", name); err != nil {
			return err
		}
		for _, other := range slices.Concat(p.SharedPaths, p.SharedTrees[:n]) {
			if a, b := path.Clean(name), path.Clean(other); within(a, b) || within(b, a) {
				return &Error{
					Kind: KindUnsafe, Message: fmt.Sprintf("SHARE_TREES %q and the shared path %q lie in each other", name, other),
					Hint: "share one of them",
				}
			}
		}
	}
	return nil
}

func checkShared(setting, name string) error {
	if clean := path.Clean(name); filepath.IsLocal(name) && clean != "." && !strings.HasPrefix(clean+"/", ".deliver/") {
		return nil
	}
	return &Error{
		Kind:    KindUnsafe,
		Message: fmt.Sprintf("shared path %q is not inside a release", name),
		Hint:    setting + " are relative to the release, without ..",
	}
}

// linkShared puts links to Root/shared into the tree at dir. What the release
// itself has at a shared path gives way; the first time it becomes what is
// shared. release is told of each path before it is moved.
func (l *Local) linkShared(dir string, release func(name string) error) error {
	if len(l.place.SharedPaths) == 0 {
		return nil
	}
	tree, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer tree.Close()
	for _, name := range l.place.SharedPaths {
		if err := l.linkOne(tree, path.Clean(name), release); err != nil {
			return l.wrap("link shared path "+name, err)
		}
	}
	return nil
}

func (l *Local) linkOne(tree *os.Root, name string, release func(name string) error) error {
	if err := makeParents(tree, name); err != nil {
		return err
	}
	if err := release(name); err != nil {
		return err
	}
	kept := filepath.Join(l.shared(), name)
	if err := seed(tree, name, kept); err != nil {
		return err
	}
	if err := tree.RemoveAll(name); err != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(name, "/")+2)
	return tree.Symlink(up+"shared/"+name, name)
}

// seed makes kept, where it is missing, from what the release has.
func seed(tree *os.Root, name, kept string) error {
	if _, err := os.Lstat(kept); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	if _, err := tree.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return os.Mkdir(kept, 0o755)
	}
	return os.Rename(filepath.Join(tree.Name(), name), kept)
}

// makeParents makes the directories above name. None of them may be a link:
// the way up from there would not be the way down.
func makeParents(tree *os.Root, name string) error {
	parent := path.Dir(name)
	if parent == "." {
		return nil
	}
	if err := makeParents(tree, parent); err != nil {
		return err
	}
	info, err := tree.Lstat(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return tree.Mkdir(parent, 0o755)
	case err == nil && !info.IsDir():
		return &Error{Kind: KindUnsafe, Message: fmt.Sprintf("shared path %s goes through %s, which is no directory in the release", name, parent)}
	}
	return err
}
