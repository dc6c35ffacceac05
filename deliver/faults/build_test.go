package faults_test

import (
	"crypto/sha256"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host/hosttest"
	"deliver/machinetest"
	"deliver/release"
)

// hook waits where a test wants it to.
const hook = `at=${0##*/}
[ -e "$MACHINE/hold/$at" ] || exit 0
: >"$MACHINE/at-$at"
while [ -e "$MACHINE/hold/$at" ]; do sleep 0.02; done`

// build writes the build of a release, with more in it.
func (s *site) build(t *testing.T, id string, more ...hosttest.Item) {
	t.Helper()
	items := append([]hosttest.Item{
		hosttest.Script("server", "exec sleep 1000"),
		hosttest.File("version", id), hosttest.File("config/deep/er", id), hosttest.Dir("empty"), hosttest.Symlink("link", "config/deep"),
		hosttest.Script(".deliver/hooks/pre-switch", hook), hosttest.Script(".deliver/hooks/post-switch", hook),
		hosttest.Script(".deliver/hooks/post-restart", hook),
	}, more...)
	s.builds[id] = items
	write(t, s.Home, id+".tar", string(hosttest.Tar(t, items...)))
}

// noise is a file that does not get smaller on its way.
func noise(megabytes int) hosttest.Item {
	content := make([]byte, megabytes<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // it never fails
	return hosttest.File("noise", string(content))
}

// requireWhole asks that `current` is a complete, verified release, and says which.
func (s *site) requireWhole(t *testing.T, m *machinetest.Machine) string {
	t.Helper()
	target, err := os.Readlink(m.Path("app/current"))
	require.NoError(t, err, m.Name)
	id := filepath.Base(target)
	require.Equal(t, "releases/"+id, target, m.Name)
	require.Contains(t, s.builds, id, m.Name)
	s.requireRecord(t, m, id)
	root := m.Path("app", target)
	found := map[string]bool{}
	for _, item := range s.builds[id] {
		requireItem(t, filepath.Join(root, item.Name), item)
		for name := item.Name; name != "."; name = filepath.Dir(name) {
			found[name] = true
		}
	}
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(root, path); name != "." {
			assert.True(t, found[name], "%s: %s has %s, which the build has not", m.Name, id, name)
		}
		return err
	}))
	return id
}

// requireRecord asks that the release is of the very build that was made here.
func (s *site) requireRecord(t *testing.T, m *machinetest.Machine, id string) {
	t.Helper()
	text, err := os.ReadFile(m.Path("app/.deliver/records", id+".json"))
	require.NoError(t, err, m.Name)
	var rec release.Record
	require.NoError(t, json.Unmarshal(text, &rec), m.Name)
	tar, err := os.ReadFile(filepath.Join(s.Home, id+".tar"))
	require.NoError(t, err)
	require.Equal(t, hosttest.Grow(t, id, tar).Record.Tree, rec.Tree, m.Name)
}

func requireItem(t *testing.T, path string, item hosttest.Item) {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, item.FileInfo().Mode().Type(), info.Mode().Type(), path)
	if item.Linkname != "" {
		target, err := os.Readlink(path)
		require.NoError(t, err)
		require.Equal(t, item.Linkname, target)
		return
	}
	require.Equal(t, item.FileInfo().Mode(), info.Mode(), path)
	require.True(t, item.ModTime.Equal(info.ModTime()), path)
	if info.Mode().IsRegular() {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256([]byte(item.Content)), sha256.Sum256(content), path)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}
