package hosttest

import (
	"archive/tar"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
)

// refused is a tar that must not become a release.
type refused struct {
	name  string
	names string // what the error must name
	items []Item
}

func refuseStories() []story {
	var stories []story
	for _, r := range refusals() {
		stories = append(stories, story{r.name, r.tell})
	}
	return append(stories, story{"links that stay inside are kept", linksInside})
}

func refusals() []refused {
	special := func(typeflag byte) []Item {
		return []Item{{tar.Header{Typeflag: typeflag, Name: "odd", Mode: 0o644, ModTime: built}, ""}}
	}
	return []refused{
		{"..", "../up", []Item{File("../up", "x")}},
		{".. within", "a/../b", []Item{File("a/../b", "x")}},
		{".. at the end", "a/..", []Item{Dir("a/..")}},
		{"an absolute name", "/etc/up", []Item{File("/etc/up", "x")}},
		{"a way through a symlink", "door/up", []Item{Dir("real"), Symlink("door", "real"), File("door/up", "x")}},
		{"a way through a far symlink", "door/a/b/up", []Item{Dir("real"), Symlink("door", "real"), File("door/a/b/up", "x")}},
		{"a way through a file", "door/up", []Item{File("door", "x"), File("door/up", "x")}},
		{"a symlink upwards", "door", []Item{Symlink("door", "../../up")}},
		{"a symlink upwards and back", "door", []Item{Symlink("door", "../v1/id")}},
		{"an absolute symlink", "door", []Item{Symlink("door", "/etc/passwd")}},
		{"symlinks that leave together", "d/", []Item{Dir("d"), Symlink("d/one", ".."), Symlink("d/two", "one/../up")}},
		{"symlinks that leave together, the later one first", "d/", []Item{Dir("d"), Symlink("d/two", "one/../up"), Symlink("d/one", "..")}},
		{"a hard link upwards", "door", []Item{HardLink("door", "../../up")}},
		{"an absolute hard link", "door", []Item{HardLink("door", "/etc/passwd")}},
		{"a hard link to nothing", "door", []Item{HardLink("door", "later"), File("later", "x")}},
		{"a hard link to a directory", "door", []Item{Dir("d"), HardLink("door", "d")}},
		{"a hard link to a symlink, moved up", "door", []Item{Dir("d"), File("f", "x"), Symlink("d/l", "../f"), HardLink("door", "d/l")}},
		{"a hard link to itself", "door", []Item{File("door", "x"), HardLink("door", "door")}},
		{"a character device", "odd", special(tar.TypeChar)},
		{"a block device", "odd", special(tar.TypeBlock)},
		{"a fifo", "odd", special(tar.TypeFifo)},
		{"a file that becomes a directory", "a", []Item{File("a", "x"), Dir("a")}},
		{"a directory that becomes a file", "a", []Item{Dir("a"), File("a", "x")}},
		{"a directory that becomes a symlink", "a", []Item{Dir("a"), Dir("b"), Symlink("a", "b")}},
		{"a symlink that becomes a directory", "a", []Item{Dir("b"), Symlink("a", "b"), Dir("a")}},
		{"a symlink that becomes a file", "a", []Item{Symlink("a", "b"), File("a", "x")}},
		{"the release itself as a file", ".", []Item{File(".", "x")}},
		{"the release itself as a symlink", ".", []Item{Symlink("./", "b")}},
	}
}

func (r refused) tell(t *testing.T, s *site) {
	canary := s.path("up")
	require.NoError(t, os.WriteFile(canary, []byte("untouched"), 0o600))
	b := Make(t, "v1", append([]Item{File("first", "x")}, r.items...)...)
	_, err := s.Receive(s.ctx, b.Record, b.Reader(), nil)
	known := RequireKind(t, err, host.KindUnsafe)
	assert.Contains(t, known.Message, r.names)
	assert.NotEmpty(t, known.Hint)
	assert.NoDirExists(t, s.path("releases", "v1"), "the whole release is discarded")
	s.requireNothingLeft(t)
	assert.Equal(t, "untouched", s.read(t, "up"))
}

func linksInside(t *testing.T, s *site) {
	s.receive(t, Make(t, "v1",
		Dir("d/e"), File("d/f", "content"),
		Symlink("d/e/up", "../f"),
		Symlink("dangling", "d/nowhere"),
		Symlink("itself", "itself"),
		Symlink("d/all", "../."),
		Symlink("round", "d/../d/all/d/f"),
		HardLink("hard", "./d/f"),
		HardLink("d/e/same", "d/e/up"),
	))
	for _, name := range []string{"d/e/up", "round", "hard", "d/e/same"} {
		assert.Equal(t, "content", s.read(t, "releases", "v1", name), name)
	}
	original, err := os.Stat(s.path("releases", "v1", "d", "f"))
	require.NoError(t, err)
	linked, err := os.Stat(s.path("releases", "v1", "hard"))
	require.NoError(t, err)
	assert.True(t, os.SameFile(original, linked))
}
