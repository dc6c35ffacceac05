package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"deliver/config"
)

// project makes a directory with these files.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

// configured is a project with this config and nothing else.
func configured(t *testing.T, text string) string {
	t.Helper()
	return project(t, map[string]string{".deliver/config": text})
}

// environ is an environment without the settings of whoever runs the tests.
func environ(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "USER=tester", "LC_ALL=C"}, more...)
}

func load(t *testing.T, dir string, env ...string) *config.Config {
	t.Helper()
	c, err := config.Load(t.Context(), config.Source{Dir: dir, Environ: environ(env...)})
	require.NoError(t, err)
	return c
}

func loadWith(t *testing.T, dir string, flags map[string]string, env ...string) *config.Config {
	t.Helper()
	c, err := config.Load(t.Context(), config.Source{Dir: dir, Environ: environ(env...), Flags: flags})
	require.NoError(t, err)
	return c
}

// refuse loads what must not load, and gives the error and what was printed.
func refuse(t *testing.T, dir string, env ...string) (message, printed string) {
	t.Helper()
	var out bytes.Buffer
	_, err := config.Load(t.Context(), config.Source{Dir: dir, Environ: environ(env...), Output: &out})
	require.Error(t, err)
	return err.Error(), out.String()
}
