package delivery

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"deliver/cache"
	"deliver/manifest"
	"deliver/release"
)

// Build is a release ready to be shipped: read once and verified. What servers
// get of it is compressed when the first one asks, once for all of them that
// have the same release already.
type Build struct {
	Record   release.Record
	Arches   []string           // of the programs in it, as GOARCH has them; empty: there are none
	Hooks    []string           // of .deliver/hooks, for servers to run
	Manifest *manifest.Manifest // of the tree that the tar makes
	// Cache is what is known of earlier builds; nil: nothing.
	Cache *cache.Cache

	tar      io.ReaderAt // the plain tar
	file     *os.File    // that has it, without a name or the user's own; nil: it is elsewhere
	offsets  map[manifest.Digest]int64
	sparse   *os.File                  // contents that the tar does not have in one piece; nil: there are none
	expanded map[manifest.Digest]int64 // where these are there
	buffer   []byte                    // through which contents are read
	parcels  parcels
	depot    *Depot // nil: there is none
}

// Make reads a source to its end and makes a Build of it; what is known of
// the release beforehand is in known. A build that no server may unpack is
// refused here, before any is asked.
func Make(ctx context.Context, src Source, known release.Record) (*Build, error) {
	raw, from, err := src.open(ctx)
	if err != nil {
		return nil, err
	}
	b, err := take(ctx, raw, src.Sealed)
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
	b, err := take(ctx, plain, true)
	if err != nil {
		return nil, fmt.Errorf("read release %s: %w", rec.ID, err)
	}
	if b.Record.SHA256 != rec.SHA256 {
		b.Close()
		return nil, fmt.Errorf("read release %s: sha256 is %.12s, and must be %.12s", rec.ID, b.Record.SHA256, rec.SHA256)
	}
	rec.Tree = b.Record.Tree
	b.Record = rec
	return b, nil
}

// Tar is the build as the store keeps it, from its beginning.
func (b *Build) Tar() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(b.tar, 0, b.Record.Size)), nil
}

// Close ends what is being made of the build, and gives the disk space back.
func (b *Build) Close() error {
	err := b.parcels.close()
	if b.sparse != nil {
		b.sparse.Close()
	}
	if b.file != nil {
		err = errors.Join(err, b.file.Close())
	}
	return err
}

// take reads a tar, into a file of its own unless it is in one already, and
// looks at every entry.
func take(ctx context.Context, raw io.Reader, sealed bool) (*Build, error) {
	b := &Build{offsets: map[manifest.Digest]int64{}, expanded: map[manifest.Digest]int64{}}
	var err error
	if b.file = plainFile(raw); b.file != nil {
		err = b.readFile(ctx, sealed)
	} else if b.file, err = anonymous(); err == nil {
		err = b.readStream(ctx, raw, sealed)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	b.tar = b.file
	b.Record.Tree = b.Manifest.Digest().String()
	return b, nil
}

// plainFile is the file that raw is, opened for itself, if its bytes are the tar.
func plainFile(raw io.Reader) *os.File {
	f, ok := raw.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return nil
	}
	var head [512]byte
	if n, _ := f.ReadAt(head[:], 0); n < len(head) || string(head[257:262]) != "ustar" {
		return nil
	}
	own, err := os.Open(f.Name())
	if err != nil {
		return nil
	}
	if same, err := own.Stat(); err != nil || !os.SameFile(info, same) {
		own.Close()
		return nil
	}
	return own
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

// readStream reads a tar that comes once, into the file.
func (b *Build) readStream(ctx context.Context, raw io.Reader, sealed bool) error {
	plain, err := decompress(bufio.NewReaderSize(&obedient{ctx, raw}, 1<<20))
	if err != nil {
		return err
	}
	defer plain.Close()
	all := newCopying(b.file, sealed)
	r := io.TeeReader(plain, all)
	err = b.inspect(r, func() int64 { return all.size }, newDigests(b.offsets))
	if err == nil {
		_, err = io.Copy(io.Discard, r) // what follows the last entry is part of the tar, too
	}
	digest, copyErr := all.settle()
	b.Record.SHA256, b.Record.Size = digest, all.size
	return cmp.Or(copyErr, err)
}

// readFile reads a tar that is in the file from header to header. What is in
// between is read by those who take its digest.
func (b *Build) readFile(ctx context.Context, sealed bool) error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	b.Record.Size = info.Size()
	var seal errgroup.Group
	if sealed {
		seal.Go(func() error {
			sum := sha256.New()
			_, err := io.Copy(sum, &obedient{ctx, io.NewSectionReader(b.file, 0, info.Size())})
			b.Record.SHA256 = hex.EncodeToString(sum.Sum(nil))
			return err
		})
	}
	r := &seekable{ctx: ctx, file: b.file}
	err = b.inspect(r, func() int64 { return r.at }, newDigestsOf(b.file, b.offsets))
	return cmp.Or(err, seal.Wait())
}

// inspect looks at every entry of a tar; at is how far r was read.
func (b *Build) inspect(r io.Reader, at func() int64, sums *digests) error {
	entries, tree := tar.NewReader(r), manifest.NewBuilder()
	defer sums.settle() //nolint:errcheck // where it matters it was settled before
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cut(err)
		}
		node, err := tree.Add(header)
		if err != nil {
			return refused(err)
		}
		if node != nil && manifest.KindOf(header.Typeflag) == manifest.File {
			if err := b.content(opened{header, entries, node, at()}, sums); err != nil {
				return err
			}
		}
		if err := b.noteOnce(header); err != nil {
			return err
		}
		b.noteHook(header)
	}
	if err := sums.settle(); err != nil {
		return cut(err)
	}
	if tree.Count() == 0 {
		return errors.New("there is no file in it")
	}
	b.Record.Files = tree.Count()
	var err error
	if b.Manifest, err = tree.Manifest(); err != nil {
		return refused(err)
	}
	return nil
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

// seekable reads a file of which most is of no interest, a little ahead.
type seekable struct {
	ctx     context.Context //nolint:containedctx // of one call of readFile
	file    io.ReaderAt
	at      int64
	ahead   [4 << 10]byte
	have    int   // of ahead
	aheadAt int64 // in the file
}

// Read reads.
func (s *seekable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	from := s.at - s.aheadAt
	if from < 0 || from >= int64(s.have) {
		n, err := s.file.ReadAt(s.ahead[:], s.at)
		if n == 0 {
			return 0, err
		}
		s.aheadAt, s.have, from = s.at, n, 0
	}
	n := copy(p, s.ahead[from:s.have])
	s.at += int64(n)
	return n, nil
}

// Seek moves on; a tar is read from where one is.
func (s *seekable) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	s.at += offset
	return s.at, nil
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
