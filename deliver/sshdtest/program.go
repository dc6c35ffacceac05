package sshdtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Program builds deliver as it is installed, and returns the directory that it
// is in. args go to go build.
func Program(t testing.TB, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	readSources(t)
	args = append(append([]string{"build", "-ldflags", "-s -w"}, args...), "-o", filepath.Join(dir, "deliver"), "deliver/cmd/deliver")
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// readSources opens what the program is made of, or go test would take an
// earlier result for one of today's program.
func readSources(t testing.TB) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	require.NoError(t, filepath.WalkDir(filepath.Dir(filepath.Dir(file)), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	}))
}
