package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/crypto/blake2b"

	"deliver/host"
)

// Helper finds the deliver binary that runs on a server of the given system,
// in Go's words for it. It may be called many times, also at once.
type Helper func(goos, goarch string) (Binary, error)

// Binary is a program that is put on servers.
type Binary struct {
	SHA256  string // hex
	BLAKE2b string // hex, of 512 bits; what servers find fastest
	Size    int64
	// Open reads the program, or, where Gzipped, what gzip made of it.
	Open    func() (io.ReadCloser, error)
	Gzipped bool
}

// name is the binary's file on a server.
func (b Binary) name() string {
	if len(b.SHA256) < 16 {
		return "deliver-none"
	}
	return "deliver-" + b.SHA256[:16]
}

// Embedded gives the programs that lie in files, as deliver/build makes them:
// OS-ARCH.gz, and in OS-ARCH.sums the SHA-256, the BLAKE2b and the size of what is in
// it. Where there is none for a system, otherwise is asked.
func Embedded(files fs.FS, otherwise Helper) Helper {
	return func(goos, goarch string) (Binary, error) {
		system := goos + "-" + goarch
		sums, err := fs.ReadFile(files, system+".sums")
		if err != nil {
			return otherwise(goos, goarch)
		}
		b := Binary{Gzipped: true, Open: func() (io.ReadCloser, error) { return files.Open(system + ".gz") }}
		if _, err := fmt.Sscanf(string(sums), "%64s %128s %d\n", &b.SHA256, &b.BLAKE2b, &b.Size); err != nil || len(b.SHA256+b.BLAKE2b) != 64+128 {
			return Binary{}, fmt.Errorf("the digests of the helper for %s in this deliver are %q: build it anew by make build", system, sums)
		}
		return b, nil
	}
}

// Executable gives the running program to servers of its own system; to
// others, a file deliver-OS-ARCH beside it.
func Executable() Helper {
	var mu sync.Mutex
	known := map[string]Binary{}
	return func(goos, goarch string) (Binary, error) {
		mu.Lock()
		defer mu.Unlock()
		system := goos + "/" + goarch
		if b, ok := known[system]; ok {
			return b, nil
		}
		path, err := executableFor(goos, goarch)
		if err != nil {
			return Binary{}, err
		}
		b, err := fileBinary(path)
		if err == nil {
			known[system] = b
		}
		return b, err
	}
}

func executableFor(goos, goarch string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the running program: %w", err)
	}
	if goos == runtime.GOOS && goarch == runtime.GOARCH {
		if goos == "linux" {
			return "/proc/self/exe", nil // what runs, also when its file was replaced meanwhile
		}
		return self, nil
	}
	beside := filepath.Join(filepath.Dir(self), "deliver-"+goos+"-"+goarch)
	if _, err := os.Stat(beside); err != nil {
		return "", &host.Error{
			Kind:    host.KindFailed,
			Message: fmt.Sprintf("the server is %s/%s, this deliver is %s/%s", goos, goarch, runtime.GOOS, runtime.GOARCH),
			Hint:    fmt.Sprintf("build it with GOOS=%s GOARCH=%s and put it at %s", goos, goarch, beside),
		}
	}
	return beside, nil
}

func fileBinary(path string) (Binary, error) {
	f, err := os.Open(path)
	if err != nil {
		return Binary{}, fmt.Errorf("read the helper: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	fast, err := blake2b.New512(nil)
	if err != nil {
		return Binary{}, fmt.Errorf("read the helper: %w", err)
	}
	size, err := io.Copy(io.MultiWriter(sum, fast), f)
	if err != nil {
		return Binary{}, fmt.Errorf("read the helper %s: %w", path, err)
	}
	return Binary{
		SHA256:  hex.EncodeToString(sum.Sum(nil)),
		BLAKE2b: hex.EncodeToString(fast.Sum(nil)),
		Size:    size,
		Open:    func() (io.ReadCloser, error) { return os.Open(path) },
	}, nil
}
