package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// Lease is how a delivery holds the servers that it changes.
type Lease struct {
	// TTL is how long a delivery that died still holds its servers; 0: DefaultTTL.
	TTL time.Duration
	// Wait is how long to stand in line where another delivery holds them; 0:
	// only as long as it may be dead.
	Wait time.Duration
}

// DefaultTTL is long enough for a lost packet or a busy machine.
const DefaultTTL = 30 * time.Second

func (f *fleet) ttl() time.Duration { return cmp.Or(f.Lease.TTL, DefaultTTL) }

// claim is the step of the run that takes the lease of all servers, or of none.
func (f *fleet) claim() rollout.Step {
	return rollout.Step{
		Name: "lease", Timeout: f.Lease.Wait + f.ttl() + cmp.Or(f.Times.Step, rollout.DefaultTimeout),
		Do: func(ctx context.Context, _ inventory.Host, tell *rollout.Teller) error {
			l := &line{wait: f.Lease.Wait, ttl: f.ttl(), tell: tell}
			for {
				held := f.claimAll(ctx)
				if held == nil {
					return f.confirmAll()
				}
				if err := l.stand(ctx, *held); err != nil {
					return err
				}
			}
		},
	}
}

// holder is who has a server.
type holder struct {
	server string
	host.Claimed
}

// claimAll takes the leases of all servers that are fit, or of none: then it
// says who is in the way. The first server decides between deliveries to the
// same fleet, so that no two of them get a part each. A server that cannot be
// asked is left to its own step, which says why.
func (f *fleet) claimAll(ctx context.Context) *holder {
	rest := f.fit()
	for decided := false; len(rest) > 0 && !decided; rest = rest[1:] {
		held, err := f.claimOne(ctx, rest[0])
		if held != nil {
			return held
		}
		decided = err == nil
	}
	if held := f.claimEach(ctx, rest); held != nil {
		f.release(ctx)
		return held
	}
	return nil
}

func (f *fleet) claimEach(ctx context.Context, servers []*visit) *holder {
	var mu sync.Mutex
	var first *holder
	each(servers, func(v *visit) {
		held, _ := f.claimOne(ctx, v) // the server's own step meets the error again
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = held
		}
	})
	return first
}

// claimOne takes the lease of one server. A holder whose process is known to be
// gone is displaced at once.
func (f *fleet) claimOne(ctx context.Context, v *visit) (*holder, error) {
	claim := host.Claim{Run: f.Run, By: f.By, Runner: host.ThisProcess(), TTL: f.ttl(), Queue: f.Lease.Wait > 0}
	claimed, err := v.server.Claim(ctx, claim)
	if err == nil && !claimed.Granted && claimed.Lease.Runner.Gone() {
		claim.Over = claimed.Lease.Token
		claimed, err = v.server.Claim(ctx, claim)
	}
	if err != nil {
		return nil, err
	}
	if !claimed.Granted {
		return &holder{v.name, claimed}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v.claimed, v.claim = true, claimed
	v.claims++
	return nil, nil
}

// hold is the step of a server that makes sure of its lease, and that nothing
// has changed there since it was looked at.
func (f *fleet) hold(ctx context.Context, v *visit, tell *rollout.Teller) error {
	if !v.claimed {
		held, err := f.claimOne(ctx, v)
		if err != nil {
			return err
		}
		if held != nil {
			return host.HeldBy(held.Lease)
		}
	}
	if v.claim.Current == v.state.Current && (v.claim.Pin == nil) == (v.state.Pin == nil) {
		return nil
	}
	return f.look(ctx, v, tell)
}

// keepLeases renews the leases until stop is called. A renewal that fails is
// no failure by itself: the next step of the server tells what became of it.
func (f *fleet) keepLeases(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() {
		every := f.ttl() / 3
		beat := time.NewTicker(every)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
			}
			each(f.held(), func(v *visit) {
				ctx, cancel := context.WithTimeout(ctx, every)
				defer cancel()
				_, _ = v.server.Claim(ctx, host.Claim{Run: f.Run, TTL: f.ttl(), Renew: true})
			})
		}
	})
	return func() {
		cancel()
		beating.Wait()
	}
}

// releaseTime bounds how long a run that is over takes to give its leases back;
// what is not given back ends by itself.
const releaseTime = 10 * time.Second

func (f *fleet) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	each(f.held(), func(v *visit) {
		_ = v.server.Release(ctx)
		f.mu.Lock()
		defer f.mu.Unlock()
		v.claimed = false
	})
}

// fit are the servers that a release can go to, in the order of their names.
func (f *fleet) fit() []*visit { return f.those(func(v *visit) bool { return v.fit }) }

// held are the servers whose lease this run has.
func (f *fleet) held() []*visit { return f.those(func(v *visit) bool { return v.claimed }) }

func (f *fleet) those(are func(*visit) bool) []*visit {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*visit
	for _, v := range f.visits {
		if are(v) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b *visit) int { return strings.Compare(a.key, b.key) })
	return found
}

// each works on servers at the same time.
func each(servers []*visit, work func(*visit)) {
	var group errgroup.Group
	group.SetLimit(rollout.DefaultParallel)
	for _, v := range servers {
		group.Go(func() error {
			work(v)
			return nil
		})
	}
	_ = group.Wait() // work keeps its errors
}

// line is where a delivery stands while another one holds a server.
type line struct {
	wait, ttl time.Duration
	tell      *rollout.Teller
	began     time.Time
	first     holder // whom it met first
	told      string
}

// askAgain is the longest time between two claims of one who waits.
const askAgain = 500 * time.Millisecond

// stand waits a moment before the next claim, or says that waiting is over.
// One who does not want to wait still waits for a holder that may be dead: a
// dead one does not renew its lease.
func (l *line) stand(ctx context.Context, now holder) error {
	if l.began.IsZero() {
		l.began, l.first = time.Now(), now
	}
	if l.over(now) {
		return fmt.Errorf("%w: %s: %w", rollout.ErrHeld, now.server, host.HeldBy(now.Lease))
	}
	l.say(now)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(min(askAgain, l.ttl/4)):
		return nil
	}
}

func (l *line) over(now holder) bool {
	waited := time.Since(l.began)
	if l.wait > 0 {
		return waited > l.wait
	}
	alive := now.server == l.first.server && (now.Lease.Token != l.first.Lease.Token || now.Lease.Beat != l.first.Lease.Beat)
	return alive || waited > max(l.first.Lease.Left, l.ttl)+askAgain
}

// say tells whom the delivery waits for, whenever that changes.
func (l *line) say(now holder) {
	text := fmt.Sprintf("waiting for %s: %s", now.server, host.HeldBy(now.Lease).Message)
	switch {
	case l.wait == 0:
		text += "; it may be dead: then its lease ends soon"
	case now.Position > 1:
		text += fmt.Sprintf("; %d more wait before this", now.Position-1)
	}
	if text != l.told {
		l.told = text
		l.tell.Message(text)
	}
}
