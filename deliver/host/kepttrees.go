package host

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// keptTree is a directory that several releases have, whole. It lies in a
// directory that is called by its digest and something that nobody else
// has, under the name that it has in the releases: there, too, Node finds the
// packages of node_modules from each other. Once it is there it is never
// changed: where somebody else has changed it, another one is made beside it.
type keptTree struct {
	entry int    // of the directory in the release's manifest
	name  string // in Local.trees
}

// The layout of a kept tree.

func (l *Local) trees() string { return l.state("trees") }

func (l *Local) treeDir(name, called string) string { return filepath.Join(l.trees(), name, called) }

func (l *Local) treeInodes(name string) string { return filepath.Join(l.trees(), name, "inodes") }

// newTreeName never names a tree that was there before, so that a release is
// never led to what another one has brought.
func newTreeName(d manifest.Digest) string {
	return d.String() + "." + strconv.FormatUint(rand.Uint64(), 36)
}

// keptOf are the names of kept trees of digest d.
func (l *Local) keptOf(d manifest.Digest) ([]string, error) {
	entries, err := os.ReadDir(l.trees())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), d.String()+".") {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

// shareTrees finds the directories of a's tree that are to be kept, and spares
// those that are kept already.
func (l *Local) shareTrees(a *assembly) error {
	for _, name := range l.place.SharedTrees {
		n, ok := a.target.Find(path.Clean(name))
		if !ok || a.target.Entries[n].Kind != manifest.Directory || a.outside[n] || !a.target.Closed(n) {
			continue
		}
		a.lasting = append(a.lasting, n)
		for i := range a.target.Below(n) {
			a.timeless[n+1+i] = true
		}
		if !a.target.WholeBelow(n) {
			continue // it has what nobody here has had
		}
		if err := l.spareTree(a, n); err != nil {
			return err
		}
	}
	return nil
}

// spareTree looks for a kept tree that can stand for the directory of entry n.
func (l *Local) spareTree(a *assembly, n int) error {
	names, err := l.keptOf(a.target.Subtree(n))
	if err != nil {
		return err
	}
	for _, name := range names {
		if l.inspect(a, n, name) {
			a.lead(keptTree{n, name})
			return nil
		}
	}
	return nil
}

// lead has the directory of a kept tree lie elsewhere.
func (a *assembly) lead(t keptTree) {
	a.trees = append(a.trees, t)
	for n := range a.target.Below(t.entry) {
		a.outside[t.entry+1+n], a.spared[t.entry+1+n] = true, true
	}
	a.outside[t.entry], a.spared[t.entry] = true, true
}

// keepTrees puts symlinks in the place of the directories that are kept. Those
// that nobody had so far are moved out of the new tree, which is complete but
// for its directories' times.
func (l *Local) keepTrees(a *assembly, b *berth) error {
	for _, n := range a.lasting {
		if !a.spared[n] {
			if err := l.spareTree(a, n); err != nil {
				return err
			}
		}
		if err := a.settleTree(n, b); err != nil {
			return fmt.Errorf("share %s: %w", a.target.Entries[n].Path, err)
		}
	}
	for _, t := range a.trees {
		b.trees = append(b.trees, t.name)
	}
	return nil
}

func (a *assembly) settleTree(n int, b *berth) error {
	name := a.target.Entries[n].Path
	if a.spared[n] {
		if err := removeTree(filepath.Join(a.path, name)); err != nil {
			return err
		}
	} else if err := a.moveTree(n, b); err != nil {
		return err
	}
	at := slices.IndexFunc(a.trees, func(t keptTree) bool { return t.entry == n })
	up := strings.Repeat("../", strings.Count(name, "/")+2)
	return unix.Symlinkat(up+".deliver/trees/"+a.trees[at].name+"/"+path.Base(name), int(a.top), name)
}

// moveTree moves the directory of entry n into the berth, from where it becomes
// a kept tree when the release is shelved.
func (a *assembly) moveTree(n int, b *berth) error {
	e := a.target.Entries[n]
	if err := a.finishDirectories(e.Path); err != nil {
		return err
	}
	a.moved = append(a.moved, e.Path)
	t := keptTree{n, newTreeName(a.target.Subtree(n))}
	dir := filepath.Join(b.path("trees"), t.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(a.path, e.Path), filepath.Join(dir, path.Base(e.Path))); err != nil {
		return err
	}
	inodes, err := a.lookOver(n, filepath.Join(dir, path.Base(e.Path)))
	if err != nil {
		return err
	}
	a.lead(t)
	return os.WriteFile(filepath.Join(dir, "inodes"), sealed(encodeInodes(inodes)), 0o644)
}

// lookOver takes down all inodes of the directory of entry n, which lies at dir.
func (a *assembly) lookOver(n int, dir string) ([]inode, error) {
	in, err := a.openInspection(n, dir)
	if err != nil {
		return nil, err
	}
	defer in.dir.close()
	err = in.each(func(dir dirFD, m int) error {
		var st unix.Stat_t
		name := a.target.Entries[m].Path
		if err := dir.stat(path.Base(name), &st); err != nil {
			return &fs.PathError{Op: "look at", Path: name, Err: err}
		}
		in.now[m-n] = inodeOf(&st)
		return nil
	})
	return in.now, err
}

// shelveTrees makes the trees of a berth those that all releases find. One
// that was there must be there still.
func (l *Local) shelveTrees(b *berth) error {
	if len(b.trees) == 0 {
		return nil
	}
	if err := os.MkdirAll(l.trees(), 0o755); err != nil {
		return err
	}
	for _, name := range b.trees {
		err := os.Rename(filepath.Join(b.path("trees"), name), filepath.Join(l.trees(), name))
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Stat(l.treeInodes(name))
		}
		if err != nil {
			return err
		}
	}
	return syncDir(l.trees())
}

// superfluousTrees are the kept trees that no release but those of doomed leads
// to. Where it is not known of a release to which it does, there are none.
func (l *Local) superfluousTrees(doomed []string) ([]string, error) {
	kept, err := os.ReadDir(l.trees())
	if errors.Is(err, fs.ErrNotExist) || len(kept) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	used, err := l.usedTrees(doomed)
	if err != nil || used == nil {
		return nil, err
	}
	var found []string
	for _, e := range kept {
		if !used[e.Name()] {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

// usedTrees are those that the releases but those of doomed lead to, nil where
// that is not known of each. What is no release of deliver's may be a copy of one.
func (l *Local) usedTrees(doomed []string) (map[string]bool, error) {
	entries, err := os.ReadDir(l.releases())
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, e := range entries {
		if slices.Contains(doomed, e.Name()) {
			continue
		}
		trees, known := l.treesOf(e.Name())
		if !known {
			return nil, nil
		}
		for _, t := range trees {
			used[t.name] = true
		}
	}
	return used, nil
}

// treesOf are the kept trees that release id leads to.
func (l *Local) treesOf(id string) (trees []keptTree, known bool) {
	if _, ok := l.shelved(id); !ok {
		return nil, false
	}
	content, err := os.ReadFile(l.keepingFile(id))
	if err != nil {
		return nil, false
	}
	p, err := parseKeeping(content)
	return p.trees, err == nil
}

// unseenNumber is the number of an inode of which nothing is known.
const unseenNumber = ^uint64(0)

// overlay fills in what is known of the files in kept trees.
func (l *Local) overlay(k *keeping) {
	for _, t := range k.trees {
		count := 1 + len(k.manifest.Below(t.entry))
		known := l.readInodes(t.name, count)
		for n := range count {
			i := inode{Number: unseenNumber}
			if known != nil {
				i = known[n]
			}
			if k.manifest.Entries[t.entry+n].Kind == manifest.File {
				k.inodes[t.entry+n] = i
			}
		}
	}
}

// readInodes are those of a kept tree, nil where they are not known.
func (l *Local) readInodes(name string, count int) []inode {
	content, err := os.ReadFile(l.treeInodes(name))
	if err != nil {
		return nil
	}
	content, ok := unsealed(content)
	if !ok || len(content) != count*inodeSize {
		return nil
	}
	return decodeInodes(content)
}

// keepTree writes down again what is known of the files of a kept tree.
func (l *Local) keepTree(k *keeping, t keptTree) error {
	below := k.manifest.Below(t.entry)
	inodes := l.readInodes(t.name, 1+len(below))
	if inodes == nil {
		return nil
	}
	for n, e := range below {
		if e.Kind == manifest.File {
			inodes[n+1] = k.inodes[t.entry+1+n]
		}
	}
	return l.writeInodes(t.name, inodes)
}

func (l *Local) writeInodes(name string, inodes []inode) error {
	return l.save(l.treeInodes(name), sealed(encodeInodes(inodes)))
}

// sealed is content behind its SHA-256.
func sealed(content []byte) []byte {
	return seal(append(make([]byte, sha256.Size, sha256.Size+len(content)), content...))
}

// seal puts the SHA-256 before what it is of, where there is room for it.
func seal(file []byte) []byte {
	sum := sha256.Sum256(file[sha256.Size:])
	copy(file, sum[:])
	return file
}

// unsealed is what sealed was given.
func unsealed(file []byte) ([]byte, bool) {
	if len(file) < sha256.Size {
		return nil, false
	}
	content := file[sha256.Size:]
	return content, sha256.Sum256(content) == [sha256.Size]byte(file)
}
