package host

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"path"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"deliver/delta"
	"deliver/manifest"
)

// intake makes files of the contents as they come: small ones beside each
// other, a directory at a time; a large one as its pieces come.
type intake struct {
	*assembly
	group errgroup.Group
	large *large
}

func newIntake(a *assembly) *intake {
	in := &intake{assembly: a}
	in.group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	return in
}

// settle waits for what is under way.
func (in *intake) settle() error { return in.group.Wait() }

// close discards what is not whole.
func (in *intake) close() {
	_ = in.settle()
	if in.large != nil {
		in.large.close()
	}
}

// take makes what a frame has. A frame that could not be read leaves its
// contents lacking.
func (in *intake) take(frame *delta.Frame) error {
	pieces := frame.Pieces
	if frame.Lost != nil {
		pieces = nil
	}
	whole := map[int][]byte{}
	var numbers []int
	for _, p := range pieces {
		if p.Offset == 0 && int64(p.Size) == in.target.Entries[p.Entry].Size {
			whole[p.Entry] = p.Data
			numbers = append(numbers, p.Entry)
			continue
		}
		if err := in.takePiece(p, frame.Aided); err != nil {
			return err
		}
	}
	for _, f := range families(in.target, numbers) {
		in.group.Go(func() error { return in.takeFamily(f, whole, frame.Aided) })
	}
	return nil
}

func (in *intake) takeFamily(f family, contents map[int][]byte, aided bool) error {
	wanted := f.children[:0]
	for _, n := range f.children {
		if !in.skips(n) {
			wanted = append(wanted, n)
		} else if !in.target.Complete(n, sha256.Sum256(contents[n])) && !aided {
			return in.damaged(n)
		}
	}
	if len(wanted) == 0 {
		return nil // the directory itself may not be here
	}
	dir, err := in.top.open(f.dir)
	if err != nil {
		return err
	}
	defer dir.close()
	for _, n := range wanted {
		genuine, err := in.write(dir, n, contents[n])
		if err == nil && !genuine && !aided {
			err = in.damaged(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skips says whether a content is not to be written: what is at its path is
// shared, or was made from elsewhere meanwhile.
func (in *intake) skips(n int) bool {
	return in.made[n] || in.spared[n]
}

// damaged is the error of a content that is not the one that its place is for.
// With old files in the dictionary it may be these that have changed: then the
// content is lacking, and no error.
func (in *intake) damaged(n int) error {
	return fmt.Errorf("the content of %s is damaged", in.target.Entries[n].Path)
}

// large is a file whose content comes in pieces.
type large struct {
	n       int
	dir     dirFD
	fd      int
	sum     hash.Hash
	written int64
}

func (in *intake) takePiece(p delta.Piece, aided bool) error {
	if p.Offset == 0 {
		if err := in.openLarge(p.Entry); err != nil {
			return err
		}
	}
	g := in.large
	if g == nil || g.n != p.Entry || g.written != p.Offset {
		return nil // a piece before it was lost
	}
	g.sum.Write(p.Data)
	g.written += int64(p.Size)
	if g.fd >= 0 {
		if err := writeHollow(g.fd, p.Data); err != nil {
			return fmt.Errorf("write %s: %w", in.target.Entries[g.n].Path, err)
		}
	}
	if g.written < in.target.Entries[g.n].Size {
		return nil
	}
	return in.finishLarge(aided)
}

func (in *intake) openLarge(n int) error {
	in.dropLarge()
	name := in.target.Entries[n].Path
	g := &large{n: n, fd: -1, dir: -1, sum: sha256.New()}
	if !in.skips(n) {
		var err error
		if g.dir, err = in.top.open(path.Dir(name)); err != nil {
			return err
		}
		if g.fd, err = g.dir.create(path.Base(name), in.mode(in.target.Entries[n])); err != nil {
			g.dir.close()
			return err
		}
	}
	in.large = g
	return nil
}

func (in *intake) finishLarge(aided bool) error {
	g := in.large
	genuine := in.target.Complete(g.n, manifest.Digest(g.sum.Sum(nil)))
	switch {
	case !genuine && aided:
		in.dropLarge()
		return nil
	case !genuine:
		return in.damaged(g.n)
	}
	defer in.forget()
	if g.fd < 0 {
		return nil
	}
	if err := unix.Ftruncate(g.fd, in.target.Entries[g.n].Size); err != nil {
		return fmt.Errorf("write %s: %w", in.target.Entries[g.n].Path, err)
	}
	return in.finish(g.dir, g.fd, g.n)
}

// dropLarge takes away what cannot become whole any more.
func (in *intake) dropLarge() {
	if g := in.large; g != nil && g.fd >= 0 {
		_ = unix.Unlinkat(int(g.dir), path.Base(in.target.Entries[g.n].Path), 0)
	}
	in.forget()
}

func (in *intake) forget() {
	if in.large != nil {
		in.large.close()
	}
	in.large = nil
}

func (g *large) close() {
	if g.fd >= 0 {
		unix.Close(g.fd)
	}
	g.dir.close()
}
