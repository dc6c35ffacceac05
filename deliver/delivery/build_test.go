package delivery_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/host"
	"deliver/release"
)

// pack makes a tar of these entries.
func pack(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range entries {
		content := h.Uname // stands in for the content, so that a test is one line
		h.Uname = ""
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		h.Size = int64(len(content))
		require.NoError(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func file(name, content string) tar.Header { return tar.Header{Name: name, Uname: content} }

func gzipped(t *testing.T, data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(data, nil)
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func fromStdin(data []byte) delivery.Source {
	return delivery.Source{File: "-", Stdin: bytes.NewReader(data)}
}

func TestMakeKnowsTheFormats(t *testing.T) {
	t.Parallel()
	plain := pack(t, file("app", "hello"), tar.Header{Name: "lib/", Typeflag: tar.TypeDir, Mode: 0o755}, file("lib/x", strings.Repeat("y", 100_000)))
	for name, data := range map[string][]byte{"tar": plain, "tar.gz": gzipped(t, plain), "tar.zst": zstded(t, plain)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "build")
			require.NoError(t, os.WriteFile(path, data, 0o600))
			for _, src := range []delivery.Source{{File: path}, {Dir: filepath.Dir(path), File: "build"}, fromStdin(data)} {
				b, err := delivery.Make(t.Context(), src, release.Record{App: "web", Version: "v1.2.0"})
				require.NoError(t, err)
				assert.Empty(t, b.Record.SHA256, "nobody asked for it")
				assert.Equal(t, int64(len(plain)), b.Record.Size)
				assert.Equal(t, int64(3), b.Record.Files)
				assert.Equal(t, "v1.2.0-"+b.Manifest.Digest().String()[:8], b.Record.ID)
				assert.False(t, b.Record.Created.IsZero())
				require.NoError(t, b.Close())
			}
		})
	}
}

// A tar that is a file is read in pieces and side by side, one that comes
// through a pipe as it comes: it is the same build.
func TestABuildIsTheSameHoweverItIsRead(t *testing.T) {
	t.Parallel()
	large, rest := strings.Repeat("0123456789", 60_000), strings.Repeat("z", 200_000)
	program, err := os.ReadFile("/bin/true")
	require.NoError(t, err)
	for name, plain := range map[string][]byte{
		"small":          pack(t, file("a", "1"), file("empty", ""), file("b", "2")),
		"large":          pack(t, file("a", large), file("b", large+"x"), file("c", "small"), file("d", rest), file("e", rest+"y")),
		"the same twice": pack(t, file("a", "1"), file("b", large), file("c", large), file("d", "1")),
		"a later one":    pack(t, file("a", large), file("a", "2")),
		"links":          pack(t, file("a", "1"), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "a"}, tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "a"}),
		"a program":      pack(t, tar.Header{Name: "true", Mode: 0o755, Uname: string(program)}, tar.Header{Name: "sh", Mode: 0o755, Uname: "#!"}),
		"more after it":  append(pack(t, file("a", "1")), make([]byte, 10_240)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "build.tar")
			require.NoError(t, os.WriteFile(path, plain, 0o600))
			read, err := delivery.Make(t.Context(), delivery.Source{File: path, Sealed: true}, release.Record{ID: "r1"})
			require.NoError(t, err)
			defer read.Close()
			heard, err := delivery.Make(t.Context(), delivery.Source{File: "-", Stdin: bytes.NewReader(plain), Sealed: true}, release.Record{ID: "r1", Created: read.Record.Created})
			require.NoError(t, err)
			defer heard.Close()
			assert.Equal(t, heard.Record, read.Record)
			assert.Equal(t, sum(plain), read.Record.SHA256)
			assert.Equal(t, int64(len(plain)), read.Record.Size)
			assert.Equal(t, heard.Manifest, read.Manifest)
			assert.Equal(t, heard.Arches, read.Arches)
			for _, n := range read.Manifest.Contents() {
				name := read.Manifest.Entries[n].Path
				assert.Equal(t, content(t, heard, name), content(t, read, name))
			}
		})
	}
}

func TestABuildIsReadByManyAtOnce(t *testing.T) {
	t.Parallel()
	plain := pack(t, file("app", strings.Repeat("0123456789", 300_000)))
	b, err := delivery.Make(t.Context(), fromStdin(gzipped(t, plain)), release.Record{ID: "r1"})
	require.NoError(t, err)
	defer b.Close()
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			body, err := b.Tar()
			if !assert.NoError(t, err) {
				return
			}
			defer body.Close()
			got, err := io.ReadAll(body)
			assert.NoError(t, err)
			assert.Equal(t, sum(plain), sum(got))
		})
	}
	readers.Wait()
}

func TestNoTemporaryFileIsLeft(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	good, err := delivery.Make(t.Context(), fromStdin(pack(t, file("app", "x"))), release.Record{ID: "r1"})
	require.NoError(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "not even while the build is in use")
	require.NoError(t, good.Close())
	_, err = delivery.Make(t.Context(), fromStdin(pack(t, file("../app", "x"))), release.Record{ID: "r1"})
	require.Error(t, err)
	left, err = os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestABuildThatNobodyMayUnpackIsRefused(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]tar.Header{
		"leaves by ..":         {file("a/../../b", "x")},
		"absolute":             {file("/etc/passwd", "x")},
		"device":               {{Name: "null", Typeflag: tar.TypeChar}},
		"pipe":                 {{Name: "pipe", Typeflag: tar.TypeFifo}},
		"hard link out":        {{Name: "x", Typeflag: tar.TypeLink, Linkname: "../x"}},
		"through a symlink":    {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, file("a/passwd", "x")},
		"no longer a symlink":  {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, file("a", "now a file")},
		"deep through symlink": {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, file("./a/b/c", "x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := delivery.Make(t.Context(), fromStdin(pack(t, entries...)), release.Record{ID: "r1"})
			var refused *host.Error
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, host.KindUnsafe, refused.Kind)
			assert.ErrorContains(t, err, strings.TrimPrefix(entries[len(entries)-1].Name, "./"))
		})
	}
}

func TestWhatIsNoBuildIsAnError(t *testing.T) {
	t.Parallel()
	whole := pack(t, file("app", strings.Repeat("x", 5000)))
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"nothing":        {nil, "it is empty"},
		"text":           {[]byte(strings.Repeat("no tar at all ", 100)), "no whole tar"},
		"cut tar":        {whole[:3000], "no whole tar"},
		"cut large file": {pack(t, file("app", strings.Repeat("x", 1_000_000)))[:700_000], "no whole tar"},
		"cut at the end": {pack(t, file("a", "1"), file("app", strings.Repeat("x", 1000)))[:512+512+512+999], "no whole tar"},
		"cut gzip":       {gzipped(t, whole)[:40], "unexpected EOF"},
		"cut zstd":       {zstded(t, whole)[:20], "unexpected EOF"},
		"no entries":     {pack(t), "no file in it"},
		"zip":            {[]byte("PK\x03\x04xxxxxxxxxxxx"), "pack it as tar"},
		"xz":             {[]byte("\xfd7zXZ\x00xxxxxxxxxx"), "pack it as tar"},
		"damaged header": {append([]byte("x"), whole...), "no whole tar"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := delivery.Make(t.Context(), fromStdin(c.data), release.Record{ID: "r1"})
			require.ErrorContains(t, err, c.says)
			path := filepath.Join(t.TempDir(), "build")
			require.NoError(t, os.WriteFile(path, c.data, 0o600))
			_, err = delivery.Make(t.Context(), delivery.Source{File: path}, release.Record{ID: "r1"})
			assert.ErrorContains(t, err, c.says)
		})
	}
	_, err := delivery.Make(t.Context(), delivery.Source{File: "/nowhere.tar"}, release.Record{})
	assert.ErrorContains(t, err, "/nowhere.tar")
	_, err = delivery.Make(t.Context(), delivery.Source{File: t.TempDir()}, release.Record{})
	assert.ErrorContains(t, err, "is a directory")
}

func TestMakeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := delivery.Make(ctx, fromStdin(pack(t, file("a", "b"))), release.Record{})
	assert.ErrorIs(t, err, context.Canceled)
}

// checkout makes a git checkout with two commits, the first tagged v1.0.0.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "master")
	for _, version := range []string{"one", "two"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "app"), []byte(version), 0o600))
		git(t, dir, "add", "app")
		git(t, dir, "commit", "-q", "-m", version)
		if version == "one" {
			git(t, dir, "tag", "v1.0.0")
		}
	}
	return dir
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

func TestABuildIsTheCommitThatIsNamed(t *testing.T) {
	t.Parallel()
	dir := checkout(t)
	for ref, want := range map[string]struct{ content, version string }{
		"":       {"two", "v1.0.0-1-g"},
		"master": {"two", "v1.0.0-1-g"},
		"v1.0.0": {"one", "v1.0.0"},
		"HEAD~1": {"one", "v1.0.0"},
	} {
		b, err := delivery.Make(t.Context(), delivery.Source{Dir: dir, Ref: ref}, release.Record{App: "web"})
		require.NoError(t, err, ref)
		assert.Equal(t, git(t, dir, "rev-parse", first(ref, "HEAD")+"^{commit}"), b.Record.Commit)
		assert.Contains(t, b.Record.Version, want.version, ref)
		assert.NotZero(t, b.Record.Sequence)
		assert.Equal(t, want.content, content(t, b, "app"), ref)
		require.NoError(t, b.Close())
	}
}

func TestARefThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := checkout(t)
	for _, ref := range []string{"v9", "--output=/tmp/x", "-h"} {
		_, err := delivery.Make(t.Context(), delivery.Source{Dir: dir, Ref: ref}, release.Record{})
		assert.ErrorContains(t, err, "find "+ref, ref)
	}
	_, err := delivery.Make(t.Context(), delivery.Source{Dir: t.TempDir()}, release.Record{})
	assert.ErrorContains(t, err, "not a git repository")
}

func TestWhatIsKnownWins(t *testing.T) {
	t.Parallel()
	known := release.Record{ID: "jenkins-web-12", Version: "v2", Commit: strings.Repeat("a", 40), Sequence: 12}
	b, err := delivery.Make(t.Context(), delivery.Source{Dir: checkout(t)}, known)
	require.NoError(t, err)
	defer b.Close()
	assert.Equal(t, []any{"jenkins-web-12", "v2", strings.Repeat("a", 40), int64(12)}, []any{b.Record.ID, b.Record.Version, b.Record.Commit, b.Record.Sequence})
}

func TestProgramsTellTheirMachine(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("/bin/true")
	require.NoError(t, err)
	b, err := delivery.Make(t.Context(), fromStdin(pack(t, tar.Header{Name: "true", Mode: 0o755, Uname: string(program)}, file("text", "x"))), release.Record{ID: "r"})
	require.NoError(t, err)
	defer b.Close()
	assert.Len(t, b.Arches, 1)
}

func TestRepackHoldsTheArchiveAgainstItsRecord(t *testing.T) {
	t.Parallel()
	plain := pack(t, file("app", "x"))
	rec := release.Record{ID: "r1", SHA256: sum(plain), Size: int64(len(plain))}
	b, err := delivery.Repack(t.Context(), rec, bytes.NewReader(plain))
	require.NoError(t, err)
	rec.Tree = b.Manifest.Digest().String()
	assert.Equal(t, rec, b.Record)
	require.NoError(t, b.Close())
	_, err = delivery.Repack(t.Context(), rec, bytes.NewReader(pack(t, file("app", "y"))))
	assert.ErrorContains(t, err, "must be "+rec.SHA256[:12])
}

func FuzzMake(f *testing.F) {
	whole := pack(f, file("app", "x"), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "app"})
	for _, seed := range [][]byte{whole, whole[:600], whole[:513], pack(f, file("../x", "y")), {0x1f, 0x8b, 8}, {0x28, 0xb5, 0x2f, 0xfd, 0}, nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := delivery.Make(t.Context(), fromStdin(data), release.Record{})
		path := filepath.Join(t.TempDir(), "build")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		same, sameErr := delivery.Make(t.Context(), delivery.Source{File: path}, release.Record{})
		require.Equal(t, err == nil, sameErr == nil, "%v, %v", err, sameErr)
		if err != nil {
			return
		}
		defer b.Close()
		defer same.Close()
		assert.Equal(t, b.Manifest.Digest(), same.Manifest.Digest())
		assert.Equal(t, b.Record.Size, same.Record.Size)
		body, err := b.Tar()
		require.NoError(t, err)
		defer body.Close()
		entries := tar.NewReader(body)
		for {
			h, err := entries.Next()
			if err != nil {
				break
			}
			assert.False(t, strings.HasPrefix(h.Name, "/"))
			assert.NotContains(t, strings.Split(h.Name, "/"), "..")
		}
	})
}

func FuzzSafeID(f *testing.F) {
	for _, seed := range []string{"", "v1.0", "../x", "a/b", ".hidden", "ü", strings.Repeat("x", 500)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id := delivery.SafeID(s)
		assert.Regexp(t, `^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,99}$`, id)
		assert.Equal(t, id, delivery.SafeID(id))
	})
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// content is a file of a build.
func content(t *testing.T, b *delivery.Build, name string) string {
	t.Helper()
	body, err := b.Tar()
	require.NoError(t, err)
	defer body.Close()
	entries := tar.NewReader(body)
	for {
		h, err := entries.Next()
		require.NoError(t, err)
		if h.Name == name {
			data, err := io.ReadAll(entries)
			require.NoError(t, err)
			return string(data)
		}
	}
}
