package hosttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
)

func receiveStories() []story {
	return []story{
		{"a build becomes a complete and inactive release", becomesRelease},
		{"progress ends with all bytes", tellsProgress},
		{"a release that is there is not read again", notReadAgain},
		{"another build under the same id is refused", otherBuildRefused},
		{"a build is what its tree is", treeIsEnough},
		{"a build that is not what its record says leaves nothing", wrongBuildLeavesNothing},
		{"a build that ends early leaves nothing", endsEarly},
		{"a build that cannot be read leaves nothing", cannotBeRead},
		{"a caller who gives up leaves nothing", givesUp},
		{"a record without a digest is refused", noDigest},
		{"an id that is no path segment is refused", badID},
		{"a release too large for the disk is refused unread", tooLarge},
		{"one release comes in twice at once", twiceAtOnce},
	}
}

func becomesRelease(t *testing.T, s *site) {
	b := Make(t, "v1", Dir("empty/"), File("app/main.js", "run()"), Symlink("start", "app/main.js"), Script("bin/go", "true"))
	receipt := s.receive(t, b)
	assert.Equal(t, host.Receipt{Bytes: int64(len(b.Zstd)), Files: 4}, receipt)
	assert.Equal(t, "run()", s.read(t, "releases", "v1", "start"))
	info, err := os.Stat(s.path("releases", "v1", "bin", "go"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	assert.True(t, info.ModTime().Equal(built))
	assert.DirExists(t, s.path("releases", "v1", "empty"))
	assert.Empty(t, s.look(t).Current, "receiving switches nothing")
	have := s.look(t).Releases[0]
	assert.Len(t, have.Tree, 64)
	have.Tree = ""
	assert.Equal(t, b.Record, have)
	s.requireNothingLeft(t)
}

func tellsProgress(t *testing.T, s *site) {
	b := Make(t, "v1", File("big", strings.Repeat("all work and no play ", 1<<16)))
	var told []int64
	_, err := s.Receive(s.ctx, b.Record, b.Reader(), func(n int64) { told = append(told, n) })
	require.NoError(t, err)
	require.NotEmpty(t, told)
	assert.Zero(t, told[0], "the first says that the build is wanted")
	assert.IsNonDecreasing(t, told)
	assert.Equal(t, int64(len(b.Zstd)), told[len(told)-1])
}

func notReadAgain(t *testing.T, s *site) {
	b := Make(t, "v1", File("a", "1"))
	s.receive(t, b)
	unread := iotest.ErrReader(errors.New("it was read"))
	receipt, err := s.Receive(s.ctx, b.Record, unread, func(int64) { assert.Fail(t, "it was asked for") })
	require.NoError(t, err)
	assert.True(t, receipt.Already)
	assert.Zero(t, receipt.Bytes)
}

func otherBuildRefused(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1", File("a", "1")))
	other := Make(t, "v1", File("a", "2"))
	_, err := s.Receive(s.ctx, other.Record, other.Reader(), nil)
	known := RequireKind(t, err, host.KindDigest)
	assert.NotEmpty(t, known.Hint)
	assert.Equal(t, "1", s.read(t, "releases", "v1", "a"))
}

func treeIsEnough(t *testing.T, s *site) {
	right, other := Grow(t, "v1", Tar(t, File("a", "1"))), Make(t, "v1", File("a", "2"))
	rec := right.Record
	rec.SHA256 = ""
	_, err := s.Receive(s.ctx, rec, other.Reader(), nil)
	RequireKind(t, err, host.KindDigest)
	s.requireNothingLeft(t)
	_, err = s.Receive(s.ctx, rec, right.Reader(), nil)
	require.NoError(t, err)
	assert.Equal(t, "1", s.read(t, "releases", "v1", "a"))
}

func wrongBuildLeavesNothing(t *testing.T, s *site) {
	right, other := Make(t, "v1", File("a", "1")), Make(t, "v1", File("a", "2"))
	longer := Make(t, "v1", File("a", strings.Repeat("1", 100_000)))
	for name, sent := range map[string][]byte{
		"another":        other.Zstd,
		"a longer one":   longer.Zstd,
		"nothing":        {},
		"no zstd":        []byte("GIF89a and so on, which is no archive"),
		"more after it":  append(bytes.Clone(right.Zstd), right.Zstd...),
		"noise after it": append(bytes.Clone(right.Zstd), "noise"...),
	} {
		_, err := s.Receive(s.ctx, right.Record, bytes.NewReader(sent), nil)
		require.Error(t, err, name)
		RequireKind(t, err, host.KindDigest)
		assert.NoDirExists(t, s.path("releases", "v1"), name)
		s.requireNothingLeft(t)
	}
	s.receive(t, right)
}

func endsEarly(t *testing.T, s *site) {
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(i * i >> 7)
	}
	b := Make(t, "v1", File("a", string(noise)), File("b", "2"))
	for _, n := range []int{1, len(b.Zstd) / 2, len(b.Zstd) - 1} {
		_, err := s.Receive(s.ctx, b.Record, bytes.NewReader(b.Zstd[:n]), nil)
		known := RequireKind(t, err, host.KindDigest)
		assert.Contains(t, known.Message, "ends early")
		s.requireNothingLeft(t)
	}
	assert.Empty(t, s.releases(t))
}

func cannotBeRead(t *testing.T, s *site) {
	b := Make(t, "v1", File("a", "1"))
	lost := errors.New("the archive's disk is gone")
	half := io.MultiReader(bytes.NewReader(b.Zstd[:len(b.Zstd)/2]), iotest.ErrReader(lost))
	_, err := s.Receive(s.ctx, b.Record, half, nil)
	require.ErrorContains(t, err, lost.Error())
	assert.Empty(t, s.releases(t))
}

func givesUp(t *testing.T, s *site) {
	b := Make(t, "v1", File("a", "1"))
	ctx, cancel := context.WithCancel(s.ctx)
	reader := readerFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, b.Zstd[:10]), nil
	})
	_, err := s.Receive(ctx, b.Record, reader, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, s.releases(t))
	s.receive(t, b)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func noDigest(t *testing.T, s *site) {
	b := Make(t, "v1", File("a", "1"))
	b.Record.SHA256 = ""
	_, err := s.Receive(s.ctx, b.Record, b.Reader(), nil)
	RequireKind(t, err, host.KindDigest)
}

func badID(t *testing.T, s *site) {
	for _, id := range []string{"", ".", "..", "a/b", "/etc", ".hidden", "a\nb", strings.Repeat("x", 201)} {
		b := Make(t, id, File("a", "1"))
		_, err := s.Receive(s.ctx, b.Record, b.Reader(), nil)
		RequireKind(t, err, host.KindUnsafe)
	}
}

func tooLarge(t *testing.T, s *site) {
	b := Make(t, "v1", File("a", "1"))
	b.Record.Size = 1 << 60
	_, err := s.Receive(s.ctx, b.Record, iotest.ErrReader(errors.New("it was read")), nil)
	known := RequireKind(t, err, host.KindSpace)
	assert.Contains(t, known.Message, "1152921504606846976 bytes")
	assert.NotEmpty(t, known.Hint)
}

func twiceAtOnce(t *testing.T, s *site) {
	b := Make(t, "v1", File("a", "1"))
	done := make(chan error)
	for range 2 {
		go func() {
			_, err := s.Receive(s.ctx, b.Record, b.Reader(), nil)
			done <- err
		}()
	}
	require.NoError(t, errors.Join(<-done, <-done))
	assert.Equal(t, []string{"v1"}, s.releases(t))
	s.requireNothingLeft(t)
}
