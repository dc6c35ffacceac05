package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"deliver/manifest"
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
	berth, _, err := l.openBerth(ctx, rec.ID, "")
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
	if err := os.Mkdir(b.tree(), 0o700); err != nil {
		return Receipt{}, err
	}
	u, err := newUnpacker(b.tree())
	if err != nil {
		return Receipt{}, err
	}
	defer u.close()
	if err := unpack(u, rec, source); err != nil {
		return Receipt{}, err
	}
	k, err := l.settle(b, u.manifest)
	if err != nil {
		return Receipt{}, err
	}
	if rec, err = proven(rec, k); err != nil {
		return Receipt{}, err
	}
	if err := l.seal(b, rec, k); err != nil {
		return Receipt{}, err
	}
	source.report()
	return Receipt{Bytes: source.n, Files: u.manifest.Count()}, nil
}

// settle makes of what was unpacked in the berth what it is to be, and takes
// down what that is.
func (l *Local) settle(b *berth, unpacked *manifest.Builder) (*keeping, error) {
	m, err := unpacked.Manifest()
	if err != nil {
		return nil, unsafeOf(err)
	}
	a, err := newAssembly(m, b.tree())
	if err != nil {
		return nil, err
	}
	defer a.close()
	a.share(l.sharing())
	if err := a.look(); err != nil {
		return nil, err
	}
	if err := l.shareTrees(a); err != nil {
		return nil, err
	}
	if err := l.linkShared(a.path, a.release); err != nil {
		return nil, err
	}
	if err := l.keepTrees(a, b); err != nil {
		return nil, err
	}
	return a.keeping(), a.finishDirectories(".")
}

// proven is rec with the digest of the tree; one that it has must be that.
func proven(rec release.Record, k *keeping) (release.Record, error) {
	have := k.manifest.Digest().String()
	if rec.Tree != "" && rec.Tree != have {
		return rec, &Error{
			Kind: KindDigest, Message: fmt.Sprintf("the tree of %s is not what its record says: %.12s instead of %.12s", rec.ID, have, rec.Tree),
			Hint: "both sides must run the same deliver",
		}
	}
	rec.Tree = have
	return rec, nil
}

// shelve makes the tree in berth a release, unless somebody else has meanwhile.
// All of it is on the disk; the tree comes last, since it is what makes a release.
func (l *Local) shelve(ctx context.Context, b *berth, rec release.Record) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if already, err := l.already(rec); already || err != nil {
		return err
	}
	if err := l.shelveTrees(b); err != nil {
		return err
	}
	for name, to := range map[string]string{"record": l.recordFile(rec.ID), "manifest": l.keepingFile(rec.ID)} {
		if err := os.Rename(b.path(name), to); err != nil {
			return err
		}
		if err := syncDir(filepath.Dir(to)); err != nil {
			return err
		}
	}
	if err := os.Rename(b.tree(), l.releaseDir(rec.ID)); err != nil {
		return err
	}
	b.kept = false
	return syncDir(l.releases())
}

// already says whether the release is here; one of the same id that is
// something else is an error.
func (l *Local) already(rec release.Record) (bool, error) {
	have, ok := l.shelved(rec.ID)
	switch {
	case ok && have.SameBuild(rec):
		return true, nil
	case ok:
		return false, &Error{
			Kind:    KindDigest,
			Message: fmt.Sprintf("release %s is here with another build: %.12s, not %.12s", rec.ID, have.Digest(), rec.Digest()),
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

// berth is where a tree lies while it comes in, with what is to be kept of it
// beside. Its lock, which goes with the process, tells it from one that was
// left behind.
type berth struct {
	dir   *os.File
	kept  bool     // what is in it is of use to somebody else
	trees []string // kept trees that the release leads to
}

func (b *berth) path(name string) string { return filepath.Join(b.dir.Name(), name) }
func (b *berth) tree() string            { return b.path("tree") }

// openBerth makes a berth for release id. What nobody fills is cleared away,
// but for what is left of an earlier try to make the same tree.
func (l *Local) openBerth(ctx context.Context, id, tree string) (*berth, *remains, error) {
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	left, err := l.clearIncoming(tree)
	if err != nil {
		return nil, nil, l.wrap("clear what was left behind", err)
	}
	b, err := l.newBerth(id)
	if err != nil && left != nil {
		left.dir.Close()
	}
	return b, left, err
}

func (l *Local) newBerth(id string) (*berth, error) {
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

// close discards what is in the berth, unless it is of use.
func (b *berth) close() {
	if !b.kept {
		_ = removeTree(b.dir.Name()) // what stays is cleared by the next Receive
	}
	b.dir.Close()
}

// clearIncoming removes the berths that nobody fills. One of the tree that is
// to be made now is given back instead.
func (l *Local) clearIncoming(tree string) (*remains, error) {
	entries, err := os.ReadDir(l.incoming())
	if err != nil {
		return nil, err
	}
	var left *remains
	for _, e := range entries {
		found, err := l.clearIfLeft(filepath.Join(l.incoming(), e.Name()), tree)
		if err != nil {
			return nil, err
		}
		if found != nil && left != nil {
			left.close()
		}
		if found != nil {
			left = found
		}
	}
	return left, nil
}

// isBeingSaved says whether f is a file of state that another process may be
// about to give its name: that takes no time.
func isBeingSaved(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) < time.Minute
}

func (l *Local) clearIfLeft(path, tree string) (*remains, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if isBeingSaved(f) {
		return nil, f.Close()
	}
	if left, err := tryLock(f); !left {
		f.Close()
		return nil, err
	}
	if r := l.openRemains(path, tree); r != nil {
		r.dir = f
		return r, nil
	}
	defer f.Close()
	return nil, removeTree(path)
}
