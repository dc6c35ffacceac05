package delivery_test

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/host"
	"deliver/release"
	"deliver/rollout"
)

// watched tells of each step before it reaches a server. A step whose before
// fails is not done.
type watched struct {
	host.Server
	before func(ctx context.Context, op string) error
}

func (w watched) Update(ctx context.Context, rec release.Record, base host.Base, parts host.Parts, p func(int64)) (host.Receipt, error) {
	if err := w.before(ctx, "receive"); err != nil {
		return host.Receipt{}, err
	}
	return w.Server.Update(ctx, rec, base, parts, p)
}

func (w watched) Switch(ctx context.Context, id, over string) (host.Switched, error) {
	if err := w.before(ctx, "switch"); err != nil {
		return host.Switched{}, err
	}
	return w.Server.Switch(ctx, id, over)
}

func (w watched) Restart(ctx context.Context, s host.Service) error {
	if err := w.before(ctx, "restart"); err != nil {
		return err
	}
	return w.Server.Restart(ctx, s)
}

func (w watched) Record(ctx context.Context, e host.Entry) error {
	if err := w.before(ctx, "record"); err != nil {
		return err
	}
	return w.Server.Record(ctx, e)
}

func (w watched) Prune(ctx context.Context, keep int) ([]string, error) {
	if err := w.before(ctx, "prune"); err != nil {
		return nil, err
	}
	return w.Server.Prune(ctx, keep)
}

func (w watched) Claim(ctx context.Context, c host.Claim) (host.Claimed, error) {
	op := "claim"
	if c.Renew {
		op = "renew"
	}
	if err := w.before(ctx, op); err != nil {
		return host.Claimed{}, err
	}
	return w.Server.Claim(ctx, c)
}

func (w watched) Release(ctx context.Context) error {
	if err := w.before(ctx, "release"); err != nil {
		return err
	}
	return w.Server.Release(ctx)
}

// watch has before called for every step on the servers.
func (s *servers) watch(before func(ctx context.Context, name, op string) error) {
	s.wrap = func(name string, server host.Server) host.Server {
		return watched{server, func(ctx context.Context, op string) error { return before(ctx, name, op) }}
	}
}

// colleague is another delivery's way to a server.
func (s *servers) colleague(name string) *host.Local {
	local, err := host.NewLocal(s.place(name))
	require.NoError(s.t, err)
	return local
}

// hold takes a server's lease for somebody else.
func (s *servers) hold(name string, claim host.Claim) *host.Local {
	s.t.Helper()
	other := s.colleague(name)
	claimed, err := other.Claim(s.t.Context(), claim)
	require.NoError(s.t, err)
	require.True(s.t, claimed.Granted)
	return other
}

func (s *servers) lease(name string) host.Lease {
	state, err := s.colleague(name).Look(s.t.Context(), host.Service{Manager: "none"})
	require.NoError(s.t, err)
	return state.Lease
}

func (s *servers) nobodyHolds() {
	s.t.Helper()
	for _, h := range s.hosts {
		assert.False(s.t, s.lease(h.Name).Held(), h.Name)
	}
}

func TestTheLeaseIsHeldDuringTheRunAndGivenBack(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	s.watch(func(_ context.Context, name, op string) error {
		if op != "claim" {
			assert.Equal(t, "run-v1", s.lease(name).Run, op)
		}
		return nil
	})
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	s.nobodyHolds()
}

func TestTheLeaseIsGivenBackHoweverTheRunEnds(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	s.poison("h2", "v2")
	require.Equal(t, rollout.RolledBack, s.push("v2").Result)
	s.nobodyHolds()

	ctx, cancel := context.WithCancel(t.Context())
	s.watch(func(_ context.Context, _, op string) error {
		if op == "receive" {
			cancel()
		}
		return nil
	})
	require.Equal(t, rollout.Interrupted, s.delivery(app(t, "v3")).Deliver(ctx).Result)
	s.nobodyHolds()
}

// keepAlive renews somebody else's lease until the test ends.
func (s *servers) keepAlive(other *host.Local, claim host.Claim) {
	claim.Renew = true
	ctx, cancel := context.WithCancel(context.Background())
	var beating sync.WaitGroup
	beating.Go(func() {
		beat := time.NewTicker(claim.TTL / 10)
		defer beat.Stop()
		for ctx.Err() == nil {
			<-beat.C
			_, _ = other.Claim(ctx, claim)
		}
	})
	s.t.Cleanup(func() {
		cancel()
		beating.Wait()
	})
}

func TestASecondDeliveryIsRefusedAndLearnsWhoDelivers(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	claim := host.Claim{Run: "other", By: "deploy@ci", TTL: time.Second}
	s.keepAlive(s.hold("h2", claim), claim)
	out := s.push("v2")
	assert.Equal(t, rollout.Held, out.Result)
	assert.ErrorContains(t, out.Err, "h2: deploy@ci (run other) delivers to it")
	s.runs("v1")
	assert.False(t, s.lease("h1").Held(), "none is kept where not all can be had")
	assert.False(t, s.lease("h3").Held())
}

func TestADeliveryThatWaitsGoesAfterTheOther(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	claim := host.Claim{Run: "other", By: "deploy@ci", TTL: time.Hour}
	other := s.hold("h1", claim)
	asked := make(chan struct{})
	var once sync.Once
	s.watch(func(_ context.Context, _, op string) error {
		if op == "receive" {
			assert.NotEqual(t, "other", s.lease("h1").Run)
		}
		if op == "claim" {
			once.Do(func() { close(asked) })
		}
		return nil
	})
	d := s.delivery(app(t, "v1"))
	d.Lease.Wait = time.Minute
	var out rollout.Outcome
	var run sync.WaitGroup
	run.Go(func() { out = d.Deliver(t.Context()) })
	<-asked
	require.NoError(t, other.Release(t.Context()))
	run.Wait()
	require.Equal(t, rollout.OK, out.Result, "%v\n%s", out.Err, s.said())
	s.runs("v1")
}

func TestWaitingHasAnEnd(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	s.hold("h1", host.Claim{Run: "other", By: "deploy@ci", TTL: time.Hour})
	d := s.delivery(app(t, "v1"))
	d.Lease.Wait = time.Millisecond
	out := d.Deliver(t.Context())
	assert.Equal(t, rollout.Held, out.Result)
	assert.Contains(t, s.said(), "waiting for h1: deploy@ci (run other) delivers to it")
}

func TestWaitingIsInterrupted(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	s.hold("h1", host.Claim{Run: "other", By: "deploy@ci", TTL: time.Hour})
	d := s.delivery(app(t, "v1"))
	d.Lease.Wait = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	s.watch(func(context.Context, string, string) error {
		cancel()
		return nil
	})
	assert.Equal(t, rollout.Interrupted, d.Deliver(ctx).Result)
}

func TestADeadDeliveryOfThisMachineIsDisplacedAtOnce(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	child := exec.Command("true")
	require.NoError(t, child.Run())
	dead := host.ThisProcess()
	dead.PID, dead.Start = child.Process.Pid, "1"
	other := s.hold("h2", host.Claim{Run: "dead", By: "deploy@ci", TTL: time.Hour, Runner: dead})
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	_, err := other.Switch(t.Context(), "", "")
	var known *host.Error
	require.ErrorAs(t, err, &known)
	assert.Equal(t, host.KindFenced, known.Kind)
	s.runs("v1")
}

func TestADeadDeliveryOfAnotherMachineIsWaitedOut(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	s.hold("h1", host.Claim{Run: "dead", By: "deploy@ci", TTL: 500 * time.Millisecond})
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	assert.Contains(t, s.said(), "it may be dead")
}

func TestALongStepKeepsTheLease(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	d := s.delivery(app(t, "v1"))
	d.Lease.TTL = 100 * time.Millisecond
	s.watch(func(_ context.Context, name, op string) error {
		if op == "restart" {
			assert.Eventually(t, func() bool { return s.lease(name).Beat >= 5 }, 20*time.Second, time.Millisecond)
		}
		return nil
	})
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
}

func TestADisplacedDeliveryChangesNothingAnyMore(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	newer := app(t, "v3")
	var once sync.Once
	s.watch(func(_ context.Context, name, op string) error {
		if name == "h1" && op == "restart" {
			once.Do(func() { s.overtake(newer) })
		}
		return nil
	})
	out := s.push("v2")
	assert.Equal(t, rollout.Failed, out.Result)
	assert.ErrorContains(t, out.Hosts[0].Err, "(run run-v3) has had it since")
	s.runs("v3")
}

// overtake delivers another release as one does who has unlocked the servers.
func (s *servers) overtake(b *delivery.Build) {
	for _, h := range s.hosts {
		server := s.colleague(h.Name)
		claimed, err := server.Claim(s.t.Context(), host.Claim{Run: "unlock", TTL: time.Minute, Over: s.lease(h.Name).Token})
		require.NoError(s.t, err)
		require.True(s.t, claimed.Granted)
		require.NoError(s.t, server.Release(s.t.Context()))
	}
	wrap := s.wrap
	s.wrap = nil
	defer func() { s.wrap = wrap }()
	out := s.delivery(b).Deliver(s.t.Context())
	assert.Equal(s.t, rollout.OK, out.Result, "%v", out.Err)
}

func TestWhatWasDeliveredWhileWaitingIsSeen(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.deliver(numbered(t, "v1", 1)).Result)
	newer := numbered(t, "v3", 3)
	var once sync.Once
	s.watch(func(_ context.Context, _, op string) error {
		if op == "claim" { // between the look and the lease
			once.Do(func() {
				wrap := s.wrap
				s.wrap = nil
				defer func() { s.wrap = wrap }()
				assert.Equal(t, rollout.OK, s.deliver(newer).Result)
			})
		}
		return nil
	})
	out := s.deliver(numbered(t, "v2", 2))
	assert.Equal(t, rollout.Refused, out.Result)
	assert.ErrorContains(t, out.Err, "v3 runs there, which is newer than v2")
	s.runs("v3")
}

func (s *servers) deliver(b *delivery.Build) rollout.Outcome {
	s.t.Helper()
	return s.delivery(b).Deliver(s.t.Context())
}

// numbered is a build of the test app with its place in the order of builds.
func numbered(t *testing.T, version string, sequence int64) *delivery.Build {
	t.Helper()
	b := app(t, version)
	b.Record.Job, b.Record.Sequence = "web", sequence
	return b
}
