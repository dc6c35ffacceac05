package host

import (
	"context"
	"io"
	"sync"

	"deliver/release"
)

// Dry is a Server on which nothing happens. Look is passed on to the server
// behind it; everything else reports success and does nothing: the build is
// not read, a switch has the predecessor that Look last saw, hooks have no
// output, and nothing was pruned.
type Dry struct {
	server  Server
	mu      sync.Mutex
	current string
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

// Switch reports the current release that Look saw, and leaves it.
func (d *Dry) Switch(context.Context, string, string) (Switched, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Switched{Previous: d.current}, nil
}

// Restart restarts nothing.
func (d *Dry) Restart(context.Context, Service) error { return nil }

// Check asks nothing.
func (d *Dry) Check(context.Context, Health, Service, string) (Checked, error) {
	return Checked{Detail: "not asked"}, nil
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

// Claim takes nothing and is granted.
func (d *Dry) Claim(_ context.Context, claim Claim) (Claimed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Claimed{Granted: true, Lease: Lease{Run: claim.Run, By: claim.By, Left: claim.TTL}, Current: d.current}, nil
}

// Release gives nothing back.
func (d *Dry) Release(context.Context) error { return nil }

// Pin pins nothing.
func (d *Dry) Pin(context.Context, *Pin) error { return nil }

// Close closes the server behind it.
func (d *Dry) Close() error { return d.server.Close() }
