package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	receipt, err := v.server.Receive(ctx, f.Record, b.Compressed(), func(n int64) { tell.Progress(n, b.Size) })
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

// sameBuild leaves it to Receive to refuse another build under the same id.
func (f *fleet) sameBuild(v *visit) bool {
	for _, rec := range v.state.Releases {
		if rec.ID == f.Record.ID {
			return rec.SHA256 == f.Record.SHA256
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
		f.pack, f.packErr = f.Package(ctx)
	})
	if f.packErr != nil {
		return nil, fmt.Errorf("get release %s: %w", f.Record.ID, f.packErr)
	}
	return f.pack, nil
}
