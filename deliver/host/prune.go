package host

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Prune removes failed releases, then the oldest, until keep good ones are left.
func (l *Local) Prune(ctx context.Context, keep int) ([]string, error) {
	if _, err := os.Stat(l.state("")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	done, err := l.step(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := l.condemn(ctx, keep)
	for _, dir := range c.trash {
		err = cmp.Or(err, removeTree(dir))
	}
	err = cmp.Or(err, l.dropSpareOf(c.removed))
	c.retained.refresh(ctx)
	return c.removed, l.wrap("prune", err)
}

// condemned is what goes, and what stays and shares files with it.
type condemned struct {
	removed  []string
	trash    []string // trees that nobody sees any more
	retained *retained
}

// condemn takes the releases out of sight, all that others must wait for; to
// delete the trees takes longer.
func (l *Local) condemn(ctx context.Context, keep int) (condemned, error) {
	var c condemned
	unlock, err := l.lock(ctx)
	if err != nil {
		return c, err
	}
	defer unlock()
	ids, err := l.superfluous(keep)
	if err != nil {
		return c, err
	}
	names, err := l.superfluousTrees(ids)
	if err != nil || len(ids)+len(names) == 0 {
		return c, err
	}
	c.retained = l.retain()
	for _, id := range ids {
		dir, err := l.discard(id)
		if err != nil {
			return c, err
		}
		c.removed, c.trash = append(c.removed, id), append(c.trash, dir)
	}
	for _, name := range names {
		dir, err := l.hide(filepath.Join(l.trees(), name), "tree")
		if err != nil {
			return c, err
		}
		c.trash = append(c.trash, dir)
	}
	return c, nil
}

// discard moves a release to where the next Receive would clear it away.
func (l *Local) discard(id string) (string, error) {
	bin, err := l.hide(l.releaseDir(id), id)
	if err != nil {
		return "", err
	}
	for _, file := range []string{l.recordFile(id), l.keepingFile(id)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return bin, nil
}

// hide moves a tree to where nobody looks for one.
func (l *Local) hide(tree, called string) (string, error) {
	bin, err := os.MkdirTemp(l.incoming(), called+".pruned.")
	if err != nil {
		return "", err
	}
	return bin, os.Rename(tree, filepath.Join(bin, "tree"))
}

// superfluous names what Prune removes, in order.
func (l *Local) superfluous(keep int) ([]string, error) {
	current, err := l.currentID()
	if err != nil {
		return nil, err
	}
	entries, err := l.history()
	if err != nil {
		return nil, err
	}
	shelf, err := l.shelf()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(shelf))
	for i, s := range shelf {
		ids[i] = s.ID
	}
	return choose(ids, current, entries, keep), nil
}

// choose picks from ids, oldest first, what may go.
func choose(ids []string, current string, entries []Entry, keep int) []string {
	failed := failedReleases(entries)
	before := predecessor(ids, current, entries)
	var bad, good []string
	kept := 0
	for _, id := range ids {
		switch {
		case id == current || id == before:
			kept++
		case failed[id]:
			bad = append(bad, id)
		default:
			good = append(good, id)
		}
	}
	excess := min(max(len(good)+kept-max(keep, 0), 0), len(good))
	return append(bad, good[:excess]...)
}

// failedReleases are those whose newest entry says so.
func failedReleases(entries []Entry) map[string]bool {
	failed := map[string]bool{}
	for _, e := range entries {
		failed[e.Release] = e.Result != resultHealthy
	}
	return failed
}

// predecessor is the release that current would be taken back to: the last
// that was healthy before it or, where the history does not say, the newest
// other one that is not known to have failed.
func predecessor(ids []string, current string, entries []Entry) string {
	failed := failedReleases(entries)
	here := func(id string) bool { return id != current && !failed[id] && slices.Contains(ids, id) }
	for _, e := range slices.Backward(entries) {
		if e.Result == resultHealthy && e.Release == current && here(e.Previous) {
			return e.Previous
		}
		if e.Result == resultHealthy && here(e.Release) {
			return e.Release
		}
	}
	for _, id := range slices.Backward(ids) {
		if here(id) {
			return id
		}
	}
	return ""
}

// resultHealthy is the Result of an Entry whose release is good.
const resultHealthy = "healthy"

// removeTree removes a tree, also one with directories that may not be written to.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
