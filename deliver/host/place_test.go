package host_test

import (
	"os"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

func TestHomeIsExpandedAsAShellDoes(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	require.NoError(t, err)
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	for given, want := range map[string]string{
		"~/app":                       filepath.Join(home, "app"),
		"~":                           home,
		"~" + me.Username + "/a/../b": filepath.Join(me.HomeDir, "b"),
		"/srv/~/app/":                 "/srv/~/app",
	} {
		state, err := newLocal(t, given).Look(t.Context(), host.Service{Manager: "none"})
		if err != nil {
			hosttest.RequireKind(t, err, host.KindDenied)
		}
		assert.Equal(t, want, state.Root, given)
	}
}

func TestPlacesThatAreNone(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]host.Place{
		"empty":                     {},
		"relative":                  {Root: "srv/app"},
		"the root":                  {Root: "/srv/.."},
		"an unknown user":           {Root: "~no-such-user-anywhere/app"},
		"a shared path above":       {Root: "/srv/app", SharedPaths: []string{"../etc"}},
		"an absolute shared path":   {Root: "/srv/app", SharedPaths: []string{"/etc"}},
		"all shared":                {Root: "/srv/app", SharedPaths: []string{"."}},
		"deliver's own hooks":       {Root: "/srv/app", SharedPaths: []string{".deliver/hooks"}},
		"a shared path with detour": {Root: "/srv/app", SharedPaths: []string{"log/../.."}},
		"a shared tree above":       {Root: "/srv/app", SharedTrees: []string{"../node_modules"}},
		"a release as a tree":       {Root: "/srv/app", SharedTrees: []string{"./"}},
		"a tree in a shared path":   {Root: "/srv/app", SharedPaths: []string{"data"}, SharedTrees: []string{"data/node_modules"}},
		"a shared path in a tree":   {Root: "/srv/app", SharedPaths: []string{"node_modules/.cache"}, SharedTrees: []string{"node_modules/"}},
		"a tree in a tree":          {Root: "/srv/app", SharedTrees: []string{"a", "a/b"}},
		"a tree twice":              {Root: "/srv/app", SharedTrees: []string{"a", "a/"}},
	} {
		_, err := host.NewLocal(place)
		var known *host.Error
		require.ErrorAs(t, err, &known, name)
		assert.NotEmpty(t, known.Hint, name)
	}
}

func TestLookWhereNothingIsYet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state, err := newLocal(t, filepath.Join(dir, "not/yet/there")).Look(t.Context(), host.Service{Manager: "none"})
	require.NoError(t, err)
	assert.NotZero(t, state.FreeBytes, "of the disk that it will be on")
	assert.NoDirExists(t, filepath.Join(dir, "not"))
}

// sharing receives items under a place with shared paths.
func sharing(t *testing.T, root, id string, paths []string, items ...hosttest.Item) error {
	t.Helper()
	local, err := host.NewLocal(host.Place{App: "shop", Root: root, SharedPaths: paths})
	require.NoError(t, err)
	b := hosttest.Make(t, id, items...)
	_, err = local.Receive(t.Context(), b.Record, b.Reader(), nil)
	return err
}

func TestSharedPathsOutliveReleases(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	paths := []string{"log", "config/secrets.yml", "public/uploads/"}
	first := []hosttest.Item{
		hosttest.Dir("log"), hosttest.File("log/.keep", ""),
		hosttest.File("config/secrets.yml", "first"), hosttest.File("config/app.yml", "v1"),
	}
	require.NoError(t, sharing(t, root, "v1", paths, first...))
	in := func(id, path string) string { return filepath.Join(root, "releases", id, path) }
	require.NoError(t, os.WriteFile(in("v1", "log/today"), []byte("a line"), 0o600))
	require.NoError(t, os.WriteFile(in("v1", "public/uploads/cat"), []byte("meow"), 0o600))

	second := []hosttest.Item{hosttest.File("config/secrets.yml", "second"), hosttest.File("log/other", "x"), hosttest.File("config/app.yml", "v2")}
	require.NoError(t, sharing(t, root, "v2", paths, second...))
	assert.Equal(t, "a line", read(t, in("v2", "log/today")))
	assert.Equal(t, "meow", read(t, in("v2", "public/uploads/cat")))
	assert.Equal(t, "first", read(t, in("v2", "config/secrets.yml")), "what is shared wins over the release")
	assert.Equal(t, "v2", read(t, in("v2", "config/app.yml")))
	assert.NoFileExists(t, in("v2", "log/other"))
	assert.FileExists(t, filepath.Join(root, "shared/log/.keep"), "the first release seeds what is shared")
	target, err := os.Readlink(in("v2", "config/secrets.yml"))
	require.NoError(t, err)
	assert.Equal(t, "../../../shared/config/secrets.yml", target, "the whole root can be moved")
}

func TestPruneLeavesWhatIsShared(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, id := range []string{"v1", "v2", "v3"} {
		require.NoError(t, sharing(t, root, id, []string{"log"}, hosttest.File("id", id)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "releases/v1/log/today"), []byte("a line"), 0o600))
	removed, err := newLocal(t, root).Prune(t.Context(), 1)
	require.NoError(t, err)
	assert.NotEmpty(t, removed)
	assert.Equal(t, "a line", read(t, root, "shared/log/today"))
}

func TestSharedPathThroughALinkOfTheRelease(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	err := sharing(t, root, "v1", []string{"door/log"}, hosttest.Dir("real"), hosttest.Symlink("door", "real"))
	assert.Contains(t, hosttest.RequireKind(t, err, host.KindUnsafe).Message, "door")
	assert.NoDirExists(t, filepath.Join(root, "releases/v1"))
}

func TestSharedPathInADirectoryThatMayNotBeWrittenTo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	locked := hosttest.Dir("a")
	locked.Mode = 0o555
	require.NoError(t, sharing(t, root, "v1", []string{"a/log"}, locked, hosttest.File("a/b", "x")))
	info, err := os.Stat(filepath.Join(root, "releases/v1/a"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o555), info.Mode().Perm())
	linked, err := os.Stat(filepath.Join(root, "releases/v1/a/log"))
	require.NoError(t, err)
	assert.True(t, linked.IsDir())
}

func TestDryDoesNothing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	local := newLocal(t, root)
	receive(t, root, numbered(t, "v1", 1))
	_, err := local.Switch(t.Context(), "v1", "")
	require.NoError(t, err)
	before := describe(t, root, nil)

	dry := host.NewDry(local)
	state, err := dry.Look(t.Context(), host.Service{Manager: "none"})
	require.NoError(t, err)
	assert.Equal(t, "v1", state.Current)
	_, err = dry.Receive(t.Context(), numbered(t, "v2", 1).Record, unread{}, nil)
	require.NoError(t, err)
	switched, err := dry.Switch(t.Context(), "v2", "")
	require.NoError(t, err)
	assert.Equal(t, "v1", switched.Previous)
	require.NoError(t, dry.Restart(t.Context(), host.Service{Command: "touch " + root + "/touched"}))
	checked, err := dry.Check(t.Context(), host.Health{Command: "false"}, host.Service{}, "v2")
	require.NoError(t, err)
	assert.False(t, checked.Proven)
	_, err = dry.Hook(t.Context(), "pre-switch", "v2", nil)
	require.NoError(t, err)
	require.NoError(t, dry.Record(t.Context(), host.Entry{Release: "v2"}))
	removed, err := dry.Prune(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, removed)
	require.NoError(t, dry.Close())
	assert.Equal(t, before, describe(t, root, nil))
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "full; free some", (&host.Error{Message: "full", Hint: "free some"}).Error())
	assert.Equal(t, "full", (&host.Error{Message: "full"}).Error())
}
