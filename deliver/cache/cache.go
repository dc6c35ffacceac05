// Package cache is what this side remembers of the releases it shipped: their
// manifests, and contents that the next release's may be compressed with. All
// of it can be missing, old or damaged: then more is sent, and nothing else
// happens.
package cache

import (
	"cmp"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"deliver/manifest"
)

// most is how much of the disk a cache takes.
const most = 1 << 30

// Cache is a directory. A nil one remembers nothing.
type Cache struct{ dir string }

// Open returns the cache at dir, which is made; nil where it can't be.
func Open(dir string) *Cache {
	if os.MkdirAll(dir, 0o700) != nil {
		return nil
	}
	return &Cache{dir: dir}
}

func (c *Cache) path(tree manifest.Digest, kind string) string {
	return filepath.Join(c.dir, tree.String()+"."+kind)
}

// Manifest is that of a tree.
func (c *Cache) Manifest(tree manifest.Digest) (*manifest.Manifest, bool) {
	if c == nil {
		return nil, false
	}
	name := c.path(tree, "manifest")
	encoded, err := os.ReadFile(name)
	if err != nil {
		return nil, false
	}
	m, err := manifest.Decode(encoded)
	if err != nil || sha256.Sum256(encoded) != tree {
		_ = os.Remove(name)
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(name, now, now) // what is used is not old
	return m, true
}

// Remember keeps the manifest of a tree.
func (c *Cache) Remember(tree manifest.Digest, m *manifest.Manifest) {
	if c == nil {
		return
	}
	_ = c.save(c.path(tree, "manifest"), m.Encode())
	c.shrink()
}

// save writes a file whole or not at all.
func (c *Cache) save(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(c.dir))
}

// unfinished is after how long a file without a name of its own is one of a run
// that was killed.
const unfinished = 24 * time.Hour

// shrink removes what was used longest ago, and what was never finished.
func (c *Cache) shrink() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var files []fs.FileInfo
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasPrefix(e.Name(), ".") && time.Since(info.ModTime()) > unfinished:
			_ = os.Remove(filepath.Join(c.dir, e.Name()))
		default:
			files = append(files, info)
			total += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, f := range files {
		if total <= most {
			return
		}
		_ = os.Remove(filepath.Join(c.dir, f.Name()))
		total -= f.Size()
	}
}
