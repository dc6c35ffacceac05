package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"deliver/delta"
	"deliver/host"
	"deliver/release"
	"deliver/rollout"
)

// Depot is a store from which servers get a release themselves. What leaves
// this machine is then one copy, however many servers there are.
type Depot struct {
	Store ParcelStore
	// Always sends servers there for whatever they lack; else they are only
	// where that spares this machine much.
	Always bool
}

// ParcelStore keeps parcels while a delivery lasts.
type ParcelStore interface {
	// Deposit puts what r gives into the store, under this name.
	Deposit(ctx context.Context, name string, r io.Reader) error
	// Presign gives an address from which it can be read for some time.
	Presign(ctx context.Context, name string, valid time.Duration) (string, error)
	// Withdraw removes it.
	Withdraw(ctx context.Context, name string) error
}

// worthwhile is how many bytes of contents must be spared before the store is
// used: they take 256 MB of the uplink, for they shrink to about a quarter. Below that, the
// seconds in which the store gets its copy before any server begins are more than what is
// gained, and one more part can fail.
const worthwhile = 1 << 30

// pays says whether so many servers with this base shall get the stream from the store.
func (d *Depot) pays(b *base, servers int) bool {
	return d != nil && (d.Always || int64(servers-1)*b.lacking() >= worthwhile)
}

// lacking is how large the contents are that base does not have.
func (b *base) lacking() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.manifest != nil {
		return b.bytes
	}
	return b.build.Record.Size
}

// passage is a release on its way to a server that has a base.
type passage struct {
	rec  release.Record
	from host.Base
	base *base
}

// carry brings the release to a server, by way of the store if that pays. A
// server for which the store was of no use is sent the rest directly.
func (f *fleet) carry(ctx context.Context, v *visit, p passage, tell *rollout.Teller) (host.Receipt, error) {
	progress := func(n int64) { tell.Progress(n, p.base.total()) }
	if v.direct || !f.Depot.pays(p.base, f.receivers()) {
		return v.server.Update(ctx, p.rec, p.from, p.base.parts(ctx), progress)
	}
	v.direct = true // from the next try on
	if err := p.base.deposit(ctx); err != nil {
		return host.Receipt{}, &host.Error{Kind: host.KindStore, Message: err.Error()}
	}
	receipt, err := v.server.Pull(ctx, p.rec, p.from, p.base.orders(ctx), progress)
	var known *host.Error
	if errors.As(err, &known) && known.Kind == host.KindDigest {
		err = &host.Error{Kind: host.KindStore, Message: "what the store gave is not what was put there: " + known.Message}
	}
	return receipt, err
}

// receivers is how many servers are to get the release.
func (f *fleet) receivers() int {
	return len(f.those(func(v *visit) bool { return v.server != nil && !has(v.state, f.Record.ID) }))
}

// deposit is a parcel in the store.
type deposit struct {
	once sync.Once
	name string // empty: it is not there
	err  error
}

// deposit puts the stream into the store; the first server that needs it there
// waits with all others until it is.
func (b *base) deposit(ctx context.Context) error {
	b.stored.once.Do(func() {
		stream, err := b.stream(ctx)
		if err == nil {
			b.stored.name = fmt.Sprintf("%s-%.12s-%d", b.build.Record.ID, b.tree, time.Now().UnixNano())
			err = b.build.depot.Store.Deposit(ctx, b.stored.name, stream)
		}
		b.stored.err = err
	})
	return b.stored.err
}

// withdraw takes it out again. What stays is removed by a later delivery.
func (b *base) withdraw() {
	if b.stored.name == "" || b.build.depot == nil {
		return
	}
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = b.build.depot.Store.Withdraw(ctx, b.stored.name)
	b.stored.name = ""
}

// validity is for how long a server may begin to read what it was sent to: the
// longest step, and some difference of clocks.
const validity = time.Hour

// orders is where a server gets what it lacks. The address is made for it alone
// and at this moment.
func (b *base) orders(ctx context.Context) host.Orders {
	return func(lacks []host.Range) (host.Order, error) {
		url, err := b.build.depot.Store.Presign(ctx, b.stored.name, validity)
		if err != nil {
			return host.Order{}, &host.Error{Kind: host.KindStore, Message: err.Error()}
		}
		if lacks == nil {
			return host.Order{URL: url, Pieces: []host.Piece{{To: b.total()}}}, nil
		}
		needs, err := needsOf(b.build.Manifest, lacks)
		if err != nil {
			return host.Order{}, err
		}
		pieces, err := b.parcel.pieces(needs)
		return host.Order{URL: url, Pieces: pieces}, err
	}
}

// pieces are the frames that have the contents, as a stream.
func (p *parcel) pieces(needs []delta.Need) ([]host.Piece, error) {
	wanted := map[int]bool{}
	for _, need := range needs {
		wanted[need.Entry] = true
	}
	before, after := delta.Ends()
	pieces := []host.Piece{{Bytes: before}}
	for _, f := range p.having(wanted) {
		end := f.Offset + int64(f.Size)
		if last := &pieces[len(pieces)-1]; last.To == f.Start && last.Bytes == nil {
			last.To = end
		} else {
			pieces = append(pieces, host.Piece{From: f.Start, To: end})
		}
	}
	if len(wanted) > 0 {
		return nil, &host.Error{Kind: host.KindStore, Message: "the parcel in the store has not all that is lacking"}
	}
	return append(pieces, host.Piece{Bytes: bytes.Clone(after)}), nil
}

// having are the frames that have these contents, and takes out of wanted what
// they have. A content that goes on in the next frame makes one of both.
func (p *parcel) having(wanted map[int]bool) []delta.Placed {
	var found, joined []delta.Placed
	use := false
	for i, f := range p.frames {
		joined = append(joined, f)
		for _, n := range f.Entries {
			use = use || wanted[n]
			delete(wanted, n)
		}
		if i+1 < len(p.frames) && p.frames[i+1].Entries[0] == f.Entries[len(f.Entries)-1] {
			continue
		}
		if use {
			found = slices.Concat(found, joined)
		}
		joined, use = nil, false
	}
	return found
}
