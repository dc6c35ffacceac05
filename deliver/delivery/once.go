package delivery

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// The hooks of a release that run on one server of the fleet only.
const (
	preSwitchOnce   = "pre-switch" + host.OnceSuffix   // before any server switches
	postRestartOnce = "post-restart" + host.OnceSuffix // when all of them run the release
	postSwitchOnce  = "post-switch" + host.OnceSuffix  // after that
)

// noteOnce remembers such a hook of a build, and refuses one that would never run.
func (b *Build) noteOnce(header *tar.Header) error {
	dir, name := path.Split(path.Clean(header.Name))
	if dir != ".deliver/hooks/" || !strings.HasSuffix(name, host.OnceSuffix) || header.Typeflag == tar.TypeDir {
		return nil
	}
	known := []string{preSwitchOnce, postRestartOnce, postSwitchOnce}
	if !slices.Contains(known, name) {
		return fmt.Errorf("there is no hook %s: those that run once are %s", name, strings.Join(known, ", "))
	}
	b.Record.Once = append(b.Record.Once, name)
	return nil
}

// onOne are the steps that run hooks on one server, those that the release
// brings along. Going back, or on a new server of its own, they have run before.
func (f *fleet) onOne(names ...string) []rollout.Step {
	var steps []rollout.Step
	for _, name := range names {
		if f.Action != Push || !slices.Contains(f.Record.Once, name) {
			continue
		}
		steps = append(steps, rollout.Step{
			Name: name, Timeout: f.Times.Hook,
			Do: func(ctx context.Context, _ inventory.Host, tell *rollout.Teller) error {
				return f.runOnce(ctx, name, tell)
			},
		})
	}
	return steps
}

// runOnce runs a hook on the first server, or on the one where it was cut: there
// it may still run, and is waited for.
func (f *fleet) runOnce(ctx context.Context, name string, tell *rollout.Teller) error {
	ready := f.those(func(v *visit) bool { return v.shipped })
	if len(ready) == 0 {
		return errors.New("no server has the release")
	}
	v := ready[0]
	for _, other := range slices.Backward(ready) {
		switch host.RanOnce(other.state.Once, name, f.Record.ID) {
		case host.OnceDone:
			tell.Message(fmt.Sprintf("done for this release already; %s knows", other.name))
			return nil
		case host.OnceStarted:
			v = other
		}
	}
	tell.Message("on " + v.name)
	if err := f.onServer(ctx, name, v, tell); err != nil {
		return fmt.Errorf("on %s: %w", v.name, err)
	}
	f.spread(ctx, v, host.Entry{
		Time: time.Now().UTC(), Run: f.Run, Action: name, Release: f.Record.ID, Result: host.OnceDone, By: f.By, Why: "on " + v.name,
	}, ready)
	return nil
}

// spread tells the other servers that a hook is done, so that it is known when
// the one that ran it is gone. One that cannot be told is no failure.
func (f *fleet) spread(ctx context.Context, from *visit, done host.Entry, servers []*visit) {
	each(servers, func(v *visit) {
		if v != from {
			_ = v.server.Record(ctx, done)
		}
	})
}
