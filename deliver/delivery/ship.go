package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"deliver/host"
	"deliver/rollout"
)

// ship ends with a complete, verified and inactive release on every server.
func (f *fleet) ship() rollout.Phase {
	return rollout.Phase{
		Name:   "ship",
		Before: slices.Concat([]rollout.Step{f.claim()}, f.begin(), f.once(before("ship")...)),
		Steps:  []rollout.Step{f.step("lease", f.hold), f.step("receive", f.receive)},
		After:  f.once(after("ship")...),
	}
}

func (f *fleet) receive(ctx context.Context, v *visit, tell *rollout.Teller) error {
	if has(v.state, f.Record.ID) && f.sameBuild(v) {
		v.say(tell, "has the release already")
		f.hasIt(v)
		return nil
	}
	b, err := f.open(ctx)
	if err != nil {
		return err
	}
	if err := runsOn(b, v.state); err != nil {
		return err
	}
	receipt, err := f.send(ctx, v, b, tell)
	if err != nil {
		return err
	}
	f.hasIt(v)
	if receipt.Already {
		v.say(tell, "has the release already")
	}
	return nil
}

func (f *fleet) hasIt(v *visit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.shipped = true
}

// tries is how often a server is sent what it says that it still lacks.
const tries = 4

// send makes the release out of the best that the server has. A base that turns
// out not to be whole is left alone from then on; with none the server gets
// everything.
func (f *fleet) send(ctx context.Context, v *visit, b *Build, tell *rollout.Teller) (host.Receipt, error) {
	refused := map[string]bool{}
	rec := f.Record
	rec.Tree = b.Record.Tree
	for again := 1; ; {
		from, base := b.choose(ctx, v.server, v.state, refused)
		receipt, err := f.carry(ctx, v, passage{rec, from, base}, tell)
		var known *host.Error
		if !errors.As(err, &known) {
			return receipt, err
		}
		switch {
		case known.Kind == host.KindStore && again < tries:
			again++
			v.say(tell, "%s; sending it directly", known.Message)
		case known.Kind == host.KindLacking && again < tries:
			again++
			v.say(tell, "%s", known.Message)
		case from.ID != "" && (known.Kind == host.KindBase || known.Kind == host.KindMissing || known.Kind == host.KindDigest):
			v.say(tell, "%s", known.Message)
			refused[from.ID] = true
		default:
			return receipt, err
		}
	}
}

// sameBuild leaves it to Receive to refuse another build under the same id.
func (f *fleet) sameBuild(v *visit) bool {
	for _, rec := range v.state.Releases {
		if rec.ID == f.Record.ID {
			return rec.SameBuild(f.Record)
		}
	}
	return false
}

// open gives the build; the first server that needs it waits until it is made.
func (f *fleet) open(ctx context.Context) (*Build, error) {
	f.packing.Do(func() {
		if f.Package == nil {
			f.packErr = errors.New("the release is not here, and there is no store to get it from; set STORE")
			return
		}
		if f.pack, f.packErr = f.Package(ctx); f.packErr == nil {
			f.pack.Cache, f.pack.depot = f.Cache, f.Depot
		}
	})
	if f.packErr != nil {
		return nil, fmt.Errorf("get release %s: %w", f.Record.ID, f.packErr)
	}
	return f.pack, nil
}
