package host_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// update brings tree to the server, made from base where there is one.
func update(t *testing.T, s host.Server, base *hosttest.Tree, tree hosttest.Tree) host.Receipt {
	t.Helper()
	var from host.Base
	if base != nil {
		from = base.Base()
	}
	receipt, err := s.Update(t.Context(), tree.Record, from, tree.Parts(t, base), nil)
	require.NoError(t, err)
	return receipt
}

// completed is update for a base that may have changed. It asks as often as a
// delivery does: what an earlier try has left is locked for a moment yet where
// another test has just forked.
func completed(t *testing.T, s host.Server, base, tree hosttest.Tree) {
	t.Helper()
	for range 4 {
		_, err := s.Update(t.Context(), tree.Record, base.Base(), tree.Parts(t, &base), nil)
		if err == nil {
			return
		}
		hosttest.RequireKind(t, err, host.KindLacking)
	}
	require.Fail(t, "it lacks something still")
}

// requireEqualsTar asks that a release is what tar makes of plain. stamped: files
// that are shared may bear another time.
func requireEqualsTar(t *testing.T, root, id string, plain []byte, stamped bool) {
	t.Helper()
	want := memoryDir(t)
	untar := exec.Command("tar", "--no-same-owner", "-C", want, "-xf", "-")
	untar.Stdin = bytes.NewReader(plain)
	out, err := untar.CombinedOutput()
	require.NoError(t, err, string(out))
	named := namesIn(t, plain)
	got := describe(t, filepath.Join(root, "releases", id), named)
	wanted := describe(t, want, named)
	if stamped {
		got, wanted = withoutTimes(got), withoutTimes(wanted)
	}
	assert.Equal(t, wanted, got)
	makeAccessible(want)
}

// withoutTimes leaves out the third word of files' lines.
func withoutTimes(lines []string) []string {
	var result []string
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, "\" ")
		words := strings.Fields(rest)
		if len(words) > 1 && strings.HasPrefix(words[0], "-") {
			words[1] = ""
		}
		result = append(result, name+" "+strings.Join(words, " "))
	}
	return result
}

func TestUpdateEqualsTarOfRandomTreesAndEdits(t *testing.T) {
	t.Parallel()
	must(t, onPath("tar"), "GNU tar")
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 21))
			source, root := memoryDir(t), t.TempDir()
			local := newLocal(t, root)
			plantTree(t, r, source)
			var last *hosttest.Tree
			for n := range 4 {
				plain := runTar(t, "--format=posix", "--sparse", "-C", source, "-cf", "-", ".")
				tree := hosttest.Grow(t, fmt.Sprint("v", n), plain)
				update(t, local, last, tree)
				requireEqualsTar(t, root, tree.Record.ID, plain, false)
				last = &tree
				if seed%2 == 1 { // of these, each begins with a spare tree of the one before
					live(t, local, tree.Record.ID)
					require.NoError(t, local.LayOut(t.Context()))
				}
				editTree(t, r, source)
			}
			makeAccessible(filepath.Join(root, "releases"))
		})
	}
}

// editTree changes a tree as a day's work does.
func editTree(t *testing.T, r *rand.Rand, source string) {
	t.Helper()
	p := planter{t: t, r: r, root: source, dirs: []string{"."}}
	var files []string
	require.NoError(t, filepath.WalkDir(source, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	for _, path := range files {
		switch r.IntN(10) {
		case 0:
			require.NoError(t, os.Remove(path))
		case 1:
			require.NoError(t, os.Rename(path, filepath.Join(source, fmt.Sprintf("moved%d", r.Uint32()))))
		case 2:
			p.check(os.Chmod(path, os.FileMode(r.IntN(0o1000)|0o400)))
		case 3:
			p.check(os.Chtimes(path, time.Unix(r.Int64N(2e9), 0), time.Unix(r.Int64N(2e9), 0)))
		case 4:
			content, err := os.ReadFile(path)
			p.check(err)
			p.check(os.Chmod(path, 0o600))
			p.check(os.WriteFile(path, append([]byte("edited"), content...), 0o600))
		}
	}
	for range 5 {
		p.plant(int(r.Uint32()))
	}
}

// stamped makes every entry bear one time, as git archive does.
func stamped(when int64, items ...hosttest.Item) []hosttest.Item {
	for n := range items {
		items[n].ModTime = time.Unix(when, 0)
	}
	return items
}

func manyFiles(changed string) []hosttest.Item {
	items := []hosttest.Item{hosttest.File("changed", strings.Repeat("the same words ", 1000)+changed), hosttest.Dir("d")}
	for n := range 300 {
		items = append(items, hosttest.File(fmt.Sprintf("d/%d", n), strings.Repeat(fmt.Sprint(n), 200)))
	}
	return append(items, hosttest.Symlink("l", "changed"))
}

func TestUnchangedFilesCostNoBytesAndNoDisk(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := newLocal(t, root)
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	second := hosttest.Grow(t, "v2", hosttest.Tar(t, stamped(2000, manyFiles("two")...)...))
	update(t, local, nil, first)
	receipt := update(t, local, &first, second)
	assert.Less(t, receipt.Bytes, int64(200))
	requireEqualsTar(t, root, "v2", hosttest.Tar(t, stamped(2000, manyFiles("two")...)...), true)
	requireEqualsTar(t, root, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...), false)
	inode := func(id, name string) uint64 {
		info, err := os.Stat(filepath.Join(root, "releases", id, name))
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Ino
	}
	if canClone(t, root) {
		return
	}
	assert.Equal(t, inode("v1", "d/7"), inode("v2", "d/7"))
	assert.NotEqual(t, inode("v1", "changed"), inode("v2", "changed"))
}

// canClone says whether files share blocks here, so that no inode has to be shared.
func canClone(t *testing.T, dir string) bool {
	t.Helper()
	return exec.Command("cp", "--reflink=always", testBinary(), filepath.Join(dir, "clone")).Run() == nil
}

func TestAnAppThatWritesIntoItsReleaseGetsFilesOfItsOwn(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local, err := host.NewLocal(host.Place{App: "shop", Root: root, Link: host.LinkCopy})
	require.NoError(t, err)
	plain := hosttest.Tar(t, stamped(2000, manyFiles("two")...)...)
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	second := hosttest.Grow(t, "v2", plain)
	update(t, local, nil, first)
	update(t, local, &first, second)
	requireEqualsTar(t, root, "v2", plain, false)
	require.NoError(t, os.WriteFile(filepath.Join(root, "releases/v2/d/7"), []byte("written by the app"), 0o600))
	assert.Equal(t, strings.Repeat("7", 200), read(t, root, "releases/v1/d/7"))
}

func TestWhatWasChangedInTheOldReleaseIsFoundAndRepaired(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"a flipped byte": func(t *testing.T, path string) {
			rewrite(t, path, func(content []byte) []byte { content[17] ^= 1; return content })
		},
		"a flipped byte under the old time": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			rewrite(t, path, func(content []byte) []byte { content[17] ^= 1; return content })
			require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"more": func(t *testing.T, path string) {
			rewrite(t, path, func(content []byte) []byte { return append(content, 'x') })
		},
		"nothing": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) },
		"removed": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"a symlink": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink("/etc/hostname", path))
		},
		"a directory": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o755))
		},
		"a directory that is a symlink": func(t *testing.T, path string) {
			elsewhere := memoryDir(t)
			require.NoError(t, os.Rename(filepath.Dir(path), filepath.Join(elsewhere, "d")))
			require.NoError(t, os.Symlink(filepath.Join(elsewhere, "d"), filepath.Dir(path)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := memoryDir(t)
			client := newClient(t, root)
			plain := hosttest.Tar(t, stamped(2000, manyFiles("two")...)...)
			first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
			second := hosttest.Grow(t, "v2", plain)
			update(t, client, nil, first)
			change(t, filepath.Join(root, "releases/v1/d/7"))
			_, err := client.Update(t.Context(), second.Record, first.Base(), second.Parts(t, &first), nil)
			known := hosttest.RequireKind(t, err, host.KindLacking)
			assert.Contains(t, known.Message, "d/")
			assert.NoDirExists(t, filepath.Join(root, "releases/v2"))
			completed(t, client, first, second)
			requireEqualsTar(t, root, "v2", plain, true)
		})
	}
}

func rewrite(t *testing.T, path string, edit func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write(edit(content))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestAChangedOldVersionOfAChangedFileIsRepairedToo(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := newLocal(t, root)
	plain := hosttest.Tar(t, stamped(2000, manyFiles("two")...)...)
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	second := hosttest.Grow(t, "v2", plain)
	update(t, local, nil, first)
	rewrite(t, filepath.Join(root, "releases/v1/changed"), bytes.ToUpper)
	_, err := local.Update(t.Context(), second.Record, first.Base(), second.Parts(t, &first), nil)
	hosttest.RequireKind(t, err, host.KindLacking)
	completed(t, local, first, second)
	requireEqualsTar(t, root, "v2", plain, true)
}

func TestABaseThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	second := hosttest.Grow(t, "v2", hosttest.Tar(t, stamped(2000, manyFiles("two")...)...))
	for name, spoil := range map[string]func(t *testing.T, root string){
		"no such release": func(t *testing.T, root string) {
			require.NoError(t, os.Rename(filepath.Join(root, "releases/v1"), filepath.Join(root, "releases/v0")))
		},
		"no manifest": func(t *testing.T, root string) {
			require.NoError(t, os.Remove(filepath.Join(root, ".deliver/manifests/v1")))
		},
		"a flipped byte in the manifest": func(t *testing.T, root string) {
			rewrite(t, filepath.Join(root, ".deliver/manifests/v1"), func(content []byte) []byte { content[len(content)/2] ^= 4; return content })
		},
		"half a manifest": func(t *testing.T, root string) {
			require.NoError(t, os.Truncate(filepath.Join(root, ".deliver/manifests/v1"), 1000))
		},
		"another tree": func(t *testing.T, root string) {
			require.NoError(t, os.RemoveAll(filepath.Join(root, "releases/v1")))
			require.NoError(t, os.Remove(filepath.Join(root, ".deliver/records/v1.json")))
			update(t, newLocal(t, root), nil, hosttest.Grow(t, "v1", hosttest.Tar(t, hosttest.File("other", "x"))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := memoryDir(t)
			local := newLocal(t, root)
			update(t, local, nil, first)
			spoil(t, root)
			_, err := local.Update(t.Context(), second.Record, first.Base(), nil, nil)
			kind := host.KindBase
			if name == "no such release" {
				kind = host.KindMissing
			}
			hosttest.RequireKind(t, err, kind)
			update(t, local, nil, second)
		})
	}
}

func TestAFlippedByteOnTheWireIsFound(t *testing.T) {
	t.Parallel()
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")[:40]...)...))
	second := hosttest.Grow(t, "v2", hosttest.Tar(t, stamped(2000, manyFiles("two")[:40]...)...))
	root := memoryDir(t)
	local := newLocal(t, root)
	update(t, local, nil, first)
	for base, tree := range map[*hosttest.Tree]hosttest.Tree{&first: second, nil: second} {
		var from host.Base
		if base != nil {
			from = base.Base()
		}
		good, err := tree.Parts(t, base)(nil)
		require.NoError(t, err)
		stream, err := io.ReadAll(good)
		require.NoError(t, err)
		for n := 0; n < len(stream); n += 1 + len(stream)/150 {
			damaged := bytes.Clone(stream)
			damaged[n] ^= 0x20
			_, err := local.Update(t.Context(), tree.Record, from, func(lacks []host.Range) (io.Reader, error) {
				if lacks != nil {
					return tree.Parts(t, base)(lacks)
				}
				return bytes.NewReader(damaged), nil
			}, nil)
			if err == nil { // what an earlier try left was completed
				requireSameTree(t, root, tree)
				require.NoError(t, os.RemoveAll(filepath.Join(root, "releases/v2")))
				continue
			}
			var known *host.Error
			require.ErrorAs(t, err, &known, "byte %d", n)
			require.NoDirExists(t, filepath.Join(root, "releases/v2"))
			requireSameTree(t, root, first)
		}
	}
}

// requireSameTree reads every file.
func requireSameTree(t *testing.T, root string, tree hosttest.Tree) {
	t.Helper()
	for _, e := range tree.Manifest.Entries {
		if e.Size > 0 {
			content, err := os.ReadFile(filepath.Join(root, "releases", tree.Record.ID, e.Path))
			require.NoError(t, err)
			require.Equal(t, e.Digest.String(), hosttest.Sum(content), e.Path)
		}
	}
}

// noise does not get smaller on its way.
func noise(r *rand.Rand, size int) string {
	made := make([]byte, size)
	for i := range made {
		made[i] = byte(r.Uint32())
	}
	return string(made)
}

func TestAKilledTransferGoesOnFromWhatCame(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	r := rand.New(rand.NewPCG(8, 8))
	var items []hosttest.Item
	for n := range 60 {
		items = append(items, hosttest.File(fmt.Sprintf("d%d/noise%d", n%3, n), noise(r, 300_000)))
	}
	plain := hosttest.Tar(t, items...)
	tree := hosttest.Grow(t, "v1", plain)
	cut := func(lacks []host.Range) (io.Reader, error) {
		whole, err := tree.Parts(t, nil)(lacks)
		return io.LimitReader(whole, 12<<20), err
	}
	for _, s := range []host.Server{newLocal(t, root), newClient(t, root)} {
		_, err := s.Update(t.Context(), tree.Record, host.Base{}, cut, nil)
		if err == nil {
			break
		}
		require.NoDirExists(t, filepath.Join(root, "releases/v1"))
	}
	var sent int64
	client := newClient(t, root)
	_, err := client.Update(t.Context(), tree.Record, host.Base{}, tree.Parts(t, nil), func(n int64) { sent = n })
	require.NoError(t, err)
	requireEqualsTar(t, root, "v1", plain, false)
	assert.Less(t, sent, int64(12<<20), "what came before is not sent again")
	left, err := filepath.Glob(filepath.Join(root, ".deliver/incoming/*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestATransferThatIsCutAgainNearItsEndLosesNothing(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	r := rand.New(rand.NewPCG(9, 9))
	var items []hosttest.Item
	for n := range 40 {
		items = append(items, hosttest.File(fmt.Sprintf("noise%02d", n), noise(r, 10_000)))
	}
	tree := hosttest.Grow(t, "v1", hosttest.Tar(t, items...))
	local, last := newLocal(t, root), len(items)-1
	for _, parts := range []host.Parts{
		func([]host.Range) (io.Reader, error) { // not even the first of them comes whole
			whole, err := tree.Parts(t, nil)(nil)
			return io.LimitReader(whole, 100_000), err
		},
		func([]host.Range) (io.Reader, error) { return tree.Parts(t, nil)([]host.Range{{0, last}}) }, // all but one
		func(lacks []host.Range) (io.Reader, error) {
			assert.Equal(t, []host.Range{{last, last + 1}}, lacks)
			return strings.NewReader(""), nil
		},
	} {
		_, err := local.Update(t.Context(), tree.Record, host.Base{}, parts, nil)
		require.Error(t, err)
	}
	receipt := update(t, local, nil, tree)
	assert.Less(t, receipt.Bytes, int64(20_000), "what came before is not sent again")
	requireSameTree(t, root, tree)
}

func TestKilledUpdatesLeaveOnlyWholeReleases(t *testing.T) {
	t.Parallel()
	const rounds = 25
	root := memoryDir(t)
	first := hosttest.Grow(t, "v0", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	began := time.Now()
	_, err := clientAt(t, root, farProcess{}.open).Update(t.Context(), first.Record, host.Base{}, first.Parts(t, nil), nil)
	require.NoError(t, err)
	murderous := killer{rand.New(rand.NewPCG(1, 2)), 2 * time.Since(began)}
	client := clientAt(t, root, murderous.open)
	whole := map[string]hosttest.Tree{"v0": first}
	last := first
	for n := range rounds {
		next := hosttest.Grow(t, fmt.Sprint("v", n+1), hosttest.Tar(t, stamped(int64(n), manyFiles(fmt.Sprint(n))...)...))
		_, err := client.Update(t.Context(), next.Record, last.Base(), next.Parts(t, &last), nil)
		whole[next.Record.ID] = next
		state, lookErr := newLocal(t, root).Look(t.Context(), host.Service{Manager: "none"})
		require.NoError(t, lookErr)
		for _, rec := range state.Releases {
			requireSameTree(t, root, whole[rec.ID])
		}
		if err == nil {
			last = next
		}
	}
	next := hosttest.Grow(t, "last", hosttest.Tar(t, stamped(7, manyFiles("last")...)...))
	update(t, newLocal(t, root), &last, next)
	requireSameTree(t, root, next)
	left, err := filepath.Glob(filepath.Join(root, ".deliver/incoming/*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestSharedPathsOfAnUpdate(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	items := func(when int64, changed string) []hosttest.Item {
		return stamped(when, append(manyFiles(changed), hosttest.Dir("data"), hosttest.File("data/seed", "seed"+changed), hosttest.Dir("data/deep"),
			hosttest.File("data/deep/x", "deep"))...)
	}
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, items(1, "one")...))
	second := hosttest.Grow(t, "v2", hosttest.Tar(t, items(2, "two")...))
	third := hosttest.Grow(t, "v3", hosttest.Tar(t, items(3, "three")...))
	update(t, newLocal(t, root), nil, first)
	local, err := host.NewLocal(host.Place{App: "shop", Root: root, SharedPaths: []string{"data", "logs/app"}})
	require.NoError(t, err)
	update(t, local, &first, second)
	assert.Equal(t, "seedtwo", read(t, root, "shared/data/seed"))
	require.NoError(t, os.WriteFile(filepath.Join(root, "releases/v2/data/deep/x"), []byte("by the app"), 0o600))
	assert.Equal(t, "deep", read(t, root, "releases/v1/data/deep/x"), "what is shared is no file of the old release")
	completed(t, local, second, third)
	assert.Equal(t, "seedtwo", read(t, root, "releases/v3/data/seed"))
	assert.DirExists(t, root+"/releases/v3/logs/app/")
	fourth := hosttest.Grow(t, "v4", hosttest.Tar(t, items(4, "four")...))
	_, err = newLocal(t, root).Update(t.Context(), fourth.Record, third.Base(), fourth.Parts(t, &third), nil)
	hosttest.RequireKind(t, err, host.KindLacking)
	completed(t, newLocal(t, root), third, fourth)
	assert.Equal(t, "seedfour", read(t, root, "releases/v4/data/seed"))
}

func TestAReleaseFromATarIsABase(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	first := hosttest.Grow(t, "v1", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	second := hosttest.Grow(t, "v2", hosttest.Tar(t, stamped(2000, manyFiles("two")...)...))
	receive(t, root, first.Build)
	receipt := update(t, newLocal(t, root), &first, second)
	assert.Less(t, receipt.Bytes, int64(200))
	requireSameTree(t, root, second)
	encoded, err := newClient(t, root).Manifest(t.Context(), "v1")
	require.NoError(t, err)
	assert.Equal(t, first.Manifest.Encode(), encoded)
}
