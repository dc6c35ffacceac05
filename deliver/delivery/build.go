package delivery

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"deliver/release"
)

// Build is a release ready to be shipped: compressed once, verified, in a
// file without a name that goes when deliver goes, however it ends. It is
// read by many hosts at the same time.
type Build struct {
	Record release.Record
	Size   int64    // compressed; 0: it is not
	Arches []string // of the programs in it, as GOARCH has them; empty: there are none
	Hooks  []string // of .deliver/hooks, for servers to run
	file   *os.File
}

// Make reads a source to its end and makes a Build of it; what is known of
// the release beforehand is in known. A build that no server may unpack is
// refused here, before any is asked.
func Make(ctx context.Context, src Source, known release.Record) (*Build, error) {
	return makeBuild(ctx, src, known, (*Build).pack)
}

// MakePlain is Make for a build that goes to the store alone, which keeps it
// uncompressed: the time to compress it is saved, and hosts can't receive it.
func MakePlain(ctx context.Context, src Source, known release.Record) (*Build, error) {
	return makeBuild(ctx, src, known, (*Build).keep)
}

// form copies a tar into a build's file while inspect reads it.
type form func(b *Build, inspect func(io.Writer) error) error

func makeBuild(ctx context.Context, src Source, known release.Record, form form) (*Build, error) {
	raw, from, err := src.open(ctx)
	if err != nil {
		return nil, err
	}
	b, err := spool(ctx, raw, form)
	// Where git fails its tar is cut; why it failed says more than that.
	if closeErr := raw.Close(); closeErr != nil && ctx.Err() == nil {
		err = closeErr
	}
	if err != nil {
		if b != nil {
			b.Close()
		}
		return nil, fmt.Errorf("read the build: %w", err)
	}
	b.Record = fill(known, b.Record, from)
	return b, nil
}

// Repack makes a Build of a release's tar, as the store has it.
func Repack(ctx context.Context, rec release.Record, plain io.Reader) (*Build, error) {
	b, err := spool(ctx, plain, (*Build).pack)
	if err != nil {
		return nil, fmt.Errorf("read release %s: %w", rec.ID, err)
	}
	if b.Record.SHA256 != rec.SHA256 {
		b.Close()
		return nil, fmt.Errorf("read release %s: sha256 is %.12s, and must be %.12s", rec.ID, b.Record.SHA256, rec.SHA256)
	}
	b.Record = rec
	return b, nil
}

// Compressed is the build as host.Server receives it, from its beginning; of
// one that MakePlain made it is empty.
func (b *Build) Compressed() io.Reader { return io.NewSectionReader(b.file, 0, b.Size) }

// Tar is the build as the store keeps it, from its beginning.
func (b *Build) Tar() (io.ReadCloser, error) {
	if b.Size == 0 {
		return io.NopCloser(io.NewSectionReader(b.file, 0, b.Record.Size)), nil
	}
	plain, err := zstd.NewReader(b.Compressed())
	if err != nil {
		return nil, fmt.Errorf("open the build: %w", err)
	}
	return plain.IOReadCloser(), nil
}

// Close gives the disk space back.
func (b *Build) Close() error { return b.file.Close() }

// spool takes a tar into a file of its own while it looks at every entry.
func spool(ctx context.Context, raw io.Reader, form form) (*Build, error) {
	file, err := anonymous()
	if err != nil {
		return nil, err
	}
	b := &Build{file: file}
	if err := b.fill(ctx, raw, form); err != nil {
		file.Close()
		return nil, err
	}
	return b, nil
}

// anonymous makes a temporary file that nobody needs to remove. Where the file
// system can make it so, it never has a name: one that is killed leaves nothing.
func anonymous() (*os.File, error) {
	if fd, err := unix.Open(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600); err == nil {
		return os.NewFile(uintptr(fd), "build"), nil
	}
	file, err := os.CreateTemp("", "deliver-build-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w; set TMPDIR to a directory with space", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	return file, nil
}

func (b *Build) fill(ctx context.Context, raw io.Reader, form form) error {
	plain, err := decompress(bufio.NewReaderSize(&obedient{ctx, raw}, 1<<20))
	if err != nil {
		return err
	}
	defer plain.Close()
	digest := sha256.New()
	size := &tally{}
	err = form(b, func(to io.Writer) error {
		return b.inspect(io.TeeReader(plain, io.MultiWriter(digest, size, to)))
	})
	b.Record.SHA256, b.Record.Size = hex.EncodeToString(digest.Sum(nil)), size.n
	return err
}

func (b *Build) pack(inspect func(io.Writer) error) error {
	packed, err := zstd.NewWriter(b.file, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return err
	}
	if err := errors.Join(inspect(packed), packed.Close()); err != nil {
		return err
	}
	b.Size, err = b.file.Seek(0, io.SeekCurrent)
	return err
}

func (b *Build) keep(inspect func(io.Writer) error) error { return inspect(b.file) }

// inspect reads the tar to the end of its stream: what follows the last entry
// is part of the digest, too.
func (b *Build) inspect(r io.Reader) error {
	entries := tar.NewReader(r)
	var names checker
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("it is no whole tar: %w", err)
		}
		if err := names.check(header); err != nil {
			return err
		}
		if err := b.noteOnce(header); err != nil {
			return err
		}
		b.note(header, entries)
	}
	if names.entries == 0 {
		return errors.New("there is no file in it")
	}
	b.Record.Files = names.entries
	_, err := io.Copy(io.Discard, r)
	return err
}

// tally counts bytes.
type tally struct{ n int64 }

// Write counts.
func (t *tally) Write(p []byte) (int, error) {
	t.n += int64(len(p))
	return len(p), nil
}

// obedient ends reading when its context ends.
type obedient struct {
	ctx context.Context //nolint:containedctx // of one call of fill
	r   io.Reader
}

// Read reads.
func (o *obedient) Read(p []byte) (int, error) {
	if o.ctx.Err() != nil {
		return 0, context.Cause(o.ctx)
	}
	return o.r.Read(p)
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
