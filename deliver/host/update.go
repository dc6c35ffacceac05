package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"deliver/delta"
	"deliver/manifest"
	"deliver/release"
)

// LinkCopy is the Place.Link of apps that write into their release: no file is
// shared between releases.
const LinkCopy = "copy"

// Update turns what the release base has and the parts that it lacks into a
// complete and inactive release.
func (l *Local) Update(ctx context.Context, rec release.Record, base Base, parts Parts, progress func(int64)) (Receipt, error) {
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
	u, err := l.openUpdate(ctx, rec, base)
	if err != nil {
		return Receipt{}, err
	}
	defer u.close()
	receipt, err := u.make(ctx, parts, progress)
	if err != nil {
		return Receipt{}, l.wrap("receive "+rec.ID, err)
	}
	return receipt, l.wrap("receive "+rec.ID, l.shelve(ctx, u.berth, rec))
}

// update is one Update under way.
type update struct {
	*Local
	rec      release.Record
	want     manifest.Digest // of the whole tree
	ancestor *ancestor       // nil: there is none
	berth    *berth
	left     *remains   // of an earlier try; nil: there are none
	ahead    *headStart // what the berth has already; nil: nothing
	assembly *assembly
}

func (l *Local) openUpdate(ctx context.Context, rec release.Record, base Base) (*update, error) {
	u := &update{Local: l, rec: rec}
	var ok bool
	if u.want, ok = manifest.ParseDigest(rec.Tree); !ok {
		return nil, &Error{Kind: KindDigest, Message: fmt.Sprintf("the record of %s has no digest of its tree", rec.ID)}
	}
	if base.ID != "" {
		tree, _ := manifest.ParseDigest(base.Tree)
		var err error
		if u.ancestor, err = l.ancestor(base.ID, tree); err != nil {
			return nil, err
		}
	}
	var err error
	if u.berth, u.left, err = l.openBerth(ctx, rec.ID, rec.Tree); err == nil {
		if u.left == nil {
			u.ahead = l.takeSpare(u.berth, u.ancestor)
		}
		if u.ahead == nil {
			err = l.wrap("receive "+rec.ID, os.Mkdir(u.berth.tree(), 0o700))
		}
	}
	if err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

func (u *update) close() {
	if u.assembly != nil {
		u.assembly.close()
	}
	if u.ahead != nil && u.ahead.ancestor != u.ancestor {
		u.ahead.close()
	}
	if u.ancestor != nil {
		u.ancestor.close()
	}
	if u.left != nil {
		u.left.close()
	}
	if u.berth != nil {
		u.berth.close()
	}
}

func (u *update) make(ctx context.Context, parts Parts, progress func(int64)) (Receipt, error) {
	var lacks []Range
	if u.left != nil {
		if err := u.begin(u.left.target); err != nil {
			return Receipt{}, err
		}
		lacks = u.assembly.lacking()
	}
	stream, err := parts(lacks)
	if err != nil {
		return Receipt{}, err
	}
	source := newSource(ctx, stream, progress)
	if err := u.take(source); err != nil {
		return Receipt{}, err
	}
	if err := u.complete(); err != nil {
		return Receipt{}, err
	}
	source.report()
	return Receipt{Bytes: source.n, Files: u.rec.Files}, nil
}

// begin makes all that is here already, once it is known what there shall be.
func (u *update) begin(target *manifest.Manifest) error {
	a, err := u.assemble(target)
	if err != nil {
		return err
	}
	u.assembly = a
	if err := a.directories(); err != nil {
		return err
	}
	if u.left != nil {
		if err := u.resume(); err != nil {
			return err
		}
	}
	if u.ancestor != nil {
		if err := a.inherit(u.ancestor); err != nil {
			return err
		}
	}
	if err := u.checkRoom(); err != nil || !u.worthKeeping() {
		return err
	}
	return u.keepForLater()
}

// resume takes over what an earlier try has left. It is kept for a later one before
// any of it is moved.
func (u *update) resume() error {
	if err := u.keepForLater(); err != nil {
		return err
	}
	return u.assembly.adopt(u.left)
}

// worthKeeping says whether so much is to come that a later try goes on from
// where this one ends: more than is written for its sake.
func (u *update) worthKeeping() bool {
	const least, perEntry = 64 << 10, 64
	return u.toCome() >= uint64(max(least, perEntry*len(u.assembly.target.Entries)))
}

// toCome is how many bytes the files have that are still to be made.
func (u *update) toCome() (bytes uint64) {
	for _, n := range u.assembly.wanted() {
		bytes += uint64(u.assembly.target.Entries[n].Size)
	}
	return bytes
}

// keepForLater has a later try go on from what is in the berth.
func (u *update) keepForLater() error {
	if u.berth.kept {
		return nil
	}
	if err := os.WriteFile(u.berth.path(targetPrefix+u.rec.Tree), u.assembly.target.Encode(), 0o600); err != nil {
		return err
	}
	u.berth.kept = true
	return nil
}

// assemble begins with the spare tree, where there is one and it will do.
func (u *update) assemble(target *manifest.Manifest) (*assembly, error) {
	a, err := u.outline(target)
	if err != nil || u.ahead == nil {
		return a, err
	}
	if err = a.moveIn(u.ahead); err == nil {
		return a, nil
	}
	a.close()
	if err := removeTree(u.berth.tree()); err != nil {
		return nil, err
	}
	if err := os.Mkdir(u.berth.tree(), 0o700); err != nil {
		return nil, err
	}
	return u.outline(target)
}

// outline is an assembly of which nothing is made, and what is not to be.
func (u *update) outline(target *manifest.Manifest) (*assembly, error) {
	a, err := newAssembly(target, u.berth.tree())
	if err != nil {
		return nil, err
	}
	a.share(u.sharing())
	if err := u.shareTrees(a); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// checkRoom refuses what cannot fit before it comes.
func (u *update) checkRoom() error {
	bytes, inodes, err := free(u.root)
	if err != nil {
		return err
	}
	needs, files := u.toCome(), uint64(len(u.assembly.wanted()))
	if needs <= bytes && files <= inodes {
		return nil
	}
	u.berth.kept = false
	return &Error{
		Kind: KindSpace,
		Message: fmt.Sprintf("release %s needs %d bytes and %d inodes more at %s, where %d bytes and %d inodes are free",
			u.rec.ID, needs, files, u.root, bytes, inodes),
		Hint: spaceHint,
	}
}

// take makes the files whose contents come in.
func (u *update) take(source *source) error {
	err := u.read(source)
	switch {
	case source.err != nil:
		return source.err
	case err == nil, ofTree(err):
		return err
	}
	return &Error{
		Kind: KindDigest, Message: fmt.Sprintf("what was sent of release %s: %v", u.rec.ID, err),
		Hint: "what came whole before is kept; send the rest again",
	}
}

func (u *update) read(source *source) error {
	stream, err := delta.NewReader(source)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := u.readTarget(stream); err != nil {
		return err
	}
	stream.Expect(u.assembly.target)
	in := newIntake(u.assembly)
	defer in.close()
	for {
		frame, err := stream.Next(u.old)
		if errors.Is(err, io.EOF) {
			return in.settle()
		}
		if err == nil {
			err = in.take(frame)
		}
		if err != nil {
			return errors.Join(err, in.settle())
		}
	}
}

// readTarget reads the manifest, where it is not known from an earlier try.
func (u *update) readTarget(stream *delta.Reader) error {
	difference, err := stream.Difference()
	if err != nil || u.assembly != nil {
		return err
	}
	var base *manifest.Manifest
	if u.ancestor != nil {
		base = u.ancestor.manifest
	}
	target, err := manifest.Apply(base, difference)
	if err != nil {
		return unsafeOf(err)
	}
	return u.begin(target)
}

func (u *update) old(entry int, offset int64, part []byte) error {
	if u.ancestor == nil {
		return fs.ErrNotExist
	}
	return u.ancestor.read(entry, offset, part)
}

// complete makes what is not made of contents, proves that the tree is the one
// that was to come, and puts all of it on the disk.
func (u *update) complete() error {
	a := u.assembly
	if err := a.duplicate(); err != nil {
		return err
	}
	if lacking := a.lacking(); len(lacking) > 0 {
		return u.lacking(lacking)
	}
	a.complete()
	encoded := a.target.Encode()
	if have := manifest.Digest(sha256.Sum256(encoded)); have != u.want {
		u.berth.kept = false
		return &Error{
			Kind: KindDigest, Message: fmt.Sprintf("the tree of %s is not what its record says: %.12s instead of %.12s", u.rec.ID, have, u.want),
			Hint: "nothing was kept; send the whole build",
		}
	}
	if err := a.links(); err != nil {
		return err
	}
	if err := u.linkShared(a.path, a.release); err != nil {
		return err
	}
	if err := u.keepTrees(a, u.berth); err != nil {
		return err
	}
	if err := a.finishDirectories("."); err != nil {
		return err
	}
	k := a.keeping()
	k.encoded = encoded
	return u.seal(u.berth, u.rec, k)
}

// lacking tells what is still to be sent: files of the old release that are
// not what they were, for the most part.
func (u *update) lacking(ranges []Range) error {
	message := fmt.Sprintf("release %s lacks %s", u.rec.ID, u.assembly.names(ranges))
	if an := u.ancestor; an != nil && len(an.damaged) > 0 {
		message += fmt.Sprintf("; in release %s something has changed %s", an.id, an.damaged[0])
		if more := len(an.damaged) - 1; more > 0 {
			message += fmt.Sprintf(" and %d more", more)
		}
	}
	if err := u.keepForLater(); err != nil {
		return err
	}
	return &Error{Kind: KindLacking, Message: message, Hint: "send them whole: the same call asks for them"}
}

// seal puts on the disk all that makes a release of the berth's tree.
func (l *Local) seal(b *berth, rec release.Record, k *keeping) error {
	line, err := encodeRecord(rec)
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.path("record"), line, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(b.path("manifest"), k.encode(), 0o644); err != nil {
		return err
	}
	if err := unix.Syncfs(int(b.dir.Fd())); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// sharing tells which names are at or below a shared path, and whether that is
// there already.
func (l *Local) sharing() func(name string) (below, there bool) {
	there := map[string]bool{}
	for _, name := range l.place.SharedPaths {
		_, err := os.Lstat(filepath.Join(l.shared(), name))
		there[filepath.Clean(name)] = err == nil
	}
	return func(name string) (bool, bool) {
		for top, is := range there {
			if within(name, top) {
				return true, is
			}
		}
		return false, false
	}
}
