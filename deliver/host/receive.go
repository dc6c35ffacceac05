package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"deliver/release"
)

// Receive turns build into a complete and inactive release. It calls progress
// with 0 before it reads the first byte, so that nobody sends what is here already.
func (l *Local) Receive(ctx context.Context, rec release.Record, build io.Reader, progress func(int64)) (Receipt, error) {
	if err := checkRecord(rec); err != nil {
		return Receipt{}, err
	}
	if already, err := l.already(rec); already || err != nil {
		return Receipt{Already: already, Files: rec.Files}, err
	}
	if err := l.prepare(); err != nil {
		return Receipt{}, err
	}
	if err := l.mayChange(); err != nil {
		return Receipt{}, err
	}
	if err := l.checkSpace(rec); err != nil {
		return Receipt{}, err
	}
	berth, err := l.openBerth(ctx, rec.ID)
	if err != nil {
		return Receipt{}, err
	}
	defer berth.close()
	receipt, err := l.fill(berth, rec, newSource(ctx, build, progress))
	if err != nil {
		return Receipt{}, l.wrap("receive "+rec.ID, err)
	}
	return receipt, l.wrap("receive "+rec.ID, l.shelve(ctx, berth, rec))
}

// fill makes the tree in berth, verified and on the disk.
func (l *Local) fill(b *berth, rec release.Record, source *source) (Receipt, error) {
	u, err := newUnpacker(b.dir.Name())
	if err != nil {
		return Receipt{}, err
	}
	defer u.close()
	if err := unpack(u, rec, source); err != nil {
		return Receipt{}, err
	}
	if err := u.checkLinks(); err != nil {
		return Receipt{}, err
	}
	if err := l.linkShared(u); err != nil {
		return Receipt{}, err
	}
	if err := u.finish(); err != nil {
		return Receipt{}, err
	}
	if err := unix.Syncfs(int(b.dir.Fd())); err != nil {
		return Receipt{}, fmt.Errorf("sync: %w", err)
	}
	source.report()
	return Receipt{Bytes: source.n, Files: u.entries}, nil
}

// shelve makes the tree in berth a release, unless somebody else has meanwhile.
func (l *Local) shelve(ctx context.Context, b *berth, rec release.Record) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.mayChange(); err != nil { // again: it took a while
		return err
	}
	if already, err := l.already(rec); already || err != nil {
		return err
	}
	if err := l.writeRecord(rec); err != nil {
		return err
	}
	if err := os.Rename(b.dir.Name(), l.releaseDir(rec.ID)); err != nil {
		return err
	}
	b.kept = true
	return syncDir(l.releases())
}

// already says whether the release is here; one of the same id that is
// something else is an error.
func (l *Local) already(rec release.Record) (bool, error) {
	have, ok := l.shelved(rec.ID)
	switch {
	case ok && have.SHA256 == rec.SHA256:
		return true, nil
	case ok:
		return false, &Error{
			Kind:    KindDigest,
			Message: fmt.Sprintf("release %s is here with another build: sha256 %.12s, not %.12s", rec.ID, have.SHA256, rec.SHA256),
			Hint:    "an id names one build for ever; give the new one another id",
		}
	}
	if _, err := os.Lstat(l.releaseDir(rec.ID)); err == nil {
		return false, &Error{
			Kind:    KindDigest,
			Message: l.releaseDir(rec.ID) + " is here without a record, so nobody knows what it is",
			Hint:    "move it away, or give the release another id",
		}
	}
	return false, nil
}

// checkSpace refuses what cannot fit before anything is written.
func (l *Local) checkSpace(rec release.Record) error {
	bytes, inodes, err := free(l.root)
	if err != nil {
		return l.wrap("look at the disk", err)
	}
	if bytes >= uint64(rec.Size) && inodes >= uint64(max(rec.Files, 0)) {
		return nil
	}
	return &Error{
		Kind: KindSpace,
		Message: fmt.Sprintf("release %s needs %d bytes and %d inodes at %s, where %d bytes and %d inodes are free",
			rec.ID, rec.Size, rec.Files, l.root, bytes, inodes),
		Hint: spaceHint,
	}
}

// berth is where a tree lies while it comes in. Its lock, which goes with the
// process, tells it from one that was left behind.
type berth struct {
	dir  *os.File
	kept bool
}

func (l *Local) openBerth(ctx context.Context, id string) (*berth, error) {
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.clearIncoming(); err != nil {
		return nil, l.wrap("clear what was left behind", err)
	}
	path, err := os.MkdirTemp(l.incoming(), id+".")
	if err != nil {
		return nil, l.wrap("receive "+id, err)
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, l.wrap("receive "+id, err)
	}
	if held, err := tryLock(dir); !held {
		dir.Close()
		return nil, fmt.Errorf("lock %s: %w", path, errors.Join(err, errors.ErrUnsupported))
	}
	return &berth{dir: dir}, nil
}

// close discards the tree, unless it has become a release.
func (b *berth) close() {
	if !b.kept {
		_ = removeTree(b.dir.Name()) // what stays is cleared by the next Receive
	}
	b.dir.Close()
}

// clearIncoming removes the trees that nobody is filling.
func (l *Local) clearIncoming() error {
	entries, err := os.ReadDir(l.incoming())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := clearIfLeft(filepath.Join(l.incoming(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func clearIfLeft(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if left, err := tryLock(f); !left {
		return err
	}
	return removeTree(path)
}
