package delivery_test

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/cache"
	"deliver/delivery"
	"deliver/host"
	"deliver/release"
	"deliver/rollout"
)

// large is a build of many files that all bear one time; changed is in one of them.
func large(t testing.TB, version, changed string, when int64) *delivery.Build {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	entries := []tar.Header{file("version", version), file("changed", noise(rand.New(rand.NewPCG(2, 2)), 40_000)+changed)}
	for n := range 200 {
		entries = append(entries, file(fmt.Sprintf("d%d/f%d", n%9, n), noise(r, 2000)))
	}
	for n := range entries {
		entries[n].ModTime = time.Unix(when, 0)
	}
	source := fromStdin(pack(t, entries...))
	source.Sealed = true
	b, err := delivery.Make(t.Context(), source, release.Record{ID: version, App: "web", Version: version})
	require.NoError(t, err)
	return b
}

// noise is text that nothing compresses well.
func noise(r *rand.Rand, n int) string {
	var text strings.Builder
	for text.Len() < n {
		fmt.Fprintf(&text, "%x", r.Uint64())
	}
	return text.String()
}

// counting counts what servers are sent.
type counting struct {
	host.Server
	sent, asked *atomic.Int64
}

// Update counts the stream's bytes.
func (c counting) Update(ctx context.Context, rec release.Record, base host.Base, parts host.Parts, progress func(int64)) (host.Receipt, error) {
	counted := func(lacks []host.Range) (io.Reader, error) {
		r, err := parts(lacks)
		return countingReader{r, c.sent}, err
	}
	return c.Server.Update(ctx, rec, base, counted, progress)
}

// Manifest counts how often it is asked.
func (c counting) Manifest(ctx context.Context, id string) ([]byte, error) {
	c.asked.Add(1)
	return c.Server.Manifest(ctx, id)
}

type countingReader struct {
	io.Reader
	n *atomic.Int64
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// fleetOf is some servers whose traffic is counted.
type fleetOf struct {
	*servers
	sent, asked atomic.Int64
	cache       *cache.Cache
}

func newFleetOf(t *testing.T, names ...string) *fleetOf {
	f := &fleetOf{servers: newServers(t, names...), cache: cache.Open(t.TempDir())}
	f.wrap = func(_ string, s host.Server) host.Server { return counting{s, &f.sent, &f.asked} }
	return f
}

func (f *fleetOf) push(b *delivery.Build) int64 {
	f.t.Helper()
	f.sent.Store(0)
	d := f.delivery(b)
	d.Cache = f.cache
	require.Equal(f.t, rollout.OK, d.Deliver(f.t.Context()).Result, f.said())
	return f.sent.Load()
}

func TestASecondDeliveryCostsWhatChanged(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1", "h2", "h3")
	first := f.push(large(t, "v1", "one", 1000))
	assert.Greater(t, first, int64(3*150_000))
	second := f.push(large(t, "v2", "two", 2000))
	assert.Less(t, second, int64(3*400), "the change, a patch against the cached old file")
	f.runs("v2")
	assert.Zero(t, f.asked.Load())
}

func TestWithoutACacheTheServerIsAskedOnce(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1", "h2", "h3")
	f.push(large(t, "v1", "one", 1000))
	f.cache = cache.Open(t.TempDir())
	second := f.push(large(t, "v2", "two", 2000))
	assert.Less(t, second, int64(3*25_000), "the changed file, whole")
	assert.Equal(t, int64(1), f.asked.Load())
	assert.Less(t, f.push(large(t, "v3", "three", 3000)), int64(3*400), "what was sent then is known now")
}

func TestADamagedCacheCostsBytesOnly(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"manifest", "index", "pack"} {
		f := newFleetOf(t, "h1")
		dir := t.TempDir()
		f.cache = cache.Open(dir)
		f.push(large(t, "v1", "one", 1000))
		names, err := filepath.Glob(filepath.Join(dir, "*."+kind))
		require.NoError(t, err)
		require.NotEmpty(t, names, kind)
		for _, name := range names {
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			for n := range content {
				content[n] ^= byte(n)
			}
			require.NoError(t, os.WriteFile(name, content, 0o600))
		}
		assert.Less(t, f.push(large(t, "v2", "two", 2000)), int64(25_000), kind)
		f.runs("v2")
	}
}

func TestTheNearestReleaseIsTheBase(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1")
	f.push(large(t, "v1", "one", 1000))
	small, err := delivery.Make(t.Context(), fromStdin(pack(t, file("version", "v2"))), release.Record{ID: "v2", App: "web", Version: "v2"})
	require.NoError(t, err)
	f.push(small)
	assert.Less(t, f.push(large(t, "v3", "three", 3000)), int64(400))
}

func TestAServerWhoseReleaseWasChangedByHandIsRepaired(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1", "h2")
	f.push(large(t, "v1", "one", 1000))
	path := filepath.Join(f.root("h1"), "releases/v1/d3/f3")
	require.NoError(t, os.WriteFile(path, []byte("changed by hand"), 0o600))
	require.NoError(t, os.RemoveAll(filepath.Join(f.root("h2"), ".deliver/manifests")))
	f.push(large(t, "v2", "two", 2000))
	f.runs("v2")
	assert.Contains(t, f.said(), "something has changed d3/f3")
	one, err := os.ReadFile(filepath.Join(f.root("h1"), "releases/v2/d3/f3"))
	require.NoError(t, err)
	two, err := os.ReadFile(filepath.Join(f.root("h2"), "releases/v2/d3/f3"))
	require.NoError(t, err)
	assert.Equal(t, two, one)
	assert.Len(t, one, len(two))
}

func TestASecondDeliveryNeedsRoomForWhatChanged(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1")
	f.push(large(t, "v1", "one", 1000))
	short := func(link string, b *delivery.Build) rollout.Outcome {
		d := f.delivery(b)
		d.Cache, d.App.Place.Link = f.cache, link
		d.Record.Size = 1 << 60 // more than there is
		return d.Deliver(t.Context())
	}
	assert.Equal(t, rollout.Failed, short(host.LinkCopy, large(t, "v2", "two", 2000)).Result, "no file is shared")
	assert.Contains(t, f.said(), "MB free; the release needs")
	assert.Equal(t, rollout.OK, short("", large(t, "v2", "two", 2000)).Result, f.said())
	f.runs("v2")
}

func TestAServerOfWhoseReleasesNoneIsABaseGetsEverything(t *testing.T) {
	t.Parallel()
	f := newFleetOf(t, "h1")
	for n := range 5 {
		f.push(large(t, fmt.Sprint("v", n), fmt.Sprint(n), int64(n)))
	}
	kept, err := filepath.Glob(filepath.Join(f.root("h1"), ".deliver/manifests/v*"))
	require.NoError(t, err)
	require.Len(t, kept, 3, "of five, three are kept")
	for _, name := range kept {
		require.NoError(t, os.WriteFile(name, []byte("damaged"), 0o600))
	}
	assert.Greater(t, f.push(large(t, "v5", "five", 5)), int64(150_000))
	f.runs("v5")
	assert.Contains(t, f.said(), "nothing can be made from release v2")
}
