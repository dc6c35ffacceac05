package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

var errUnreachable = errors.New("no route to host")

// fleet is a number of pretended servers that remember what was done to them.
type fleet struct {
	mu      sync.Mutex
	runs    map[string]string // host → release: "old", "new", "half" between switch and check
	log     []string          // "h1 restart"
	active  map[string]string // host → step
	most    int               // steps at once
	clashes []string          // hosts that two steps worked on at once
	events  []rollout.Event

	// fails says how a step of a host ends; nil: well.
	fails func(ctx context.Context, host, step string) error
	// takes says how long a step takes; nil: no time.
	takes func(host, step string) time.Duration
}

func newFleet() *fleet {
	return &fleet{runs: map[string]string{}, active: map[string]string{}}
}

func hosts(n int) []inventory.Host {
	all := make([]inventory.Host, n)
	for i := range all {
		all[i].Name = fmt.Sprintf("h%d", i+1)
	}
	return all
}

// rollout is a rollout like a delivery's over n hosts.
func (f *fleet) rollout(n int) *rollout.Rollout {
	return &rollout.Rollout{
		ID:    "r1",
		Hosts: hosts(n),
		Prepare: []rollout.Phase{
			{Name: "preflight", Steps: f.steps("look")},
			{Name: "ship", Steps: f.steps("receive")},
		},
		Switch: rollout.Phase{
			Name:   "switch",
			Steps:  f.steps("switch", "restart", "check"),
			Verify: f.steps("check again"),
			Undo:   f.steps("switch back", "restart back", "check back"),
		},
		Unreachable: func(err error) bool { return errors.Is(err, errUnreachable) },
		Listen:      f.listen,
	}
}

func (f *fleet) steps(names ...string) []rollout.Step {
	steps := make([]rollout.Step, len(names))
	for i, name := range names {
		steps[i] = rollout.Step{Name: name, Timeout: time.Minute, Do: f.do(name)}
	}
	return steps
}

func (f *fleet) do(step string) func(context.Context, inventory.Host, *rollout.Teller) error {
	return func(ctx context.Context, h inventory.Host, tell *rollout.Teller) error {
		f.enter(h.Name, step)
		defer f.leave(h.Name)
		if err := f.work(ctx, h.Name, step); err != nil {
			return err
		}
		if step == "receive" {
			tell.Progress(100, 100)
		}
		f.changed(h.Name, step)
		return nil
	}
}

func (f *fleet) work(ctx context.Context, host, step string) error {
	if f.takes != nil {
		select {
		case <-time.After(f.takes(host, step)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.fails != nil {
		return f.fails(ctx, host, step)
	}
	return nil
}

func (f *fleet) enter(host, step string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active[host] != "" {
		f.clashes = append(f.clashes, host)
	}
	f.active[host] = step
	f.most = max(f.most, len(f.active))
	f.log = append(f.log, host+" "+step)
	if step == "switch" {
		f.runs[host] = "half"
	}
}

func (f *fleet) leave(host string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.active, host)
}

func (f *fleet) changed(host, step string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch step {
	case "check":
		f.runs[host] = "new"
	case "check back":
		f.runs[host] = "old"
	}
}

func (f *fleet) listen(e rollout.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

// did lists the hosts that a step was done on, in order.
func (f *fleet) did(step string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var done []string
	for _, line := range f.log {
		if host, ok := cutSuffix(line, " "+step); ok {
			done = append(done, host)
		}
	}
	return done
}

func cutSuffix(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || s[len(s)-len(suffix):] != suffix {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// failing makes the named steps fail: "h2 check".
func failing(lines ...string) func(context.Context, string, string) error {
	return func(_ context.Context, host, step string) error {
		if slices.Contains(lines, host+" "+step) {
			return errors.New(step + " is broken")
		}
		return nil
	}
}

// random makes a step fail with a chance of percent, and take up to a second.
func (f *fleet) random(rng *rand.Rand, percent int) {
	var mu sync.Mutex
	dice := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	f.takes = func(string, string) time.Duration { return time.Duration(dice(1000)) * time.Millisecond }
	f.fails = func(_ context.Context, host, step string) error {
		switch {
		case dice(100) >= percent:
			return nil
		case dice(3) == 0:
			return fmt.Errorf("%s on %s: %w", step, host, errUnreachable)
		default:
			return fmt.Errorf("%s on %s failed", step, host)
		}
	}
}

func rolling(batch string) plan.Order {
	sizes, err := plan.ParseSizes(batch)
	if err != nil {
		panic(err)
	}
	return plan.Order{Mode: plan.Rolling, Batch: sizes}
}
