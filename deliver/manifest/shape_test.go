package manifest_test

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/manifest"
)

func TestWhereASymlinkMayLead(t *testing.T) {
	t.Parallel()
	known := manifest.NewShape()
	known.Targets = map[string]string{
		"up":      ".",
		"d/root":  "..",
		"d/e/dd":  "../../d",
		"loop":    "loop",
		"ping":    "pong",
		"pong":    "ping",
		"d/again": "root/d/again",
	}
	for _, c := range []struct {
		dir, target string
		want        bool
	}{
		{".", "a", false},
		{".", ".", false},
		{".", "..", true},
		{".", "../x", true},
		{".", "/x", true},
		{".", "a/../b", false},
		{".", "a/../../b", true},
		{"d", "..", false},
		{"d", "../..", true},
		{"d/e", "../../x", false},
		{"d/e", "../../../x", true},
		{".", "d/root", false},
		{".", "d/root/..", true},
		{"d", "root/..", true},
		{"d/e", "dd/root", false},
		{"d/e", "dd/root/..", true},
		{".", "up/up/up/d/root/d", false},
		{".", "up/..", true},
		{".", "loop", false},
		{".", "ping/..", false},
		{"d", "again", false},
		{".", "", true},
	} {
		assert.Equal(t, c.want, known.AdmitSymlink(path.Join(c.dir, "new"), c.target) != nil, "%s from %s", c.target, c.dir)
	}
}

func TestWhatAPathMayBecome(t *testing.T) {
	t.Parallel()
	known := manifest.NewShape()
	known.Kinds["d"], known.Kinds["d/f"], known.Kinds["l"] = manifest.Directory, manifest.File, manifest.Symlink
	for _, c := range []struct {
		name string
		kind manifest.Kind
		fine bool
	}{
		{"new", manifest.File, true},
		{"new/deep/er", manifest.File, true},
		{"d/new", manifest.Symlink, true},
		{"d", manifest.Directory, true},
		{"d", manifest.File, false},
		{"d/f", manifest.File, true},
		{"d/f", manifest.Symlink, false},
		{"d/f/x", manifest.File, false},
		{"d/f/x/y/z", manifest.Directory, false},
		{"l", manifest.Symlink, true},
		{"l/x", manifest.File, false},
		{".", manifest.Directory, true},
		{".", manifest.File, false},
	} {
		assert.Equal(t, c.fine, known.Admit(c.name, c.kind) == nil, "%s as %s", c.name, c.kind)
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, seed := range []string{"a", "./a/", "../a", "/a", "a/../..", "a//b", "", ".", "...", "a\x00b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := manifest.CleanPath(name)
		if err != nil {
			var refused *manifest.Unsafe
			require.ErrorAs(t, err, &refused)
			return
		}
		assert.False(t, strings.HasPrefix(clean, "/"))
		assert.False(t, clean == ".." || strings.HasPrefix(clean, "../"), clean)
	})
}
