package manifest

import (
	"archive/tar"
	"maps"
	"path"
)

// KindOf is what a tar entry makes, Absent for what a release may not have.
func KindOf(typeflag byte) Kind {
	switch typeflag {
	case tar.TypeReg, '\x00', tar.TypeCont, tar.TypeGNUSparse:
		return File
	case tar.TypeDir:
		return Directory
	case tar.TypeSymlink:
		return Symlink
	case tar.TypeLink:
		return Link
	}
	return Absent
}

// Builder makes the manifest of the tree that `tar x` would make of an archive:
// of two entries with one name the later one counts, owners and set-id bits do
// not.
type Builder struct {
	shape Shape
	nodes map[string]*Node
	count int64
}

// Node is what one or more paths of a tree are. Its Digest is for the caller to
// set, when the content is known.
type Node struct {
	Digest Digest
	entry  Entry
	first  string // path; empty until the manifest is made
}

// NewBuilder is a Builder of an empty tree.
func NewBuilder() *Builder {
	top := &Node{entry: Entry{Kind: Directory, Implied: true}}
	return &Builder{shape: NewShape(), nodes: map[string]*Node{".": top}}
}

// Add adds a tar entry; the Node is nil where none was made. An error is of
// type *Unsafe.
func (b *Builder) Add(h *tar.Header) (*Node, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil, nil // git archive's commit
	}
	name, err := CleanPath(h.Name)
	if err != nil {
		return nil, err
	}
	k := KindOf(h.Typeflag)
	if k == Absent {
		return nil, unsafe(h.Name, "it is no file, directory or link (type %q)", h.Typeflag)
	}
	b.count++
	if k == Link {
		return nil, b.link(name, h.Linkname)
	}
	if err := b.shape.Admit(name, k); err != nil {
		return nil, err
	}
	node := &Node{entry: Entry{Kind: k, Time: At(h.ModTime), Mode: uint16(h.Mode & 0o777)}}
	switch k {
	case File:
		node.entry.Size = h.Size
	case Symlink:
		if err := b.shape.AdmitSymlink(name, h.Linkname); err != nil {
			return nil, err
		}
		node.entry.Target, node.entry.Mode = h.Linkname, 0
	}
	b.put(name, node)
	return node, nil
}

// Count is the number of entries that Add was given.
func (b *Builder) Count() int64 { return b.count }

func (b *Builder) link(name, target string) error {
	to, err := CleanPath(target)
	if err != nil {
		return unsafe(name, "it links to %s, outside the release", target)
	}
	node := b.nodes[to]
	if k := b.shape.Kinds[to]; (k != File && k != Symlink) || to == name {
		return unsafe(name, "it links to %s, which is %s in the release", target, k)
	}
	if err := b.shape.Admit(name, node.entry.Kind); err != nil {
		return err
	}
	if node.entry.Kind == Symlink {
		if err := b.shape.AdmitSymlink(name, node.entry.Target); err != nil {
			return err
		}
	}
	b.put(name, node)
	return nil
}

func (b *Builder) put(name string, node *Node) {
	for parent := path.Dir(name); b.nodes[parent] == nil; parent = path.Dir(parent) {
		b.nodes[parent] = &Node{entry: Entry{Kind: Directory, Implied: true}}
		b.shape.Kinds[parent] = Directory
	}
	b.nodes[name] = node
	b.shape.Kinds[name] = node.entry.Kind
	if node.entry.Kind == Symlink {
		b.shape.Targets[name] = node.entry.Target
	}
}

// Manifest is the tree of all that was added.
func (b *Builder) Manifest() (*Manifest, error) {
	if err := b.shape.AdmitSymlinks(); err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(b.nodes))
	for name := range maps.Keys(b.nodes) {
		entries = append(entries, Entry{Path: name})
	}
	sortEntries(entries)
	for _, node := range b.nodes {
		node.first = ""
	}
	for n := range entries {
		b.nodes[entries[n].Path].fill(&entries[n])
	}
	return sealed(entries, parentsOf(entries)), nil
}

// parentsOf is for entries of which all directories are known to be there.
func parentsOf(entries []Entry) []int {
	parents := make([]int, len(entries))
	above := lineage{entries: entries}
	for n := range entries {
		parents[n] = max(above.parent(n), 0)
	}
	return parents
}

// fill makes e of the node: the first time what it is, then another name of that.
func (node *Node) fill(e *Entry) {
	if node.first != "" {
		e.Kind, e.Target = Link, node.first
		return
	}
	node.first = e.Path
	*e = node.entry
	e.Path, e.Digest = node.first, node.Digest
}
