package delivery_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/host"
	"deliver/plan"
	"deliver/rollout"
)

// seal plans a push of this version.
func (s *servers) seal(version string) *plan.Document {
	s.t.Helper()
	b := app(s.t, version)
	d := s.delivery(b)
	forecast, _ := d.Rehearse(s.t.Context(), b.Brings)
	return &plan.Document{Forecast: forecast}
}

// apply makes the push that was planned.
func (s *servers) apply(doc *plan.Document, version string) rollout.Outcome {
	s.t.Helper()
	d := s.delivery(app(s.t, version))
	d.Confirm = doc.Confirm
	return d.Deliver(s.t.Context())
}

func (s *servers) shipped(version, name string) bool {
	_, err := os.Stat(filepath.Join(s.root(name), "releases", version))
	return err == nil
}

func TestAConfirmedPlanIsCarriedOut(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	doc := s.seal("v2")
	require.Equal(t, rollout.OK, s.apply(doc, "v2").Result, s.said())
	s.runs("v2")

	out := s.apply(doc, "v2")
	assert.Equal(t, rollout.Refused, out.Result)
	require.ErrorIs(t, out.Err, plan.ErrStale)
}

// meddled is a server on which another delivery is made at the last moment
// before this one takes the lease.
type meddled struct {
	host.Server
	once   sync.Once
	meddle func()
}

// Claim comes a moment too late.
func (m *meddled) Claim(ctx context.Context, claim host.Claim) (host.Claimed, error) {
	m.once.Do(m.meddle)
	return m.Server.Claim(ctx, claim)
}

func TestWhatChangesBeforeTheLeaseIsTakenIsSeenUnderIt(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]func(t *testing.T, other *host.Local){
		"a delivery that changed nothing": func(*testing.T, *host.Local) {},
		"a switch": func(t *testing.T, other *host.Local) {
			_, err := other.Switch(t.Context(), "v1", "v2")
			require.NoError(t, err)
		},
		"a pin": func(t *testing.T, other *host.Local) {
			require.NoError(t, other.Pin(t.Context(), &host.Pin{Release: "v2"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t, "h1", "h2")
			require.Equal(t, rollout.OK, s.push("v1").Result)
			require.Equal(t, rollout.OK, s.push("v2").Result)
			doc := s.seal("v3")
			s.wrap = func(name string, server host.Server) host.Server {
				if name == "h1" {
					return server
				}
				return &meddled{Server: server, meddle: func() { s.as("another", meddle) }}
			}
			out := s.apply(doc, "v3")
			assert.Equal(t, rollout.Refused, out.Result, s.said())
			require.ErrorIs(t, out.Err, plan.ErrStale)
			assert.ErrorContains(t, out.Err, "h2")
			for _, h := range s.hosts {
				assert.False(t, s.shipped("v3", h.Name), "it was shipped to %s", h.Name)
			}
		})
	}
}

// as does something to h2 under a lease of another run.
func (s *servers) as(run string, do func(t *testing.T, other *host.Local)) {
	other, err := host.NewLocal(s.place("h2"))
	require.NoError(s.t, err)
	claimed, err := other.Claim(s.t.Context(), host.Claim{Run: run, TTL: time.Minute})
	require.NoError(s.t, err)
	require.True(s.t, claimed.Granted)
	do(s.t, other)
	require.NoError(s.t, other.Release(s.t.Context()))
}

func TestAServerThatWentDownOrCameUpMakesAPlanStale(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	all := s.seal("v1")
	s.down["h2"] = &host.Error{Kind: host.KindUnreachable, Message: "connection refused"}
	out := s.apply(all, "v1")
	assert.Equal(t, rollout.Refused, out.Result)
	require.ErrorIs(t, out.Err, plan.ErrStale)

	one := s.seal("v1")
	assert.Equal(t, "connection refused", one.Hosts[1].Down)
	delete(s.down, "h2")
	require.ErrorIs(t, s.apply(one, "v1").Err, plan.ErrStale)
	assert.False(t, s.shipped("v1", "h1"))
}

func TestNothingBeginsBeforeAllIsConfirmed(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	var told []string
	d := s.delivery(app(t, "v1"))
	d.Confirm = func(string, plan.State) error {
		told = append(told, "confirm")
		return nil
	}
	d.Begin = func(context.Context) error {
		told = append(told, "begin")
		return errors.New("the store is full")
	}
	out := d.Deliver(t.Context())
	assert.Equal(t, rollout.Failed, out.Result)
	require.ErrorContains(t, out.Err, "the store is full")
	assert.Equal(t, []string{"confirm", "confirm", "begin"}, told)
	assert.False(t, s.shipped("v1", "h1"))
}

// A rehearsal meets what the delivery would meet.
func TestARehearsalTellsWhatWouldBeRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, s *servers, d *delivery.Delivery)
		want    rollout.Result
		problem string
	}{
		"pinned": {func(t *testing.T, s *servers, _ *delivery.Delivery) {
			s.as("rollback", func(t *testing.T, other *host.Local) {
				require.NoError(t, other.Pin(t.Context(), &host.Pin{Release: "v1", From: "v9", Version: "v9"}))
			})
		}, rollout.Refused, "pinned to v1"},
		"held": {func(t *testing.T, s *servers, d *delivery.Delivery) {
			s.occupy(t)
			d.Lease.TTL = time.Second
		}, rollout.Held, ""},
		"no space": {func(_ *testing.T, _ *servers, d *delivery.Delivery) {
			d.Record.Size, d.App.Place.Link = 1<<60, host.LinkCopy
		}, rollout.Failed, "MB free"},
		"unknown service": {func(_ *testing.T, _ *servers, d *delivery.Delivery) {
			d.App.Service = host.Service{Manager: "runit", Name: "nowhere"}
		}, rollout.Failed, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t, "h1", "h2")
			require.Equal(t, rollout.OK, s.push("v1").Result)
			d := s.delivery(app(t, "v2"))
			c.prepare(t, s, d)
			forecast, out := d.Rehearse(t.Context(), nil)
			assert.Equal(t, c.want, out.Result, "%v", out.Err)
			assert.Contains(t, forecast.Hosts[1].Problem, c.problem)
			assert.False(t, s.shipped("v2", "h1"))
		})
	}
}

// occupy holds h2 for another run, which renews its lease until the test ends.
func (s *servers) occupy(t *testing.T) {
	other, err := host.NewLocal(s.place("h2"))
	require.NoError(t, err)
	claim := host.Claim{Run: "another", By: "somebody", TTL: time.Minute}
	_, err = other.Claim(t.Context(), claim)
	require.NoError(t, err)
	claim.Renew = true
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var beating sync.WaitGroup
	beating.Go(func() {
		beat := time.NewTicker(20 * time.Millisecond)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				_, _ = other.Claim(ctx, claim)
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		beating.Wait()
	})
}
