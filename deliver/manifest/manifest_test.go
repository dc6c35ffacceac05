package manifest_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/manifest"
)

// built makes the manifest of headers; the digest of a file is that of its Uname.
func built(t testing.TB, headers ...tar.Header) *manifest.Manifest {
	t.Helper()
	b := manifest.NewBuilder()
	for _, h := range headers {
		content := h.Uname
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		node, err := b.Add(&h)
		require.NoError(t, err)
		if h.Typeflag == tar.TypeReg {
			node.Digest = sha256.Sum256([]byte(content))
		}
	}
	m, err := b.Manifest()
	require.NoError(t, err)
	return m
}

func file(name, content string, when int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Uname: content, Mode: 0o644, ModTime: time.Unix(when, 0)}
}

func dir(name string, when int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: time.Unix(when, 0)}
}

func paths(m *manifest.Manifest) []string {
	var found []string
	for _, e := range m.Entries {
		found = append(found, e.Path)
	}
	return found
}

func TestEntriesStandRightAfterTheirDirectory(t *testing.T) {
	t.Parallel()
	m := built(t, file("a/c", "", 1), file("a.b", "", 1), file("a-b", "", 1), file("b", "", 1), file("a/b/c", "", 1))
	assert.Equal(t, []string{".", "a", "a/b", "a/b/c", "a/c", "a-b", "a.b", "b"}, paths(m))
	n, ok := m.Find("a")
	require.True(t, ok)
	assert.Len(t, m.Below(n), 3)
	assert.Len(t, m.Below(0), 7)
}

func TestTheLaterOfTwoEntriesCounts(t *testing.T) {
	t.Parallel()
	m := built(t, file("a", "old", 1), tar.Header{Typeflag: tar.TypeLink, Name: "b", Linkname: "a"}, file("a", "new", 2), dir("d", 3), dir("d", 4))
	a, _ := m.Find("a")
	b, _ := m.Find("b")
	d, _ := m.Find("d")
	assert.Equal(t, manifest.Digest(sha256.Sum256([]byte("new"))), m.Entries[a].Digest)
	assert.Equal(t, manifest.Digest(sha256.Sum256([]byte("old"))), m.Entries[b].Digest)
	assert.Equal(t, int64(4), m.Entries[d].Time.Sec)
}

func TestAHardLinkNamesTheFirstPath(t *testing.T) {
	t.Parallel()
	m := built(t, file("z", "x", 1), tar.Header{Typeflag: tar.TypeLink, Name: "b", Linkname: "z"})
	b, _ := m.Find("b")
	z, _ := m.Find("z")
	assert.Equal(t, manifest.File, m.Entries[b].Kind)
	assert.Equal(t, manifest.Link, m.Entries[z].Kind)
	assert.Equal(t, "b", m.Entries[z].Target)
}

func TestWhatLeavesTheReleaseIsUnsafe(t *testing.T) {
	t.Parallel()
	link := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
	}
	for name, headers := range map[string][]tar.Header{
		"..":                  {file("a/../../b", "", 1)},
		"absolute":            {file("/a", "", 1)},
		"no name":             {file("", "", 1)},
		"symlink out":         {link("a", "../b")},
		"symlink to root":     {link("a", "/b")},
		"two symlinks out":    {dir("d", 1), link("d/a", "../b/.."), link("b", ".")},
		"through a symlink":   {link("a", "b"), file("a/c", "", 1)},
		"through a file":      {file("a", "", 1), file("a/c", "", 1)},
		"file and directory":  {file("a", "", 1), dir("a", 1)},
		"device":              {{Typeflag: tar.TypeChar, Name: "a"}},
		"hard link to itself": {file("a", "", 1), {Typeflag: tar.TypeLink, Name: "a", Linkname: "a"}},
		"hard link to none":   {{Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}},
		"hard link out":       {{Typeflag: tar.TypeLink, Name: "a", Linkname: "../b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := manifest.NewBuilder()
			var err error
			for _, h := range headers {
				if err == nil {
					_, err = b.Add(&h)
				}
			}
			if err == nil {
				_, err = b.Manifest()
			}
			var refused *manifest.Unsafe
			require.ErrorAs(t, err, &refused)
		})
	}
}

func TestWhatEveryEntryBearsCostsNothing(t *testing.T) {
	t.Parallel()
	tree := func(when int64, changed string) *manifest.Manifest {
		var headers []tar.Header
		for n := range 2000 {
			headers = append(headers, file(fmt.Sprintf("d%d/f%d", n%50, n), fmt.Sprint("content ", n), when))
		}
		return built(t, append(headers, file("changed", changed, when))...)
	}
	base, target := tree(1000, "one"), tree(2000, "two")
	diff := manifest.Difference(base, target)
	assert.Less(t, len(diff), 50)
	got, err := manifest.Apply(base, diff)
	require.NoError(t, err)
	completed(t, got, target)
	assert.Equal(t, target.Digest(), got.Digest())
}

func TestARenameCostsNoDigest(t *testing.T) {
	t.Parallel()
	tree := func(dir string) *manifest.Manifest {
		var headers []tar.Header
		for n := range 1000 {
			headers = append(headers, file(fmt.Sprintf("%s/f%d", dir, n), fmt.Sprint("content ", n), 1))
		}
		return built(t, headers...)
	}
	base, target := tree("old"), tree("new")
	assert.Less(t, len(manifest.Difference(base, target)), 1000*14)
}

// completed has the digests that only come with the contents.
func completed(t *testing.T, got, target *manifest.Manifest) {
	t.Helper()
	require.Len(t, got.Entries, len(target.Entries))
	for n, e := range target.Entries {
		require.True(t, got.Complete(n, e.Digest), e.Path)
	}
}

func TestAnotherContentCompletesNothing(t *testing.T) {
	t.Parallel()
	target := built(t, file("a", "content", 1))
	got, err := manifest.Apply(nil, manifest.Difference(nil, target))
	require.NoError(t, err)
	n, _ := got.Find("a")
	assert.False(t, got.Complete(n, sha256.Sum256([]byte("another"))))
	assert.NotEqual(t, target.Digest(), got.Digest())
	assert.True(t, got.Complete(n, sha256.Sum256([]byte("content"))))
	assert.Equal(t, target.Digest(), got.Digest())
}

// randomTree is a tree of n entries with names that are hard to get right.
func randomTree(r *rand.Rand, n int) []tar.Header {
	stamp := r.Int64N(1e9)
	names := []string{"a", "b.c", "A", "new\nline", "\xff\xfe", "ünï", "-x", " ", strings.Repeat("long", 30)}
	var headers []tar.Header
	dirs := []string{""}
	for i := range n {
		name := dirs[r.IntN(len(dirs))] + names[r.IntN(len(names))] + fmt.Sprint(i)
		when := stamp
		if r.IntN(4) == 0 {
			when = r.Int64N(2e9) - 1e9
		}
		switch r.IntN(8) {
		case 0:
			headers = append(headers, dir(name, when))
			fallthrough
		case 1:
			dirs = append(dirs, name+"/")
		case 2:
			headers = append(headers, tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: "somewhere", ModTime: time.Unix(when, 5)})
		case 3:
			if last := headers[max(len(headers)-1, 0):]; len(last) == 1 && last[0].Typeflag == tar.TypeReg {
				headers = append(headers, tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: last[0].Name})
			}
		default:
			h := file(name, fmt.Sprint(r.IntN(n)), when)
			h.Mode = r.Int64N(0o1000)
			headers = append(headers, h)
		}
	}
	return headers
}

// edited changes, removes, renames and adds some entries.
func edited(r *rand.Rand, headers []tar.Header) []tar.Header {
	var result []tar.Header
	used := map[string]bool{}
	for _, h := range headers {
		used[h.Linkname] = true
	}
	for _, h := range headers {
		movable := h.Typeflag == tar.TypeReg && !used[h.Name]
		switch choice := r.IntN(12); {
		case choice == 0 && movable:
			continue
		case choice == 1 && movable:
			h.Name += ".moved"
		case choice == 2:
			h.ModTime = time.Unix(r.Int64N(1e9), r.Int64N(1e9))
		case choice == 3 && h.Typeflag == tar.TypeReg:
			h.Uname += "changed"
		}
		result = append(result, h)
	}
	for n := range r.IntN(5) {
		result = append(result, file(fmt.Sprint("added", n), "new", 7))
	}
	return result
}

func TestADifferenceMakesTheTargetOfRandomTrees(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		headers := randomTree(r, 1+r.IntN(120))
		base := built(t, headers...)
		target := built(t, edited(r, headers)...)
		for _, from := range []*manifest.Manifest{nil, base, target, built(t)} {
			got, err := manifest.Apply(from, manifest.Difference(from, target))
			require.NoError(t, err, "seed %d", seed)
			completed(t, got, target)
			require.Equal(t, target.Entries, got.Entries, "seed %d", seed)
			require.Equal(t, target.Digest(), got.Digest(), "seed %d", seed)
		}
	}
}

func TestAFlippedBitIsFound(t *testing.T) {
	t.Parallel()
	m := built(t, randomTree(rand.New(rand.NewPCG(3, 3)), 25)...)
	encoded := m.Encode()
	for n := range encoded {
		for _, bit := range []int{0, 3, 7} {
			damaged := bytes.Clone(encoded)
			damaged[n] ^= 1 << bit
			got, err := manifest.Decode(damaged)
			if err == nil && got.Digest() == m.Digest() { // another spelling of the same
				require.Equal(t, m.Entries, got.Entries, "byte %d bit %d", n, bit)
			}
		}
		_, err := manifest.Decode(encoded[:n])
		require.Error(t, err)
	}
}

func TestADifferenceForAnotherBaseIsRefused(t *testing.T) {
	t.Parallel()
	base, target := built(t, file("a", "1", 1), file("b", "2", 1)), built(t, file("a", "1", 1), file("b", "3", 1))
	diff := manifest.Difference(base, target)
	for _, other := range []*manifest.Manifest{nil, built(t), built(t, file("a", "1", 1)), built(t, file("x", "1", 1), file("y", "1", 1), file("z", "", 1))} {
		got, err := manifest.Apply(other, diff)
		if err == nil {
			assert.NotEqual(t, target.Digest(), got.Digest())
		}
	}
}

// Entries that no archive makes, as those that want to be more than one thing.
func TestEntriesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	type entry = manifest.Entry
	top, dir := entry{Path: ".", Kind: manifest.Directory}, func(name string) entry { return entry{Path: name, Kind: manifest.Directory} }
	link := func(name, target string) entry { return entry{Path: name, Kind: manifest.Symlink, Target: target} }
	full := func(name string) entry {
		return entry{Path: name, Kind: manifest.File, Size: 1, Digest: manifest.Digest{1}}
	}
	for name, c := range map[string]struct {
		entries []entry
		says    string
	}{
		"no tree":               {[]entry{dir("a")}, "does not begin with the tree"},
		"the tree twice":        {[]entry{top, dir(".")}, "no clean path"},
		"a dot before":          {[]entry{top, link("./a", "b")}, "no clean path"},
		"a dot between":         {[]entry{top, dir("a"), full("a/./b")}, "no clean path"},
		"a dot after":           {[]entry{top, dir("a"), dir("a/.")}, "no clean path"},
		"a slash after":         {[]entry{top, dir("a"), dir("a/")}, "no clean path"},
		"two slashes":           {[]entry{top, dir("a"), full("a//b")}, "no clean path"},
		"absolute":              {[]entry{top, full("/a")}, "absolute"},
		"above":                 {[]entry{top, full("../a")}, "has .."},
		"out and in":            {[]entry{top, dir("a"), full("a/../b")}, "has .."},
		"dots":                  {[]entry{top, dir("a"), dir("a/..")}, "has .."},
		"no name":               {[]entry{top, full("")}, "no name"},
		"a zero byte":           {[]entry{top, full("a\x00b")}, "zero byte"},
		"twice":                 {[]entry{top, full("a"), full("a")}, "not in order"},
		"a file and a tree":     {[]entry{top, full("a"), dir("a"), full("a/b")}, "not in order"},
		"not in order":          {[]entry{top, full("b"), full("a")}, "not in order"},
		"back into a directory": {[]entry{top, dir("a"), full("a/x"), full("b"), full("a/y")}, "not in order"},
		"not after its tree":    {[]entry{top, dir("a"), dir("a/b"), full("a/b/c"), full("a/a")}, "not in order"},
		"below a file":          {[]entry{top, full("a"), full("a/b")}, "goes through a, which is a file"},
		"below a symlink":       {[]entry{top, link("a", "b"), full("a/c")}, "goes through a, which is a symlink"},
		"below nothing":         {[]entry{top, full("a/b")}, "goes through a, which is"},
		"a symlink out":         {[]entry{top, link("a", "../b")}, "outside the release"},
		"two symlinks out":      {[]entry{top, dir("a"), link("a/up", ".."), link("b", "a/up/..")}, "outside the release"},
		"a link to what is not": {[]entry{top, {Path: "a", Kind: manifest.Link, Target: "b"}, full("b")}, "it links to b, which is"},
		"a link to a directory": {[]entry{top, dir("a"), {Path: "b", Kind: manifest.Link, Target: "a"}}, "it links to a, which is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := manifest.Decode((&manifest.Manifest{Entries: c.entries}).Encode())
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func FuzzApply(f *testing.F) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 6))
		headers := randomTree(r, 20)
		base, target := built(f, headers...), built(f, edited(r, headers)...)
		f.Add(base.Encode(), manifest.Difference(base, target))
		f.Add(base.Encode(), manifest.Difference(nil, target))
	}
	f.Fuzz(func(t *testing.T, encoded, diff []byte) {
		base, err := manifest.Decode(encoded)
		if err != nil {
			base = nil
		}
		m, err := manifest.Apply(base, diff)
		if err != nil {
			return
		}
		again, err := manifest.Decode(m.Encode())
		require.NoError(t, err)
		require.Equal(t, m.Entries, again.Entries)
	})
}
