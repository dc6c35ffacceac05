package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"deliver/delivery"
	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// TestInterleavings has two to four deliveries to one fleet at once, some of
// which are killed, stopped for longer than their lease and continued, or cut off from
// a server, each at a step drawn by chance. SCHEDULES sets how many (100).
//
// Then, whatever happened: no server took a step of a holder after it had given its
// lease to another; nothing has to be unlocked; every `current` is a whole release;
// and when the newest is delivered once more, as a person does whose delivery died, all
// servers run it and none goes back to an older one.
//
// It runs by itself, for it keeps the processors busy.
func TestInterleavings(t *testing.T) {
	schedules := 100
	if n, err := strconv.Atoi(os.Getenv("SCHEDULES")); err == nil {
		schedules = n
	}
	counts := &fates{}
	var all errgroup.Group
	all.SetLimit(32) // most of them wait most of the time
	for seed := range schedules {
		all.Go(func() error {
			t.Run(strconv.Itoa(seed), func(t *testing.T) { newSchedule(t, uint64(seed), counts).run() })
			return nil
		})
	}
	require.NoError(t, all.Wait())
	t.Logf("%d schedules: %s", schedules, counts)
	counts.requireAll(t)
}

// fate is what happens to a delivery at one of its steps.
type fate string

const (
	lives   fate = "undisturbed"
	killed  fate = "killed"
	stopped fate = "stopped for longer than its lease and continued"
	cutOff  fate = "cut off"
)

// fates counts what happened in all schedules.
type fates struct {
	mu   sync.Mutex
	seen map[string]int
}

func (f *fates) add(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]int{}
	}
	f.seen[what]++
}

func (f *fates) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint(f.seen)
}

// requireAll asks that nothing which the test is about was missing.
func (f *fates) requireAll(t *testing.T) {
	t.Helper()
	for _, what := range []string{string(lives), string(killed), string(stopped), string(cutOff), "fenced", "refused as older", "waited"} {
		assert.Positive(t, f.seen[what], what)
	}
}

const schedulesTTL = 60 * time.Millisecond

// schedule is one interleaving.
type schedule struct {
	*servers
	chance *rand.Rand
	counts *fates
	builds int

	trace sync.Mutex
	given map[string][]given // by server
}

// given is a token at the moment when a server gave it away.
type given struct {
	token int64
	at    time.Time
}

func newSchedule(t *testing.T, seed uint64, counts *fates) *schedule {
	t.Helper()
	s := &schedule{
		servers: &servers{t: t, dir: shortLived(t), down: map[string]error{}},
		chance:  rand.New(rand.NewPCG(seed, 1)), counts: counts, given: map[string][]given{},
	}
	for i := range 2 + s.chance.IntN(2) {
		s.hosts = append(s.hosts, hostNamed(fmt.Sprintf("h%d", i+1)))
	}
	for _, h := range s.hosts {
		require.NoError(t, os.MkdirAll(s.root(h.Name), 0o755))
	}
	s.builds = 2 + s.chance.IntN(3)
	return s
}

// shortLived is a directory in memory, since each release is synced to its disk.
func shortLived(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "schedule")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func hostNamed(name string) inventory.Host { return inventory.Host{Name: name} }

func (s *schedule) run() {
	var all sync.WaitGroup
	for _, n := range s.chance.Perm(s.builds) {
		actor := s.actor(n + 1)
		all.Go(func() { actor.deliver() })
	}
	all.Wait()
	s.converge()
}

// converge delivers the newest again and proves that nobody goes back.
func (s *schedule) converge() {
	out := s.plainly(s.builds, "again")
	require.Equal(s.t, rollout.OK, out.Result, "%v\n%s", out.Err, s.said())
	for n := 1; n < s.builds; n++ {
		require.Equal(s.t, rollout.Refused, s.plainly(n, "late").Result)
	}
	newest := s.name(s.builds)
	for _, h := range s.hosts {
		current, err := os.Readlink(s.root(h.Name) + "/current")
		require.NoError(s.t, err)
		assert.Equal(s.t, "releases/"+newest, current, h.Name)
		assert.Equal(s.t, newest, s.read(h.Name, "current/version"))
	}
	s.nobodyHolds()
}

// plainly delivers without disturbance, as from another machine.
func (s *schedule) plainly(n int, run string) rollout.Outcome {
	d := s.quick(n)
	d.Run = run + "-" + s.name(n)
	d.Open = func(_ context.Context, h inventory.Host) (host.Server, error) { return host.NewLocal(s.place(h.Name)) }
	return d.Deliver(s.t.Context())
}

func (s *schedule) name(n int) string { return "v" + strconv.Itoa(n) }

// quick is a delivery of the nth build that starts no process on a server.
func (s *schedule) quick(n int) *delivery.Delivery {
	d := s.delivery(numbered(s.t, s.name(n), int64(n)))
	d.App.Service, d.App.Health = host.Service{Manager: "none", Name: "web"}, host.Health{}
	d.Lease = delivery.Lease{TTL: schedulesTTL, Wait: 20 * time.Second}
	return d
}

// actor is one delivery and what happens to it.
type actor struct {
	*schedule
	build int
	wait  bool
	fate  fate
	at    int    // the step at which it happens
	of    string // the server that it is cut off from

	process sync.RWMutex // held by one who stops it: then no step is made
	mu      sync.Mutex
	steps   int
	dead    bool
}

func (s *schedule) actor(n int) *actor {
	all := []fate{lives, killed, stopped, cutOff}
	return &actor{
		schedule: s, build: n, wait: s.chance.IntN(4) > 0, fate: all[s.chance.IntN(len(all))],
		at: 1 + s.chance.IntN(14), of: s.hosts[s.chance.IntN(len(s.hosts))].Name,
	}
}

func (a *actor) deliver() {
	d := a.quick(a.build)
	if !a.wait {
		d.Lease.Wait = 0
	}
	d.Open = func(_ context.Context, h inventory.Host) (host.Server, error) {
		local, err := host.NewLocal(a.place(h.Name))
		return &witnessed{Server: local, actor: a, name: h.Name}, err
	}
	out := d.Deliver(a.t.Context())
	a.counts.add(string(a.fate))
	a.note(out)
}

// note counts how the delivery ended.
func (a *actor) note(out rollout.Outcome) {
	for _, h := range out.Hosts {
		var known *host.Error
		for _, err := range []error{h.Err, h.UndoErr} {
			if errors.As(err, &known) && known.Kind == host.KindFenced {
				a.counts.add("fenced")
			}
			if errors.As(err, &known) && known.Kind == host.KindOrder {
				a.counts.add("refused as older")
			}
		}
	}
	if out.Result == rollout.Held {
		a.counts.add("held")
	}
}

var (
	errKilled = errors.New("killed")
	errCutOff = &host.Error{Kind: host.KindUnreachable, Message: "cut off"}
)

// meet is what happens before a step reaches a server.
func (a *actor) meet(ctx context.Context, server string, token int64) error {
	a.mu.Lock()
	a.steps++
	now := a.steps == a.at
	a.dead = a.dead || (now && a.fate == killed)
	dead, cut := a.dead, a.fate == cutOff && a.steps >= a.at && a.steps < a.at+4 && server == a.of
	a.mu.Unlock()
	if now && a.fate == stopped {
		a.sleep(ctx, server, token)
	}
	a.process.RLock()
	defer a.process.RUnlock()
	switch {
	case dead:
		return errKilled
	case cut:
		return errCutOff
	}
	return ctx.Err()
}

// sleep lasts until the lease is over, and so long that others may have taken
// it. The whole process sleeps, with what would renew the lease.
func (a *actor) sleep(ctx context.Context, server string, token int64) {
	a.process.Lock()
	defer a.process.Unlock()
	for over := time.Now().Add(2 * schedulesTTL); ctx.Err() == nil; {
		lease := a.lease(server)
		if time.Now().After(over) && (lease.Token != token || !lease.Held()) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// witnessed is a server whose steps are written down.
type witnessed struct {
	host.Server
	actor *actor
	name  string
	token atomic.Int64
}

func (w *witnessed) Claim(ctx context.Context, c host.Claim) (host.Claimed, error) {
	if err := w.actor.meet(ctx, w.name, w.token.Load()); err != nil {
		return host.Claimed{}, err
	}
	claimed, err := w.Server.Claim(ctx, c)
	switch {
	case err == nil && claimed.Granted && !c.Renew:
		w.token.Store(claimed.Lease.Token)
		w.actor.give(w.name, claimed.Lease.Token)
	case err == nil && !claimed.Granted:
		w.actor.counts.add("waited")
	}
	return claimed, err
}

// give writes down that a server has given a token away.
func (s *schedule) give(server string, token int64) {
	now := time.Now()
	s.trace.Lock()
	defer s.trace.Unlock()
	s.given[server] = append(s.given[server], given{token, now})
}

// took holds a step that a server has done against the tokens that it had
// given away before the step began.
func (w *witnessed) took(step string, began time.Time, err error) {
	if err != nil {
		return
	}
	token := w.token.Load()
	w.actor.trace.Lock()
	defer w.actor.trace.Unlock()
	for _, g := range w.actor.given[w.name] {
		assert.False(w.actor.t, g.token > token && g.at.Before(began),
			"%s took %s of token %d after it gave %d away", w.name, step, token, g.token)
	}
}

func (w *witnessed) Switch(ctx context.Context, id, over string) (host.Switched, error) {
	if err := w.actor.meet(ctx, w.name, w.token.Load()); err != nil {
		return host.Switched{}, err
	}
	began := time.Now()
	switched, err := w.Server.Switch(ctx, id, over)
	w.took("switch", began, err)
	return switched, err
}

func (w *witnessed) Restart(ctx context.Context, service host.Service) error {
	if err := w.actor.meet(ctx, w.name, w.token.Load()); err != nil {
		return err
	}
	began := time.Now()
	err := w.Server.Restart(ctx, service)
	w.took("restart", began, err)
	return err
}

func (w *witnessed) Check(ctx context.Context, health host.Health, service host.Service, id string) (host.Checked, error) {
	if err := w.actor.meet(ctx, w.name, w.token.Load()); err != nil {
		return host.Checked{}, err
	}
	return w.Server.Check(ctx, health, service, id)
}

func (w *witnessed) Record(ctx context.Context, entry host.Entry) error {
	if err := w.actor.meet(ctx, w.name, w.token.Load()); err != nil {
		return err
	}
	began := time.Now()
	err := w.Server.Record(ctx, entry)
	w.took("record", began, err)
	return err
}

func (w *witnessed) Prune(ctx context.Context, keep int) ([]string, error) {
	if err := w.actor.meet(ctx, w.name, w.token.Load()); err != nil {
		return nil, err
	}
	began := time.Now()
	removed, err := w.Server.Prune(ctx, keep)
	w.took("prune", began, err)
	return removed, err
}

func (w *witnessed) Release(ctx context.Context) error {
	if err := w.actor.meet(ctx, w.name, w.token.Load()); err != nil {
		return err
	}
	return w.Server.Release(ctx)
}
