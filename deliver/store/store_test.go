package store_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/release"
	"deliver/store"
	"deliver/store/storetest"
)

const bucket = "builds"

// shelf is a server with a bucket and a store in it.
type shelf struct {
	server *storetest.Server
	*store.Store
}

func newShelf(t *testing.T) shelf {
	t.Helper()
	server := storetest.Start(t)
	server.Bucket(t, bucket)
	return shelf{server, open(t, server, "s3://builds/dashboard")}
}

func open(t *testing.T, server *storetest.Server, url string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), url, store.Options{Getenv: getenv(server.Environ()...)})
	require.NoError(t, err)
	return st
}

// getenv is an environment of these variables alone.
func getenv(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

// build makes a release of one file.
func build(t *testing.T, id string, sequence int64, content []byte) (release.Record, []byte) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(content))}))
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	digest := sha256.Sum256(archive.Bytes())
	return release.Record{
		ID: id, App: "dashboard", Version: "v1.0." + fmt.Sprint(sequence), Job: "dashboard", Sequence: sequence,
		SHA256: hex.EncodeToString(digest[:]), Size: int64(archive.Len()), Files: 1,
		Created: time.Unix(1_700_000_000+sequence, 0).UTC(),
	}, archive.Bytes()
}

func opener(data []byte) store.Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

func unopened(t *testing.T) store.Opener {
	return func() (io.ReadCloser, error) {
		t.Error("the build was opened again")
		return nil, io.ErrUnexpectedEOF
	}
}

func (s shelf) publish(t *testing.T, id string, sequence int64) release.Record {
	t.Helper()
	rec, data := build(t, id, sequence, []byte("content of "+id))
	_, err := s.Publish(t.Context(), rec, opener(data), nil)
	require.NoError(t, err)
	return rec
}

func TestPublishedReleaseComesBackWhole(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for name, size := range map[string]int{"one part": 1000, "many parts": 40 << 20} {
		rec, data := build(t, strings.ReplaceAll(name, " ", "-"), 1, bytes.Repeat([]byte("0123456789abcdef"), size/16))
		var seen int64
		done, err := s.Publish(t.Context(), rec, opener(data), func(n int64) { seen = n })
		require.NoError(t, err, name)
		assert.False(t, done.Already)
		assert.Equal(t, rec.Size, seen, name)

		got, body, err := s.Get(t.Context(), rec.ID)
		require.NoError(t, err, name)
		back, err := io.ReadAll(body)
		require.NoError(t, err, name)
		require.NoError(t, body.Close())
		assert.Equal(t, rec, got)
		assert.True(t, bytes.Equal(data, back), name)
	}
}

func TestPublishingAgainCostsNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec := s.publish(t, "b-1", 1)
	done, err := s.Publish(t.Context(), rec, unopened(t), nil)
	require.NoError(t, err)
	assert.Equal(t, store.Published{Already: true, Newest: true}, done)
}

func TestAnIDIsOneBuildForEver(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec := s.publish(t, "b-1", 1)
	other, _ := build(t, "b-1", 2, []byte("something else"))
	_, err := s.Publish(t.Context(), other, unopened(t), nil)
	require.Error(t, err)
	assert.True(t, store.IsKind(err, store.KindConflict), err)
	assert.ErrorContains(t, err, "give this build an id of its own")
	got, err := s.Record(t.Context(), "b-1")
	require.NoError(t, err)
	assert.Equal(t, rec, got)
}

func TestABuildThatIsNotItsRecordIsNotPublished(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec, data := build(t, "b-1", 1, []byte("content"))
	bad := bytes.Clone(data)
	bad[600] ^= 1
	_, err := s.Publish(t.Context(), rec, opener(bad), nil)
	assert.True(t, store.IsKind(err, store.KindDigest), err)
	_, err = s.Record(t.Context(), rec.ID)
	assert.True(t, store.IsKind(err, store.KindMissing), err)
	assert.NoFileExists(t, s.server.File(bucket, "dashboard/releases/b-1.tar"))
	assert.NoFileExists(t, s.server.File(bucket, "dashboard/dashboard.tar"))

	_, err = s.Publish(t.Context(), rec, opener(data), nil)
	require.NoError(t, err, "what a failed upload left must not be in the way")
}

func TestACutUploadIsNoRelease(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec, data := build(t, "b-1", 1, bytes.Repeat([]byte("x"), 100_000))
	_, err := s.Publish(t.Context(), rec, opener(data[:50_000]), nil)
	require.Error(t, err)
	list, err := s.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)
}

func TestNewestArchiveIsTheLatestBuild(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.publish(t, "b-2", 2)
	rec, data := build(t, "b-1", 1, []byte("an older build, published later"))
	done, err := s.Publish(t.Context(), rec, opener(data), nil)
	require.NoError(t, err)
	assert.False(t, done.Newest)
	s.publish(t, "b-3", 3)

	newest, err := os.ReadFile(s.server.File(bucket, "dashboard/dashboard.tar"))
	require.NoError(t, err)
	assert.Contains(t, string(newest), "content of b-3")
}

func TestS3cmdReadsWhatWasStored(t *testing.T) {
	t.Parallel()
	s3cmd := need(t, "s3cmd")
	s := newShelf(t)
	rec, data := build(t, "b-1", 1, bytes.Repeat([]byte("0123456789abcdef"), 2<<20))
	_, err := s.Publish(t.Context(), rec, opener(data), nil)
	require.NoError(t, err)

	dir := t.TempDir()
	cfg, got := filepath.Join(dir, "s3cfg"), filepath.Join(dir, "dashboard.tar")
	require.NoError(t, os.WriteFile(cfg, []byte(s.server.S3cfg()), 0o600))
	out, err := exec.Command(s3cmd, "-c", cfg, "get", "s3://builds/dashboard/dashboard.tar", got).CombinedOutput()
	require.NoError(t, err, string(out))
	back, err := os.ReadFile(got)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(data, back))
}

func TestAChangedArchiveIsAnErrorAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]byte) []byte{
		"a byte flipped": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":            func(b []byte) []byte { return b[:len(b)-512] },
		"longer":         func(b []byte) []byte { return append(b, 'x') },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			rec := s.publish(t, "b-1", 1)
			file := s.server.File(bucket, "dashboard/releases/b-1.tar")
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, change(data), 0o600))

			_, body, err := s.Get(t.Context(), rec.ID)
			if err == nil {
				defer body.Close()
				_, err = io.Copy(io.Discard, body)
			}
			assert.True(t, store.IsKind(err, store.KindDigest), err)
			assert.ErrorContains(t, err, "is not what its record says")
		})
	}
}

func TestListIsInTheOrderOfBuilds(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, n := range []int64{10, 9, 11} {
		s.publish(t, fmt.Sprintf("b-%d", n), n)
	}
	list, err := s.List(t.Context())
	require.NoError(t, err)
	var ids []string
	for _, rec := range list {
		ids = append(ids, rec.ID)
	}
	assert.Equal(t, []string{"b-9", "b-10", "b-11"}, ids)
}

func TestPromoteMovesForwardOnly(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, err := s.Latest(t.Context())
	assert.True(t, store.IsKind(err, store.KindMissing), err)

	one, two := s.publish(t, "b-1", 1), s.publish(t, "b-2", 2)
	steps := []struct {
		rec    release.Record
		action string
		want   string
	}{
		{one, "push", "b-1"},
		{two, "push", "b-2"},
		{two, "push", "b-2"},
		{one, "push", "b-2"},
		{one, "rollback", "b-1"},
		{two, "push", "b-2"},
	}
	for i, step := range steps {
		now, err := s.Promote(t.Context(), step.rec, step.action)
		require.NoError(t, err)
		assert.Equal(t, step.want, now.Release, "step %d", i)
		read, err := s.Latest(t.Context())
		require.NoError(t, err)
		assert.Equal(t, now, read)
	}
}

func TestOnlyBuildsOfOneJobHaveAnOrder(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	byJenkins := s.publish(t, "b-7", 7)
	_, err := s.Promote(t.Context(), byJenkins, "push")
	require.NoError(t, err)

	for _, job := range []string{"", "another"} {
		rec, data := build(t, "by-hand-"+job, 3, []byte("from "+job))
		rec.Job = job
		_, err = s.Publish(t.Context(), rec, opener(data), nil)
		require.NoError(t, err)
		now, err := s.Promote(t.Context(), rec, "push")
		require.NoError(t, err)
		assert.Equal(t, rec.ID, now.Release, "the push that ends last counts")
	}
}

func TestPromoteTakesTheStoresWord(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec := s.publish(t, "b-1", 1)
	other, _ := build(t, "b-1", 9, []byte("another build"))
	_, err := s.Promote(t.Context(), other, "push")
	assert.True(t, store.IsKind(err, store.KindConflict), err)

	again := rec
	again.Sequence, again.By = 99, "somebody"
	now, err := s.Promote(t.Context(), again, "push")
	require.NoError(t, err)
	assert.Equal(t, int64(1), now.Sequence, "what was published is what is promoted")
	assert.Equal(t, "somebody", now.By)
}

// What a server was sent while there was no store has a record that says its
// tree alone.
func TestABuildIsKnownByItsTree(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec, data := build(t, "b-1", 1, []byte("app"))
	rec.Tree = strings.Repeat("a", 64)
	_, err := s.Publish(t.Context(), rec, opener(data), nil)
	require.NoError(t, err)

	sent := rec
	sent.SHA256 = ""
	now, err := s.Promote(t.Context(), sent, "rollback")
	require.NoError(t, err)
	assert.Equal(t, rec.SHA256, now.SHA256)
	sent.Tree = strings.Repeat("b", 64)
	_, err = s.Promote(t.Context(), sent, "rollback")
	assert.True(t, store.IsKind(err, store.KindConflict), err)
	_, err = s.Publish(t.Context(), release.Record{ID: "b-2", Tree: rec.Tree, Size: rec.Size}, opener(data), nil)
	assert.True(t, store.IsKind(err, store.KindInvalid), err)
}

func TestPublishingAnOldBuildAgainMovesNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	old := s.publish(t, "b-1", 1)
	s.publish(t, "b-2", 2)
	old.Created = time.Now() // made anew, as each run of deliver does
	done, err := s.Publish(t.Context(), old, unopened(t), nil)
	require.NoError(t, err)
	assert.False(t, done.Newest)
	newest, err := os.ReadFile(s.server.File(bucket, "dashboard/dashboard.tar"))
	require.NoError(t, err)
	assert.Contains(t, string(newest), "content of b-2")
}

func TestAnUploadThatWasCutGoesOn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec := s.publish(t, "b-1", 1)
	require.NoError(t, os.Remove(s.server.File(bucket, "dashboard/releases/b-1.tar")))
	list, err := s.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)
	_, _, err = s.Get(t.Context(), "b-1")
	assert.True(t, store.IsKind(err, store.KindMissing), err)
	_, data := build(t, "b-1", 1, []byte("content of b-1"))
	_, err = s.Publish(t.Context(), rec, opener(data), nil)
	require.NoError(t, err)
	_, body, err := s.Get(t.Context(), "b-1")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
}

func TestARecordThatIsDamagedIsAnError(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.publish(t, "b-1", 1)
	file := s.server.File(bucket, "dashboard/releases/b-1.json")
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"no JSON":       "{",
		"another id":    strings.Replace(string(good), `"b-1"`, `"b-2"`, 1),
		"no digest":     `{"id":"b-1"}`,
		"much too long": `{"id":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		require.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
		_, err := s.Record(t.Context(), "b-1")
		assert.True(t, store.IsKind(err, store.KindInvalid), "%s: %v", name, err)
		_, err = s.List(t.Context())
		assert.Error(t, err, name)
	}
}

func TestWhatIsNoIDIsAskedOfNobody(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, id := range []string{"", ".", "..", "a/b", "../latest", "a\nb"} {
		_, _, err := s.Get(t.Context(), id)
		assert.True(t, store.IsKind(err, store.KindInvalid), id)
		rec, data := build(t, id, 1, nil)
		_, err = s.Publish(t.Context(), rec, opener(data), nil)
		assert.True(t, store.IsKind(err, store.KindInvalid), id)
	}
}

func TestOnlyWhatIsThereIsPromoted(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec, _ := build(t, "b-1", 1, nil)
	_, err := s.Promote(t.Context(), rec, "push")
	assert.True(t, store.IsKind(err, store.KindMissing), err)
}

func TestOfRacingPromotesTheLatestBuildWins(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const racers = 16
	var records []release.Record
	for n := range racers {
		records = append(records, s.publish(t, fmt.Sprintf("b-%d", n+1), int64(n+1)))
	}
	var wg sync.WaitGroup
	for _, rec := range records {
		wg.Go(func() {
			now, err := s.Promote(t.Context(), rec, "push")
			assert.NoError(t, err)
			assert.GreaterOrEqual(t, now.Sequence, rec.Sequence)
		})
	}
	wg.Wait()
	now, err := s.Latest(t.Context())
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("b-%d", racers), now.Release)
}

func TestRacingPublishersOfOneBuild(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec, data := build(t, "b-1", 1, []byte("content"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := s.Publish(t.Context(), rec, opener(data), nil)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	_, body, err := s.Get(t.Context(), "b-1")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
}

func TestOfTwoBuildsUnderOneIDOneIsRefused(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for n := range 8 {
		wg.Go(func() {
			rec, data := build(t, "b-1", 1, fmt.Appendf(nil, "build %d", n))
			_, err := s.Publish(t.Context(), rec, opener(data), nil)
			if err != nil {
				assert.True(t, store.IsKind(err, store.KindConflict), err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won = append(won, rec.SHA256)
		})
	}
	wg.Wait()
	require.Len(t, won, 1)
	rec, body, err := s.Get(t.Context(), "b-1")
	require.NoError(t, err)
	assert.Equal(t, won[0], rec.SHA256)
	_, err = io.Copy(io.Discard, body)
	require.NoError(t, err, "the archive is that of the record")
	require.NoError(t, body.Close())
}

func TestJobsInFoldersHaveTheirOwnKeys(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	server.Bucket(t, bucket)
	s := shelf{server, open(t, server, "s3://builds/web team/dashboard/")}
	s.publish(t, "b-1", 1)
	assert.FileExists(t, server.File(bucket, "web team/dashboard/dashboard.tar"))
	assert.FileExists(t, server.File(bucket, "web team/dashboard/releases/b-1.json"))
}

func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
			t.Fatalf("needs %s", program)
		}
		t.Skipf("needs %s", program)
	}
	return path
}

func TestOldReleasesArePruned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep  int
		spare []string
		want  []string // removed
	}{
		"the oldest go":                {2, nil, []string{"b-2", "b-3"}},
		"but for what servers run":     {2, []string{"b-2"}, []string{"b-3"}},
		"there are no more":            {9, nil, nil},
		"the newest good one is there": {1, []string{"b-5"}, []string{"b-2", "b-3", "b-4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			for n := int64(1); n <= 5; n++ {
				rec := s.publish(t, fmt.Sprintf("b-%d", n), n)
				if n == 1 {
					_, err := s.Promote(t.Context(), rec, "push")
					require.NoError(t, err)
				}
			}
			removed, err := s.Prune(t.Context(), c.keep, c.spare)
			require.NoError(t, err)
			assert.Equal(t, c.want, removed)
			list, err := s.List(t.Context())
			require.NoError(t, err)
			assert.Len(t, list, 5-len(c.want))
			_, err = s.Record(t.Context(), "b-1")
			require.NoError(t, err, "new servers install it")
			again := s.publish(t, "b-2", 2)
			assert.Equal(t, "b-2", again.ID, "what was removed may come again")
		})
	}
}

func TestPartsOfAnArchiveAreRead(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	content := make([]byte, 30<<20)
	for n := range content {
		content[n] = byte(n * n >> 8)
	}
	rec, data := build(t, "b-1", 1, content)
	_, err := s.Publish(t.Context(), rec, opener(data), nil)
	require.NoError(t, err)
	archive := s.Archive(t.Context(), rec)
	for _, part := range []struct{ at, size int }{
		{0, 10}, {10, 1 << 20}, {1<<20 + 10, 3}, {5, 100}, {20 << 20, 2 << 20}, {len(data) - 5, 5}, {17, 0},
	} {
		got := make([]byte, part.size)
		_, err := archive.ReadAt(got, int64(part.at))
		require.NoError(t, err, part)
		assert.True(t, bytes.Equal(data[part.at:part.at+part.size], got), part)
	}
	n, err := archive.ReadAt(make([]byte, 10), int64(len(data)-4))
	assert.Equal(t, 4, n)
	require.ErrorIs(t, err, io.EOF)
	all, err := io.ReadAll(io.NewSectionReader(archive, 0, rec.Size))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(data, all))
}

func TestAnIndexIsWrittenOnceAndGoesWithItsRelease(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for n := int64(1); n <= 2; n++ {
		rec := s.publish(t, fmt.Sprintf("b-%d", n), n)
		require.NoError(t, s.PutIndex(t.Context(), rec.ID, func() ([]byte, error) { return []byte("index"), nil }))
		require.NoError(t, s.PutIndex(t.Context(), rec.ID, func() ([]byte, error) { return nil, errors.New("it is there") }))
	}
	index, err := s.Index(t.Context(), "b-1")
	require.NoError(t, err)
	assert.Equal(t, "index", string(index))
	_, err = s.Prune(t.Context(), 1, nil)
	require.NoError(t, err)
	_, err = s.Index(t.Context(), "b-1")
	assert.True(t, store.IsKind(err, store.KindMissing), err)
	assert.NoFileExists(t, s.server.File(bucket, "dashboard/releases/b-1.index"))
}
