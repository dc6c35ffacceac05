package delivery

import (
	"context"
	"fmt"

	"deliver/host"
	"deliver/manifest"
)

// blockSize is what a small file takes on most file systems.
const blockSize = 4096

// room is what a release takes of a server's disk.
type room struct{ bytes, inodes uint64 }

func (r room) in(s host.State) bool { return r.bytes <= s.FreeBytes && r.inodes <= s.FreeInodes }

// fits refuses a release that a server has no room for. Where there is none for
// all of it, what the server has already is held against it.
func (f *fleet) fits(ctx context.Context, v *visit) error {
	needs := room{uint64(f.Record.Size) + uint64(f.Record.Files)*blockSize/2, uint64(f.Record.Files)}
	if needs.in(v.state) {
		return nil
	}
	if less, ok := f.roomBeside(ctx, v); ok {
		needs = less
	}
	switch {
	case needs.in(v.state):
		return nil
	case v.state.FreeBytes < needs.bytes:
		return &host.Error{
			Kind:    host.KindSpace,
			Message: fmt.Sprintf("%s has %d MB free; the release needs %d MB", v.state.Root, v.state.FreeBytes>>20, needs.bytes>>20),
			Hint:    "free space there, or keep fewer releases with KEEP_RELEASES",
		}
	}
	return &host.Error{
		Kind:    host.KindSpace,
		Message: fmt.Sprintf("%s has %d inodes free; the release needs %d", v.state.Root, v.state.FreeInodes, needs.inodes),
		Hint:    "remove files there, or keep fewer releases with KEEP_RELEASES",
	}
}

// roomBeside is what the release takes beside the one that it will be made of. It
// is false where nothing is shared, or nobody knows what would be.
func (f *fleet) roomBeside(ctx context.Context, v *visit) (room, bool) {
	if f.Package == nil || f.App.Place.Link == host.LinkCopy {
		return room{}, false
	}
	b, err := f.open(ctx)
	if err != nil {
		return room{}, false // its own step says so
	}
	_, base := b.choose(ctx, v.server, v.state, nil)
	if base.manifest == nil {
		return room{}, false
	}
	return roomBeside(base.manifest, b.Manifest), true
}

// perEntry is what a server writes down of an entry of a manifest, at most on average.
const perEntry = 256

func roomBeside(base, target *manifest.Manifest) room {
	needs := room{bytes: uint64(len(target.Entries)) * perEntry}
	at := target.Matches(base)
	for n, e := range target.Entries {
		if e.Kind == manifest.Link || at[n] != manifest.None && linked(base, target, base.Entries[at[n]], e) {
			continue
		}
		needs.inodes++
		needs.bytes += (uint64(e.Size)/blockSize + 1) * blockSize
	}
	return needs
}

// linked says whether e is another name of the file that base has there.
func linked(base, target *manifest.Manifest, was, e manifest.Entry) bool {
	sameTime := target.Bears(e) || (was.Time == e.Time && !base.Bears(was))
	return e.Kind == manifest.File && was.Kind == manifest.File && was.Digest == e.Digest && was.Mode == e.Mode && sameTime
}
