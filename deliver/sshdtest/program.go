package sshdtest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Program builds deliver as it is installed, with its helpers inside, and returns
// the directory that it is in.
func Program(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	ProgramInto(t, dir)
	return dir
}

// ProgramInto builds deliver, as Program does, into a directory.
func ProgramInto(t testing.TB, dir string) {
	t.Helper()
	build(t, filepath.Join(dir, "deliver"))
}

// Helpers builds what deliver has inside for servers, and returns the directory
// that it is in: OS-ARCH.gz and OS-ARCH.sums.
func Helpers(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	build(t, "--helpers", dir)
	return dir
}

// PlainProgram builds deliver by go build with args. It has nothing inside for
// servers, and puts itself there.
func PlainProgram(t testing.TB, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	readSources(t)
	args = append(append([]string{"build", "-ldflags", "-s -w"}, args...), "-o", filepath.Join(dir, "deliver"), "deliver/cmd/deliver")
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

func build(t testing.TB, args ...string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(readSources(t), "build"), args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// readSources opens what the program is made of, or go test would take an
// earlier result for one of today's program. It returns the module's directory.
func readSources(t testing.TB) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	module := filepath.Dir(filepath.Dir(file))
	require.NoError(t, filepath.WalkDir(module, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" && path != filepath.Join(module, "build") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	}))
	return module
}
