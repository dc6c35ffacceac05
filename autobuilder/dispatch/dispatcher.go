// Package dispatch is the conductor: it turns the deliveries in the ledger into
// builds, each project and commit once, sends them to Jenkins and follows them
// to their end.
package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"autobuilder/build"
	"autobuilder/ledger"
)

// Options are what a Dispatcher works with.
type Options struct {
	Ledger   *ledger.Ledger
	Jenkins  Jenkins
	Git      Git
	Sent     Sent     // nil: GitHub is not asked
	Promoted Promoted // nil: stores are not asked
	Projects []build.Project
	Settle   time.Duration // how long a push waits for the tag that is pushed after it
	Poll     time.Duration // how often Jenkins is asked how far a build is; 0 means 2 s
	Doubt    time.Duration // how long Jenkins must lack a build until it is sent again; 0 means 10 s
	Search   time.Duration // how often the repositories are searched for pushes that nobody told of; 0 means 5 min
	Log      *slog.Logger
}

// Sent knows what GitHub sent, or tried to send: the pushes of a repository since
// a time that are not known, oldest first. With an error, what it gives is
// true, but not all.
type Sent interface {
	Pushes(ctx context.Context, repo string, since time.Time, known func(context.Context, string) (bool, error)) ([]build.Delivery, error)
}

// Dispatcher works in lanes that don't wait for each other: one for the
// deliveries of each repository, one for the builds of each project.
type Dispatcher struct {
	Options
	watcher *lane
	search  []*lane
	decide  []*lane
	build   []*lane
	holds   *lane
}

const (
	idle       = time.Minute // between looks when nothing is to be done
	watchEvery = time.Second // how soon a delivery is seen that another process stored
	longest    = time.Minute // between tries while git or Jenkins is down
)

// New prepares a Dispatcher.
func New(o Options) *Dispatcher {
	if o.Poll == 0 {
		o.Poll = 2 * time.Second
	}
	if o.Doubt == 0 {
		o.Doubt = 10 * time.Second
	}
	if o.Search == 0 {
		o.Search = 5 * time.Minute
	}
	d := &Dispatcher{Options: o}
	d.watcher = newLane(d.watch())
	d.holds = newLane(d.holder())
	return d
}

// Wake lets Run look for new deliveries at once.
func (d *Dispatcher) Wake() {
	wake([]*lane{d.watcher})
}

// Run works until ctx ends, and returns when every lane has come to rest. All
// that is not done then is in the ledger, and done by the next Run.
func (d *Dispatcher) Run(ctx context.Context) error {
	err := d.makeLanes(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was told to stop before it began
	}
	if err != nil {
		return fmt.Errorf("start dispatching: %w", err)
	}
	var lanes sync.WaitGroup
	for _, l := range slices.Concat(d.decide, d.build, d.search, []*lane{d.watcher, d.holds}) {
		lanes.Go(func() { l.run(ctx) })
	}
	lanes.Wait()
	return nil
}

func (d *Dispatcher) makeLanes(ctx context.Context) error {
	repos, told := map[string]bool{}, map[string]bool{}
	projects := map[string]build.Project{}
	for _, p := range d.Projects {
		repos[strings.ToLower(p.Repo)] = true
		projects[p.Name] = p
	}
	open, err := d.Ledger.OpenProjects(ctx)
	if err != nil {
		return err
	}
	d.decide = append(d.decide, newLane(d.strangers(repos)))
	for repo := range repos {
		d.decide = append(d.decide, newLane(d.decider(repo)))
	}
	for _, name := range open {
		if _, ok := projects[name]; !ok {
			d.build = append(d.build, newLane(d.builder(build.Project{Name: name}, false)))
		}
	}
	for _, p := range projects {
		d.build = append(d.build, newLane(d.builder(p, true)))
		repo := strings.ToLower(p.Repo)
		d.search = append(d.search, newLane(d.searcher(p, !told[repo])))
		told[repo] = true
	}
	return nil
}

// watch sees deliveries and what people do about holds as they come into the
// ledger: at once what Wake tells of, soon what another process wrote
// (`autobuilder trigger`, `autobuilder approve`).
func (d *Dispatcher) watch() func(context.Context) time.Duration {
	seen, done := int64(-1), int64(-1)
	return func(ctx context.Context) time.Duration {
		newest, err := d.Ledger.Newest(ctx)
		if err == nil && newest != seen {
			seen = newest
			wake(d.decide)
		}
		act, err := d.Ledger.NewestAct(ctx)
		if err == nil && act != done {
			done = act
			wake(append([]*lane{d.holds}, d.build...))
		}
		return watchEvery
	}
}

// lane does one thing after the other.
type lane struct {
	step  func(context.Context) time.Duration // does what there is to do, says when to look again
	awake chan struct{}
}

func newLane(step func(context.Context) time.Duration) *lane {
	return &lane{step: step, awake: make(chan struct{}, 1)}
}

func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		timer := time.NewTimer(l.step(ctx))
		rest(ctx, time.Since(began))
		select {
		case <-ctx.Done():
		case <-l.awake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// longestRest bounds how long a lane does not look.
const longestRest = 100 * time.Millisecond

// rest has a lane rest for as long as its step took: in a flood of deliveries half
// of the time is for taking them in, and there are more of them for each step.
func rest(ctx context.Context, took time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(min(took, longestRest)):
	}
}

// wake lets the lanes look at once, or once more if they are at it.
func wake(lanes []*lane) {
	for _, l := range lanes {
		select {
		case l.awake <- struct{}{}:
		default:
		}
	}
}

func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = time.Second
	b.MaxInterval = longest
	return b
}
