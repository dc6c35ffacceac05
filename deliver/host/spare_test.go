package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// A spare tree is made when a delivery is over; the next release begins with it.

// laidOut has v1 run on a server, with a spare tree.
func laidOut(t *testing.T) (root string, first hosttest.Tree) {
	t.Helper()
	root = memoryDir(t)
	must(t, !canClone(t, root), "a file system that shares no blocks")
	first = hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	local := newLocal(t, root)
	update(t, local, nil, first)
	live(t, local, "v1")
	require.NoError(t, local.LayOut(t.Context()))
	require.DirExists(t, filepath.Join(root, ".deliver/spare/tree/d"))
	return root, first
}

func live(t *testing.T, s host.Server, id string) {
	t.Helper()
	_, err := s.Switch(t.Context(), id, "")
	require.NoError(t, err)
}

func inodeAt(t *testing.T, path ...string) uint64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(path...))
	require.NoError(t, err)
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestTheNextReleaseBeginsWithTheSpareTree(t *testing.T) {
	t.Parallel()
	root, first := laidOut(t)
	directory := inodeAt(t, root, ".deliver/spare/tree/d")
	plain := hosttest.Tar(t, stamped(2000, manyFiles("two")...)...)
	update(t, newLocal(t, root), &first, hosttest.Grow(t, "v2", plain))
	requireEqualsTar(t, root, "v2", plain, true)
	assert.Equal(t, directory, inodeAt(t, root, "releases/v2/d"))
	assert.Equal(t, inodeAt(t, root, "releases/v1/d/7"), inodeAt(t, root, "releases/v2/d/7"))
	assert.NoDirExists(t, filepath.Join(root, ".deliver/spare"))
}

func TestASpareTreeHelpsWhateverANewReleaseIsMadeOf(t *testing.T) {
	t.Parallel()
	plain := hosttest.Tar(t, stamped(2000, manyFiles("two")...)...)
	for name, base := range map[string]*hosttest.Tree{
		"nothing":         nil,
		"another release": ptr(hosttest.Grow(t, "v0", hosttest.Tar(t, stamped(1000, manyFiles("two")[:20]...)...))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, _ := laidOut(t)
			local := newLocal(t, root)
			directory := inodeAt(t, root, ".deliver/spare/tree/d")
			if base != nil {
				receive(t, root, hosttest.Pack(t, "v0", hosttest.Tar(t, stamped(1000, manyFiles("two")[:20]...)...)))
			}
			update(t, local, base, hosttest.Grow(t, "v2", plain))
			requireEqualsTar(t, root, "v2", plain, true)
			assert.Equal(t, directory, inodeAt(t, root, "releases/v2/d"))
			assert.Equal(t, inodeAt(t, root, "releases/v1/d/7"), inodeAt(t, root, "releases/v2/d/7"))
		})
	}
}

func TestDirectoriesOfASpareTreeGetTheModesOfTheNewRelease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ was, is int64 }{
		{0o755, 0o755}, {0o755, 0o700}, {0o700, 0o755}, {0o755, 0o555}, {0o555, 0o555}, {0o555, 0o755}, {0o755, 0},
	} {
		t.Run(fmt.Sprintf("%#o becomes %#o", c.was, c.is), func(t *testing.T) {
			t.Parallel()
			root := memoryDir(t)
			must(t, !canClone(t, root), "a file system that shares no blocks")
			local := newLocal(t, root)
			grown := func(id string, when, dir int64) (hosttest.Tree, []byte) {
				items := stamped(when, withMode(hosttest.Dir("e"), dir), hosttest.File("e/same", "x"), withMode(hosttest.Dir("e/f"), dir), hosttest.File("e/f/new", id))
				plain := hosttest.Tar(t, items...)
				return hosttest.Grow(t, id, plain), plain
			}
			first, _ := grown("v1", 1000, c.was)
			update(t, local, nil, first)
			live(t, local, "v1")
			require.NoError(t, local.LayOut(t.Context()))
			directory := inodeAt(t, root, ".deliver/spare/tree/e")
			second, plain := grown("v2", 2000, c.is)
			update(t, local, &first, second)
			requireEqualsTar(t, root, "v2", plain, true)
			assert.Equal(t, directory, inodeAt(t, root, "releases/v2/e"))
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestASpareTreeThatIsNotAsItWasLeft(t *testing.T) {
	t.Parallel()
	const spare = ".deliver/spare/tree"
	for name, c := range map[string]struct {
		change func(t *testing.T, root string)
		unused bool
	}{
		"a file more": {
			change: func(t *testing.T, root string) {
				require.NoError(t, os.WriteFile(filepath.Join(root, spare, "d/more"), nil, 0o600))
			},
			unused: true,
		},
		"a file less": {
			change: func(t *testing.T, root string) { require.NoError(t, os.Remove(filepath.Join(root, spare, "d/7"))) },
			unused: true,
		},
		"a file less, and nothing shows it": {
			change: func(t *testing.T, root string) {
				info, err := os.Stat(filepath.Join(root, spare))
				require.NoError(t, err)
				require.NoError(t, os.Remove(filepath.Join(root, spare, "changed")))
				require.NoError(t, os.Chtimes(filepath.Join(root, spare), info.ModTime(), info.ModTime()))
			},
		},
		"a directory that is a symlink": {
			change: func(t *testing.T, root string) {
				require.NoError(t, os.Rename(filepath.Join(root, spare, "d"), filepath.Join(root, "elsewhere")))
				require.NoError(t, os.Symlink(filepath.Join(root, "elsewhere"), filepath.Join(root, spare, "d")))
			},
			unused: true,
		},
		"another content under the same name": {
			change: func(t *testing.T, root string) {
				rewrite(t, filepath.Join(root, spare, "d/7"), func(content []byte) []byte { content[1] ^= 1; return content })
			},
		},
		"the running release was written to": {
			change: func(t *testing.T, root string) {
				rewrite(t, filepath.Join(root, "releases/v1/d/7"), func(content []byte) []byte { content[1] ^= 1; return content })
			},
		},
		"another mode": {
			change: func(t *testing.T, root string) {
				require.NoError(t, os.Chmod(filepath.Join(root, spare, "d/7"), 0o600))
			},
		},
		"a note that is damaged": {
			change: func(t *testing.T, root string) {
				rewrite(t, filepath.Join(root, ".deliver/spare/of"), func(content []byte) []byte { content[40] ^= 1; return content })
			},
			unused: true,
		},
		"half a note": {
			change: func(t *testing.T, root string) {
				require.NoError(t, os.Truncate(filepath.Join(root, ".deliver/spare/of"), 20))
			},
			unused: true,
		},
		"no tree": {
			change: func(t *testing.T, root string) { require.NoError(t, os.RemoveAll(filepath.Join(root, spare))) },
			unused: true,
		},
		"every file was given another name": {
			change: func(t *testing.T, root string) {
				for n := range 300 {
					require.NoError(t, os.Link(filepath.Join(root, "releases/v1/d", fmt.Sprint(n)), filepath.Join(root, fmt.Sprint("backup", n))))
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, first := laidOut(t)
			directory := inodeAt(t, root, spare, "d")
			c.change(t, root)
			plain := hosttest.Tar(t, stamped(2000, manyFiles("two")...)...)
			completed(t, newLocal(t, root), first, hosttest.Grow(t, "v2", plain))
			requireEqualsTar(t, root, "v2", plain, true)
			if c.unused {
				assert.NotEqual(t, directory, inodeAt(t, root, "releases/v2/d"))
			}
		})
	}
}

func TestASpareTreeGoesWithItsRelease(t *testing.T) {
	t.Parallel()
	root, first := laidOut(t)
	local := newLocal(t, root)
	for n := range 3 {
		receive(t, root, hosttest.Make(t, fmt.Sprint("w", n), hosttest.File("other", fmt.Sprint(n))))
		live(t, local, fmt.Sprint("w", n))
	}
	assert.DirExists(t, filepath.Join(root, ".deliver/spare"))
	removed, err := local.Prune(t.Context(), 1)
	require.NoError(t, err)
	assert.Contains(t, removed, first.Record.ID)
	assert.NoDirExists(t, filepath.Join(root, ".deliver/spare"))
}

func TestASpareTreeLeavesTheSharedPathsOut(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local, err := host.NewLocal(host.Place{App: "shop", Root: root, SharedPaths: []string{"d/3", "uploads"}})
	require.NoError(t, err)
	items := append(manyFiles("one"), hosttest.Dir("uploads"), hosttest.File("uploads/first", "x"))
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, items...)...))
	update(t, local, nil, first)
	live(t, local, "v1")
	require.NoError(t, local.LayOut(t.Context()))
	assert.NoFileExists(t, filepath.Join(root, ".deliver/spare/tree/d/3"))
	assert.NoDirExists(t, filepath.Join(root, ".deliver/spare/tree/uploads"))
	require.NoError(t, os.WriteFile(filepath.Join(root, "shared/uploads/second"), nil, 0o600))
	update(t, local, &first, hosttest.Grow(t, "v2", hosttest.Tar(t, stamped(2000, items...)...)))
	assert.FileExists(t, filepath.Join(root, "releases/v2/uploads/second"))
	target, err := os.Readlink(filepath.Join(root, "releases/v2/d/3"))
	require.NoError(t, err)
	assert.Equal(t, "../../../shared/d/3", target)
	assert.Equal(t, "x", read(t, root, "shared/uploads/first"))
}

func TestTheSpareTreeIsLaidOutWhenADeliveryIsOver(t *testing.T) {
	t.Parallel()
	items := []hosttest.Item{hosttest.Dir("d")}
	for n := range host.SpareWorth {
		items = append(items, hosttest.File(fmt.Sprint("d/", n), fmt.Sprint(n)))
	}
	for name, c := range map[string]struct {
		link   string
		items  []hosttest.Item
		before bool // the connection is lost before the lease is given back
		laid   bool
	}{
		"as usual":                     {items: items, laid: true},
		"a delivery that does not end": {items: items, before: true},
		"few files":                    {items: items[:50]},
		"LINK=now":                     {items: items, link: host.LinkNow},
		"LINK=copy":                    {items: items, link: host.LinkCopy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, far := memoryDir(t), newFarSide(t)
			must(t, !canClone(t, root), "a file system that shares no blocks")
			client := host.NewClient(host.Place{App: "shop", Root: root, Link: c.link}, far.open)
			_, err := client.Claim(t.Context(), host.Claim{Run: "r", TTL: time.Minute})
			require.NoError(t, err)
			update(t, client, nil, hosttest.Grow(t, "v1", hosttest.Tar(t, c.items...)))
			live(t, client, "v1")
			if !c.before {
				require.NoError(t, client.Release(t.Context()))
			}
			require.NoError(t, client.Close())
			far.wait()
			_, err = os.Stat(filepath.Join(root, ".deliver/spare/of"))
			assert.Equal(t, c.laid, err == nil)
			left, err := os.ReadDir(filepath.Join(root, ".deliver/incoming"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

func withMode(i hosttest.Item, mode int64) hosttest.Item {
	i.Mode = mode
	return i
}
