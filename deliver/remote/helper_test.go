package remote_test

import (
	"compress/gzip"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/remote"
	"deliver/sshdtest"
)

// inside unpacks what deliver has inside for a processor.
func inside(t *testing.T, helpers, goarch string) (program string) {
	t.Helper()
	packed, err := os.Open(filepath.Join(helpers, "linux-"+goarch+".gz"))
	require.NoError(t, err)
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	require.NoError(t, err)
	program = filepath.Join(t.TempDir(), "deliver-host")
	file, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(file, plain)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return program
}

// nothingElse fails a test that asks for a helper which is not inside.
func nothingElse(t *testing.T) remote.Helper {
	return func(goos, goarch string) (remote.Binary, error) {
		t.Errorf("there is none for %s/%s", goos, goarch)
		return remote.Binary{}, os.ErrNotExist
	}
}

func TestAServerGetsTheHelperThatIsInside(t *testing.T) {
	t.Parallel()
	files := sshdtest.Helpers(t)
	for name, settings := range map[string][]string{
		"gzip": nil, "no gzip": {"SetEnv PATH=" + tools(t, "sh", "cat", "mkdir", "mv", "rm", "ls", "chmod", "uname", "sha256sum")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			c.opts.Helper = remote.Embedded(os.DirFS(files), nothingElse(t))
			c.serve(t, "h1", settings...)
			root := t.TempDir()
			look(t, c.dialAt(t, "h1", root))
			arrived := filepath.Join(root, ".deliver", "bin", nameOf(t, c.opts.Helper))
			assert.Equal(t, read(t, inside(t, files, runtime.GOARCH)), read(t, arrived))
		})
	}
	for goarch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(goarch, func(t *testing.T) {
			t.Parallel()
			program := inside(t, files, goarch)
			b, err := remote.Embedded(os.DirFS(files), nothingElse(t))("linux", goarch)
			require.NoError(t, err)
			whole := binary([]byte(read(t, program)))
			assert.Equal(t, []any{whole.SHA256, whole.BLAKE2b, whole.Size}, []any{b.SHA256, b.BLAKE2b, b.Size})
			parsed, err := elf.Open(program)
			require.NoError(t, err)
			defer parsed.Close()
			assert.Equal(t, machine, parsed.Machine)
			assert.Nil(t, parsed.Section(".interp"), "it runs wherever its kernel does")
		})
	}
	t.Run("aarch64", func(t *testing.T) { t.Parallel(); anotherProcessor(t, files) })
}

// anotherProcessor looks at a server that says it is of another processor, which
// QEMU is for the one program that the script starts.
func anotherProcessor(t *testing.T, files string) {
	qemu := sshdtest.Need(t, "qemu-aarch64-static", "qemu-user-static")
	c := newClient(t)
	c.opts.Helper = remote.Embedded(os.DirFS(files), nothingElse(t))
	c.serve(t, "h1", machine(t, "Linux", "aarch64"),
		`ForceCommand eval "$(printf %s "$SSH_ORIGINAL_COMMAND" | sed 's|exec "$b" host|exec `+qemu+` "$b" host|')"`)
	root := t.TempDir()
	s := c.dialAt(t, "h1", root)
	build := hosttest.Make(t, "v1", hosttest.File("a", "text"))
	_, err := s.Receive(t.Context(), build.Record, build.Reader(), nil)
	require.NoError(t, err)
	assert.Equal(t, "text", read(t, filepath.Join(root, "releases", "v1", "a")))
	assert.Equal(t, root, look(t, s).Root)
	b, err := c.opts.Helper("linux", "arm64")
	require.NoError(t, err)
	assert.Equal(t, []string{"deliver-" + b.SHA256[:16]}, helpers(t, root))
}

func TestWhatIsNotInsideIsLookedForElsewhere(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.Helper = remote.Embedded(fstest.MapFS{"README.md": {}}, remote.Executable())
	c.serve(t, "h1")
	root := t.TempDir()
	look(t, c.dialAt(t, "h1", root))
	assert.Equal(t, []string{nameOf(t, remote.Executable())}, helpers(t, root))
}

func TestAHelperInsideWithoutItsDigests(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("a", 64) + " " + strings.Repeat("b", 128)
	for _, sums := range []string{"", "abc 12\n", whole, whole + " many\n", whole[2:] + " 12\n", whole + "b 12\n"} {
		files := fstest.MapFS{"linux-arm64.sums": {Data: []byte(sums)}}
		_, err := remote.Embedded(files, nothingElse(t))("linux", "arm64")
		assert.ErrorContains(t, err, "the digests of the helper for linux-arm64 in this deliver are")
	}
}

func TestAHelperInsideThatIsDamaged(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	files := fstest.MapFS{}
	for _, name := range []string{"linux-" + runtime.GOARCH + ".gz", "linux-" + runtime.GOARCH + ".sums"} {
		files[name] = &fstest.MapFile{Data: []byte(strings.Repeat("a", 64) + " " + strings.Repeat("b", 128) + " 12\n")}
	}
	c.opts.Helper = remote.Embedded(files, nothingElse(t))
	root := t.TempDir()
	_, err := c.dialAt(t, "h1", root).Look(t.Context(), host.Service{})
	hosttest.RequireKind(t, err, host.KindFailed)
	assert.Empty(t, helpers(t, root))
}
