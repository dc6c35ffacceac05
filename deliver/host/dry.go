package host

import (
	"context"
	"io"
	"sync"

	"deliver/release"
)

// Dry is a Server on which nothing happens. What looks is passed on to the
// server behind it: Look, History, and Check as long as nothing was to be
// changed. A claim is granted where the lease is free, and takes nothing.
// Everything else reports success and does nothing: the build is not read, a
// switch has the predecessor that Look last saw, hooks have no output, and
// nothing was pruned.
type Dry struct {
	server  Server
	mu      sync.Mutex
	current string
	changed bool // it would be by now
}

var _ Server = (*Dry)(nil)

// NewDry returns a Dry that looks at server, and closes it.
func NewDry(server Server) *Dry { return &Dry{server: server} }

// Look looks.
func (d *Dry) Look(ctx context.Context, service Service) (State, error) {
	state, err := d.server.Look(ctx, service)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = state.Current
	return state, err
}

// Receive reads nothing.
func (d *Dry) Receive(context.Context, release.Record, io.Reader, func(int64)) (Receipt, error) {
	return Receipt{}, nil
}

// Update reads nothing.
func (d *Dry) Update(context.Context, release.Record, Base, Parts, func(int64)) (Receipt, error) {
	return Receipt{}, nil
}

// Pull gets nothing.
func (d *Dry) Pull(context.Context, release.Record, Base, Orders, func(int64)) (Receipt, error) {
	return Receipt{}, nil
}

// Manifest looks.
func (d *Dry) Manifest(ctx context.Context, id string) ([]byte, error) {
	return d.server.Manifest(ctx, id)
}

// Switch reports the current release that Look saw, and leaves it.
func (d *Dry) Switch(context.Context, string, string) (Switched, error) {
	return Switched{Previous: d.change()}, nil
}

// Restart restarts nothing.
func (d *Dry) Restart(context.Context, Service) error {
	d.change()
	return nil
}

// change says what runs, from which on the answers of the server are not those
// that a delivery would get.
func (d *Dry) change() (current string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = true
	return d.current
}

// Check asks the app that runs, and nothing once another one would run.
func (d *Dry) Check(ctx context.Context, health Health, service Service, id string) (Checked, error) {
	d.mu.Lock()
	changed := d.changed
	d.mu.Unlock()
	if changed {
		return Checked{Detail: "not asked"}, nil
	}
	return d.server.Check(ctx, health, service, id)
}

// Hook runs nothing.
func (d *Dry) Hook(context.Context, string, string, map[string]string) (string, error) {
	return "", nil
}

// Record writes nothing.
func (d *Dry) Record(context.Context, Entry) error { return nil }

// Prune removes nothing.
func (d *Dry) Prune(context.Context, int) ([]string, error) { return nil, nil }

// History looks.
func (d *Dry) History(ctx context.Context, limit int) ([]Entry, error) {
	return d.server.History(ctx, limit)
}

// Claim looks who has the lease. Who would get it is told so, with the token
// that it would have, and does not have it.
func (d *Dry) Claim(ctx context.Context, claim Claim) (Claimed, error) {
	if claim.Renew {
		return Claimed{Granted: true}, nil
	}
	state, err := d.server.Look(ctx, Service{Manager: managerNone})
	if err != nil {
		return Claimed{}, err
	}
	claimed := Claimed{Lease: state.Lease, Current: state.Current, Pin: state.Pin}
	if state.Lease.Held() && state.Lease.Run != claim.Run && state.Lease.Token != claim.Over {
		return claimed, nil
	}
	claimed.Granted, claimed.Lease = true, Lease{Token: state.Lease.Token + 1, Run: claim.Run, By: claim.By, Left: claim.TTL}
	return claimed, nil
}

// Release gives nothing back.
func (d *Dry) Release(context.Context) error { return nil }

// Pin pins nothing.
func (d *Dry) Pin(context.Context, *Pin) error { return nil }

// Close closes the server behind it.
func (d *Dry) Close() error { return d.server.Close() }
