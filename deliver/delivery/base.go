package delivery

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"

	"deliver/delta"
	"deliver/host"
	"deliver/manifest"
	"deliver/release"
)

// base is a release that servers may have, as the build is held against it.
// The zero digest stands for none.
type base struct {
	build    *Build
	tree     manifest.Digest
	mu       sync.Mutex
	asked    bool               // the cache was
	manifest *manifest.Manifest // nil: nobody knows it
	needs    []delta.Need       // what it lacks
	bytes    int64              // of these contents
	packed   sync.Once
	parcel   *parcel
	err      error
	stored   deposit
}

// parcels are the bases that servers were found to have.
type parcels struct {
	mu    sync.Mutex
	bases map[manifest.Digest]*base
}

func (b *Build) base(tree manifest.Digest) *base {
	b.parcels.mu.Lock()
	defer b.parcels.mu.Unlock()
	if b.parcels.bases == nil {
		b.parcels.bases = map[manifest.Digest]*base{}
	}
	found := b.parcels.bases[tree]
	if found == nil {
		found = &base{build: b, tree: tree}
		b.parcels.bases[tree] = found
	}
	return found
}

func (p *parcels) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, b := range p.bases {
		b.withdraw()
		if b.parcel != nil {
			errs = append(errs, b.parcel.close())
		}
	}
	return errors.Join(errs...)
}

// learn finds out what the tree is: from the cache or, where fetch is given,
// from a server that has it. All others wait for that.
func (b *base) learn(fetch func() ([]byte, error)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.manifest != nil {
		return true
	}
	if !b.asked {
		b.asked = true
		b.manifest, _ = b.build.Cache.Manifest(b.tree)
	}
	if b.manifest == nil && fetch != nil {
		b.fetch(fetch)
	}
	if b.manifest == nil {
		return false
	}
	b.needs = delta.Needs(b.manifest, b.build.Manifest)
	for _, need := range b.needs {
		b.bytes += b.build.Manifest.Entries[need.Entry].Size
	}
	return true
}

// fetch believes a server only what has the right digest.
func (b *base) fetch(fetch func() ([]byte, error)) {
	encoded, err := fetch()
	if err != nil {
		return
	}
	if m, err := manifest.Decode(encoded); err == nil && m.Digest() == b.tree {
		b.manifest = m
		b.build.Cache.Remember(b.tree, m)
	}
}

// stream is what a server with the base lacks; the first that asks has it made.
func (b *base) stream(ctx context.Context) (io.Reader, error) {
	b.packed.Do(func() {
		p, err := b.pack()
		b.build.parcels.mu.Lock()
		defer b.build.parcels.mu.Unlock()
		b.parcel, b.err = p, err
	})
	if b.err != nil {
		return nil, b.err
	}
	return b.parcel.reader(ctx), nil
}

// parts is what a server is sent that has the base: what all get, or what it
// alone lacks.
func (b *base) parts(ctx context.Context) host.Parts {
	return func(lacks []host.Range) (io.Reader, error) {
		if lacks == nil {
			return b.stream(ctx)
		}
		needs, err := needsOf(b.build.Manifest, lacks)
		if err != nil {
			return nil, err
		}
		return partial(ctx, delta.Delta{Target: b.build.Manifest, Needs: needs, Open: b.build.open}), nil
	}
}

// total is the size of the stream, 0 while it is not known.
func (b *base) total() int64 {
	b.build.parcels.mu.Lock()
	defer b.build.parcels.mu.Unlock()
	if b.parcel == nil {
		return 0
	}
	return b.parcel.total()
}

func (b *base) pack() (*parcel, error) {
	target := b.build.Manifest
	d := delta.Delta{Difference: manifest.Difference(b.manifest, target), Target: target, Base: b.manifest, Needs: b.needs, Open: b.build.open}
	if b.manifest == nil {
		d.Needs = delta.Needs(nil, target)
		return b.packWhole(d)
	}
	old := b.build.Cache.Find(b.older(d.Needs))
	d.Old = func(n int) (io.ReaderAt, bool) {
		content, ok := old[b.manifest.Entries[n].Digest]
		return content, ok
	}
	file, err := anonymous()
	if err != nil {
		return nil, err
	}
	p := newParcel(file)
	p.fill(d, nil)
	p.work.Go(func() { b.build.remember(d.Needs) })
	return p, nil
}

// packWhole has the cache keep the stream, which has all contents.
func (b *base) packWhole(d delta.Delta) (*parcel, error) {
	packing := b.build.Cache.Pack(b.build.tree(), b.build.Manifest)
	var file *os.File
	var err error
	if packing != nil {
		file = packing.File()
	} else if file, err = anonymous(); err != nil {
		return nil, err
	}
	p := newParcel(file)
	p.fill(d, packing)
	p.work.Go(func() { b.build.Cache.Remember(b.build.tree(), b.build.Manifest) })
	return p, nil
}

// older are the contents that the new ones are likely to resemble.
func (b *base) older(needs []delta.Need) map[manifest.Digest]bool {
	wanted := map[manifest.Digest]bool{}
	for _, need := range needs {
		if need.Old != delta.None {
			wanted[b.manifest.Entries[need.Old].Digest] = true
		}
	}
	return wanted
}

// tree is the digest of the build's.
func (b *Build) tree() manifest.Digest {
	tree, _ := manifest.ParseDigest(b.Record.Tree)
	return tree
}

// remember keeps the manifest and contents for the next build's sake.
func (b *Build) remember(needs []delta.Need) {
	b.Cache.Remember(b.tree(), b.Manifest)
	packing := b.Cache.Pack(b.tree(), b.Manifest)
	if packing == nil {
		return
	}
	defer packing.File().Close()
	needs = slices.Clone(needs)
	for n := range needs {
		needs[n].Old = delta.None
	}
	if err := delta.Write(packing.File(), delta.Delta{Target: b.Manifest, Needs: needs, Open: b.open}, packing.Placed); err != nil {
		packing.Drop()
		return
	}
	packing.Keep()
}

// choose picks, of the releases that a server has, the one from which the build
// is made with the fewest bytes. The one that runs is asked first, and mostly
// near enough that the others need not be read. Where this side knows none of them
// it asks for the manifest of the one that runs.
func (b *Build) choose(ctx context.Context, s host.Server, state host.State, refused map[string]bool) (host.Base, *base) {
	var best *base
	var chosen host.Base
	for _, rec := range b.nearestFirst(state) {
		tree, ok := manifest.ParseDigest(rec.Tree)
		if !ok || refused[rec.ID] {
			continue
		}
		var fetch func() ([]byte, error)
		if rec.ID == state.Current {
			fetch = func() ([]byte, error) { return s.Manifest(ctx, rec.ID) }
		}
		if next := b.base(tree); next.learn(fetch) && (best == nil || next.bytes < best.bytes) {
			best, chosen = next, baseOf(rec)
		}
		if best != nil && best.bytes <= b.Record.Size/nearEnough {
			break
		}
	}
	if best == nil {
		best = b.base(manifest.Digest{})
	}
	return chosen, best
}

// nearEnough is the part of a build that may be new to the release that runs,
// without another one being looked for.
const nearEnough = 64

// nearestFirst are the releases of a server: those of the same tree, the one that
// runs, then from the newest to the oldest.
func (b *Build) nearestFirst(state host.State) []release.Record {
	var same, current, others []release.Record
	for _, rec := range slices.Backward(state.Releases) {
		switch {
		case rec.Tree == b.Record.Tree:
			same = append(same, rec)
		case rec.ID == state.Current:
			current = append(current, rec)
		default:
			others = append(others, rec)
		}
	}
	return slices.Concat(same, current, others)
}

func baseOf(rec release.Record) host.Base { return host.Base{ID: rec.ID, Tree: rec.Tree} }
