package host_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// nodeServer is a server where node_modules is kept.
func nodeServer(t testing.TB, root string) *host.Local {
	t.Helper()
	local, err := host.NewLocal(host.Place{App: "shop", Root: root, SharedTrees: []string{"node_modules"}})
	require.NoError(t, err)
	return local
}

// nodeApp is an app with packages, of which one has a version.
func nodeApp(source, version string) []hosttest.Item {
	closed := hosttest.Dir("node_modules/express/closed")
	closed.Mode = 0o555
	items := []hosttest.Item{
		hosttest.File("server.js", "console.log(require('express')) //"+source), hosttest.Dir("node_modules"), hosttest.Dir("node_modules/express"),
		hosttest.File("node_modules/express/index.js", "module.exports = 'express with ' + require('uuid')"),
		hosttest.Dir("node_modules/uuid"), hosttest.File("node_modules/uuid/index.js", "module.exports = 'uuid "+version+"'"),
		hosttest.Dir("node_modules/.bin"), hosttest.Symlink("node_modules/.bin/uuid", "../uuid/index.js"), hosttest.Dir("node_modules/empty"), closed,
		hosttest.Script("node_modules/uuid/build", "echo built"),
	}
	for n := range 50 {
		items = append(items, hosttest.File(fmt.Sprintf("node_modules/lodash/%d.js", n), strings.Repeat(fmt.Sprint("lodash ", n), 40)))
	}
	return items
}

// app is release number n of it.
func app(t testing.TB, n int, source, version string, more ...hosttest.Item) hosttest.Tree {
	t.Helper()
	return hosttest.Grow(t, fmt.Sprint("v", n), hosttest.Tar(t, stamped(int64(1000*n), append(nodeApp(source, version), more...)...)...))
}

// treeOf is where node_modules of a release lies.
func treeOf(t *testing.T, root, id string) string {
	t.Helper()
	target, err := os.Readlink(filepath.Join(root, "releases", id, "node_modules"))
	require.NoError(t, err)
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "releases", id, "node_modules"))
	require.NoError(t, err, "%s leads nowhere", target)
	return dir
}

// requireLike asks that a release is what tar makes of its build but for times,
// where kept directories are what their symlinks lead to.
func requireLike(t *testing.T, root string, tree hosttest.Tree, kept ...string) {
	t.Helper()
	want := memoryDir(t)
	untar := exec.Command("tar", "--no-same-owner", "-C", want, "-xf", "-")
	untar.Stdin = bytes.NewReader(tree.Plain)
	out, err := untar.CombinedOutput()
	require.NoError(t, err, string(out))
	release := filepath.Join(root, "releases", tree.Record.ID)
	named := namesIn(t, tree.Plain)
	have := describe(t, release, named)
	for _, name := range kept {
		dir, err := filepath.EvalSymlinks(filepath.Join(release, name))
		require.NoError(t, err)
		require.NotContains(t, dir, "/releases/", "%s is kept", name)
		have = slices.DeleteFunc(have, func(line string) bool { return strings.HasPrefix(line, strconv.Quote(name)+" ") })
		have = append(have, moved(t, describe(t, dir, nil), name)...)
	}
	wanted := describe(t, want, named)
	slices.Sort(have)
	slices.Sort(wanted)
	require.Equal(t, timeless(wanted, kept), timeless(have, kept))
	makeAccessible(want)
}

// moved are the lines of a directory as they are where it is called name.
func moved(t *testing.T, lines []string, name string) []string {
	t.Helper()
	var result []string
	for _, line := range lines {
		if strings.TrimSpace(line) == "." {
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		require.NoError(t, err, line)
		was, err := strconv.Unquote(quoted)
		require.NoError(t, err)
		result = append(result, strconv.Quote(filepath.Join(name, was))+line[len(quoted):])
	}
	return result
}

// timeless leaves out all times. The lines of kept directories themselves go, too:
// they stay open to their owner.
func timeless(lines, kept []string) []string {
	var result []string
	for _, line := range lines {
		if slices.ContainsFunc(kept, func(name string) bool { return strings.HasPrefix(line, strconv.Quote(name)+" ") }) {
			continue
		}
		words := slices.DeleteFunc(strings.Split(line, " "), func(word string) bool {
			_, err := time.Parse(time.RFC3339Nano, word)
			return err == nil
		})
		result = append(result, strings.TrimRight(strings.Join(words, " "), " "))
	}
	return result
}

func keptTrees(t *testing.T, root string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, ".deliver/trees/*"))
	require.NoError(t, err)
	return names
}

func TestAnUnchangedTreeIsKeptOnce(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := nodeServer(t, root)
	first, second, third, back := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.0"), app(t, 3, "three", "9.0.1"), app(t, 4, "four", "9.0.0")
	update(t, local, nil, first)
	update(t, local, &first, second)
	assert.Equal(t, treeOf(t, root, "v1"), treeOf(t, root, "v2"))
	update(t, local, &second, third)
	assert.NotEqual(t, treeOf(t, root, "v1"), treeOf(t, root, "v3"))
	update(t, local, &third, back)
	if !canClone(t, root) {
		unchanged := func(id string) os.FileInfo {
			info, err := os.Stat(filepath.Join(treeOf(t, root, id), "lodash/7.js"))
			require.NoError(t, err)
			return info
		}
		assert.True(t, os.SameFile(unchanged("v1"), unchanged("v3")), "what has not changed costs no disk")
	}
	for _, tree := range []hosttest.Tree{first, second, third, back} {
		requireLike(t, root, tree, "node_modules")
	}
	_, err := local.Switch(t.Context(), "v4", "")
	require.NoError(t, err)
	_, err = local.Switch(t.Context(), "v1", "v4")
	require.NoError(t, err)
	assert.Equal(t, "module.exports = 'uuid 9.0.0'", read(t, root, "current/node_modules/uuid/index.js"))
}

func TestTimesDoNotCountInAKeptTree(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := nodeServer(t, root)
	installed := func(n int, version string) hosttest.Tree {
		items := nodeApp("source", version)
		for i := range items {
			items[i].ModTime = time.Unix(int64(1000*n+i), 0)
		}
		return hosttest.Grow(t, fmt.Sprint("v", n), hosttest.Tar(t, items...))
	}
	first, second, third := installed(1, "9.0.0"), installed(2, "9.0.0"), installed(3, "9.0.1")
	update(t, local, nil, first)
	update(t, local, &first, second)
	update(t, local, &second, third)
	assert.Equal(t, treeOf(t, root, "v1"), treeOf(t, root, "v2"))
	a, err := os.Stat(filepath.Join(treeOf(t, root, "v1"), "lodash/7.js"))
	require.NoError(t, err)
	b, err := os.Stat(filepath.Join(treeOf(t, root, "v3"), "lodash/7.js"))
	require.NoError(t, err)
	assert.True(t, os.SameFile(a, b) || canClone(t, root))
	requireLike(t, root, third, "node_modules")
}

func TestAKeptTreeFromATarAndOverTheWire(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	first, second, third := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.0"), app(t, 3, "three", "9.0.0")
	_, err := nodeServer(t, root).Receive(t.Context(), first.Record, first.Reader(), nil)
	require.NoError(t, err)
	_, err = nodeServer(t, root).Receive(t.Context(), second.Record, second.Reader(), nil)
	require.NoError(t, err)
	far := newFarSide(t)
	client := host.NewClient(host.Place{App: "shop", Root: root, SharedTrees: []string{"node_modules/"}}, far.open)
	t.Cleanup(func() { _ = client.Close() })
	update(t, client, &second, third)
	require.Len(t, keptTrees(t, root), 1)
	for _, tree := range []hosttest.Tree{first, second, third} {
		requireLike(t, root, tree, "node_modules")
	}
}

func TestNodeFindsPackagesInAKeptTree(t *testing.T) {
	t.Parallel()
	must(t, onPath("node"), "node")
	root := memoryDir(t)
	first, second := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.1")
	update(t, nodeServer(t, root), nil, first)
	update(t, nodeServer(t, root), &first, second)
	for id, want := range map[string]string{"v1": "express with uuid 9.0.0\n", "v2": "express with uuid 9.0.1\n"} {
		out, err := exec.Command("node", filepath.Join(root, "releases", id, "server.js")).CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Equal(t, want, string(out))
	}
}

func TestAKeptTreeThatWasChangedIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, dir string){
		"a flipped byte": func(t *testing.T, dir string) {
			rewrite(t, dir+"/lodash/7.js", func(content []byte) []byte { content[3] ^= 1; return content })
		},
		"a flipped byte under the old time": func(t *testing.T, dir string) {
			info, err := os.Stat(dir + "/lodash/7.js")
			require.NoError(t, err)
			rewrite(t, dir+"/lodash/7.js", func(content []byte) []byte { content[3] ^= 1; return content })
			require.NoError(t, os.Chtimes(dir+"/lodash/7.js", info.ModTime(), info.ModTime()))
		},
		"a cache": func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(dir+"/.cache/babel", 0o755))
		},
		"a new file":      func(t *testing.T, dir string) { require.NoError(t, os.WriteFile(dir+"/uuid/new", nil, 0o644)) },
		"a removed file":  func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/lodash/7.js")) },
		"another mode":    func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir+"/uuid/index.js", 0o600)) },
		"another link":    func(t *testing.T, dir string) { relink(t, dir+"/.bin/uuid", "../uuid/build") },
		"a moved package": func(t *testing.T, dir string) { require.NoError(t, os.Rename(dir+"/uuid", dir+"/uuid2")) },
		"no tree":         func(t *testing.T, dir string) { require.NoError(t, os.Rename(dir, dir+".old")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := memoryDir(t)
			local := nodeServer(t, root)
			first, second := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.0")
			update(t, local, nil, first)
			old := treeOf(t, root, "v1")
			change(t, old)
			completed(t, local, first, second)
			requireLike(t, root, second, "node_modules")
			assert.NotEqual(t, old, treeOf(t, root, "v2"), "what runs is left as it is")
		})
	}
}

func relink(t *testing.T, path, target string) {
	t.Helper()
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(target, path))
}

func TestAKeptTreeThatOnlyLooksChangedIsReadAndUsed(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := nodeServer(t, root)
	first, second := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.0")
	update(t, local, nil, first)
	dir := treeOf(t, root, "v1")
	require.NoError(t, os.Chtimes(dir+"/lodash/7.js", time.Unix(5, 0), time.Unix(5, 0)))
	require.NoError(t, os.WriteFile(dir+"/uuid/passing", nil, 0o644))
	require.NoError(t, os.Remove(dir+"/uuid/passing"))
	require.NoError(t, os.WriteFile(filepath.Dir(dir)+"/inodes", []byte("damaged"), 0o644))
	update(t, local, &first, second)
	assert.Equal(t, dir, treeOf(t, root, "v2"))
	requireLike(t, root, second, "node_modules")
}

func TestWhatCannotLieElsewhereIsNotKept(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]hosttest.Item{
		"a link out of it":              {hosttest.Symlink("node_modules/mine", "../packages/mine"), hosttest.Dir("packages/mine")},
		"a link out by a detour":        {hosttest.Symlink("node_modules/a", "uuid/../../server.js")},
		"a link through it and up":      {hosttest.Symlink("up", "node_modules/uuid/../../server.js")},
		"a link over a link into it":    {hosttest.Symlink("in", "node_modules/uuid"), hosttest.Symlink("up", "in/../../server.js")},
		"a hard link out of it":         {hosttest.HardLink("copy.js", "node_modules/uuid/index.js")},
		"a hard link into it":           {hosttest.HardLink("node_modules/server.js", "server.js")},
		"a link of two hard names":      {hosttest.Symlink("node_modules/a", "uuid"), hosttest.HardLink("node_modules/lodash/b", "node_modules/a"), hosttest.Symlink("node_modules/c", "lodash/b/../../../server.js")},
		"a link to a link that goes up": {hosttest.Symlink("node_modules/.bin/up", "../uuid/.."), hosttest.Symlink("node_modules/z", ".bin/up/../server.js")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := memoryDir(t)
			first, second := app(t, 1, "one", "9.0.0", more...), app(t, 2, "two", "9.0.0", more...)
			update(t, nodeServer(t, root), nil, first)
			update(t, nodeServer(t, root), &first, second)
			assert.Empty(t, keptTrees(t, root))
			requireLike(t, root, second)
		})
	}
}

func TestLinksWithinAndIntoAKeptTreeStayWhole(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	more := []hosttest.Item{
		hosttest.Symlink("tool", "node_modules/.bin/uuid"), hosttest.Symlink("node_modules/a", "uuid/../lodash"), hosttest.HardLink("node_modules/uuid/same.js", "node_modules/uuid/index.js"),
	}
	first, second := app(t, 1, "one", "9.0.0", more...), app(t, 2, "two", "9.0.0", more...)
	update(t, nodeServer(t, root), nil, first)
	update(t, nodeServer(t, root), &first, second)
	assert.Equal(t, treeOf(t, root, "v1"), treeOf(t, root, "v2"))
	assert.Equal(t, "module.exports = 'uuid 9.0.0'", read(t, root, "releases/v2/tool"))
	assert.Equal(t, strings.TrimSpace(strings.Repeat("lodash 7", 40)), read(t, root, "releases/v2/node_modules/a/7.js"))
	requireLike(t, root, second, "node_modules")
}

func TestSharingATreeBeginsAndEndsAtAnyRelease(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	first, second, third, fourth := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.0"), app(t, 3, "three", "9.0.0"), app(t, 4, "four", "9.0.1")
	update(t, newLocal(t, root), nil, first)
	update(t, nodeServer(t, root), &first, second)
	receipt := update(t, newLocal(t, root), &second, third)
	assert.Less(t, receipt.Bytes, int64(300), "what is in a kept tree is not sent again")
	requireLike(t, root, third)
	update(t, nodeServer(t, root), &third, fourth)
	requireLike(t, root, second, "node_modules")
	requireLike(t, root, fourth, "node_modules")
}

func TestAnAppThatWritesIntoItsReleaseMayShareATree(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local, err := host.NewLocal(host.Place{App: "shop", Root: root, Link: host.LinkCopy, SharedTrees: []string{"node_modules"}})
	require.NoError(t, err)
	first, second, third := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.0"), app(t, 3, "three", "9.0.1")
	update(t, local, nil, first)
	update(t, local, &first, second)
	update(t, local, &second, third)
	assert.Equal(t, treeOf(t, root, "v1"), treeOf(t, root, "v2"))
	require.NoError(t, os.WriteFile(filepath.Join(treeOf(t, root, "v3"), "lodash/7.js"), []byte("by the app"), 0o600))
	for _, tree := range []hosttest.Tree{first, second} {
		requireLike(t, root, tree, "node_modules")
	}
}

func TestAKeptTreeGoesWithTheLastReleaseThatLeadsToIt(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := nodeServer(t, root)
	var last *hosttest.Tree
	for n, version := range []string{"1", "1", "2", "3", "3"} {
		tree := app(t, n+1, fmt.Sprint(n), version)
		update(t, local, last, tree)
		last = &tree
	}
	_, err := local.Switch(t.Context(), "v5", "")
	require.NoError(t, err)
	prune := func(keep int, removed ...string) {
		t.Helper()
		have, err := local.Prune(t.Context(), keep)
		require.NoError(t, err)
		assert.Equal(t, removed, have)
	}
	require.Len(t, keptTrees(t, root), 3)
	prune(4, "v1")
	require.Len(t, keptTrees(t, root), 3, "v2 leads to what v1 led to")
	require.NoError(t, os.Mkdir(filepath.Join(root, "releases/by-hand"), 0o755))
	prune(3, "v2")
	require.Len(t, keptTrees(t, root), 3, "nobody knows where a release that is not deliver's leads")
	require.NoError(t, os.Remove(filepath.Join(root, "releases/by-hand")))
	prune(3)
	require.Len(t, keptTrees(t, root), 2)
	manifest := filepath.Join(root, ".deliver/manifests/v4")
	rewrite(t, manifest, func(content []byte) []byte { content[50] ^= 1; return content })
	prune(2, "v3")
	require.Len(t, keptTrees(t, root), 2, "nobody knows where v4 leads")
	rewrite(t, manifest, func(content []byte) []byte { content[50] ^= 1; return content })
	prune(2)
	require.Len(t, keptTrees(t, root), 1)
	requireLike(t, root, *last, "node_modules")
	assert.Empty(t, forgotten(t, local, "v5"), "what lost names with v3 is known")
}

func TestAKeptTreeThatIsGoneIsNotLedTo(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := nodeServer(t, root)
	first, second := app(t, 1, "one", "9.0.0"), app(t, 2, "two", "9.0.0")
	update(t, local, nil, first)
	slow := tardy{then: func() { require.NoError(t, os.RemoveAll(filepath.Dir(treeOf(t, root, "v1")))) }}
	_, err := local.Update(t.Context(), second.Record, first.Base(), slow.after(second.Parts(t, &first)), nil)
	require.Error(t, err)
	assert.NoDirExists(t, filepath.Join(root, "releases/v2"))
}

func TestKilledUpdatesLeaveNoTreeBehind(t *testing.T) {
	t.Parallel()
	const rounds = 25
	root := memoryDir(t)
	place := host.Place{App: "shop", Root: root, SharedTrees: []string{"node_modules"}}
	local := nodeServer(t, root)
	first := app(t, 0, "first", "0")
	began := time.Now()
	update(t, host.NewClient(place, farProcess{}.open), nil, first)
	client := host.NewClient(place, killer{rand.New(rand.NewPCG(3, 4)), 2 * time.Since(began)}.open)
	trees := map[string]hosttest.Tree{"v0": first}
	last := first
	for n := range rounds {
		next := app(t, n+1, fmt.Sprint(n), fmt.Sprint(n/2))
		_, err := client.Update(t.Context(), next.Record, last.Base(), next.Parts(t, &last), nil)
		trees[next.Record.ID] = next
		state, lookErr := local.Look(t.Context(), host.Service{Manager: "none"})
		require.NoError(t, lookErr)
		for _, rec := range state.Releases {
			requireLike(t, root, trees[rec.ID], "node_modules")
		}
		if err == nil {
			last = next
		}
		_, err = client.Switch(t.Context(), last.Record.ID, "")
		if err == nil {
			_, _ = client.Prune(t.Context(), 3)
		}
	}
	next := app(t, rounds+1, "last", "9")
	completed(t, local, last, next)
	_, err := local.Switch(t.Context(), next.Record.ID, "")
	require.NoError(t, err)
	_, err = local.Prune(t.Context(), 0)
	require.NoError(t, err)
	requireLike(t, root, next, "node_modules")
	assert.LessOrEqual(t, len(keptTrees(t, root)), 2, "those of the current release and of the one before it")
	left, err := filepath.Glob(filepath.Join(root, ".deliver/incoming/*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestKeptTreesOfRandomTreesAndEdits(t *testing.T) {
	t.Parallel()
	must(t, onPath("tar"), "GNU tar")
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 22))
			source, root := memoryDir(t), memoryDir(t)
			plantTree(t, r, source)
			require.NoError(t, os.MkdirAll(filepath.Join(source, "node_modules"), 0o755))
			plantTree(t, r, filepath.Join(source, "node_modules"))
			var last *hosttest.Tree
			for n := range 5 {
				tree := hosttest.Grow(t, fmt.Sprint("v", n), runTar(t, "--format=posix", "-C", source, "-cf", "-", "."))
				update(t, nodeServer(t, root), last, tree)
				requireLike(t, root, tree, "node_modules")
				last = &tree
				if n%2 == 0 {
					editTree(t, r, filepath.Join(source, "node_modules"))
				}
			}
			require.LessOrEqual(t, len(keptTrees(t, root)), 3)
		})
	}
}

// tardy has something happen before the last byte of the parts comes.
type tardy struct{ then func() }

func (s tardy) after(parts host.Parts) host.Parts {
	return func(lacks []host.Range) (io.Reader, error) {
		r, err := parts(lacks)
		if err != nil {
			return nil, err
		}
		all, err := io.ReadAll(r)
		last := len(all) - 1
		return io.MultiReader(bytes.NewReader(all[:last]), happening(s.then), bytes.NewReader(all[last:])), err
	}
}

// happening is a reader of nothing.
type happening func()

// Read has it happen.
func (h happening) Read([]byte) (int, error) {
	h()
	return 0, io.EOF
}
