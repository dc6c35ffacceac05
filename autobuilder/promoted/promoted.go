// Package promoted reads from the stores of projects which release deliver made
// the newest good one. It knows them by deliver's own code.
package promoted

import (
	"context"
	"deliver/store"
	"fmt"
	"sync"
	"time"

	"autobuilder/build"
)

const (
	fresh   = 3 * time.Second  // how long an answer holds, while a row of deliveries is decided
	offline = 30 * time.Second // how long a store that does not answer is left alone
	patient = 5 * time.Second  // how long an answer may take
)

// Stores are the stores of all projects. They may be asked by many goroutines.
type Stores struct {
	mu    sync.Mutex
	known map[string]*shelf // by URL
}

// New prepares Stores; none is asked yet.
func New() *Stores {
	return &Stores{known: map[string]*shelf{}}
}

// shelf is one store, and what it said last.
type shelf struct {
	mu    sync.Mutex
	store *store.Store
	last  build.Rollout
	err   error
	until time.Time // the answer holds
}

// Last is what the project's latest.json says, as the rollout that made it so;
// build.ErrUnknown if nothing was promoted yet.
func (s *Stores) Last(ctx context.Context, p build.Project) (build.Rollout, error) {
	s.mu.Lock()
	one := s.known[p.Store]
	if one == nil {
		one = &shelf{}
		s.known[p.Store] = one
	}
	s.mu.Unlock()
	last, err := one.ask(ctx, p.Store)
	last.Project, last.Environment = p.Name, p.Environment()
	return last, err
}

func (one *shelf) ask(ctx context.Context, url string) (build.Rollout, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	if time.Now().Before(one.until) {
		return one.last, one.err
	}
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	holds := fresh
	one.last, one.err = one.read(ctx, url)
	switch {
	case store.IsKind(one.err, store.KindMissing):
		one.err = fmt.Errorf("%w: %w", build.ErrUnknown, one.err)
	case one.err != nil:
		holds = offline
	}
	one.until = time.Now().Add(holds)
	return one.last, one.err
}

func (one *shelf) read(ctx context.Context, url string) (build.Rollout, error) {
	var err error
	if one.store == nil {
		if one.store, err = store.Open(ctx, url, store.Options{}); err != nil {
			one.store = nil
			return build.Rollout{}, err
		}
	}
	latest, err := one.store.Latest(ctx)
	if err != nil {
		return build.Rollout{}, err
	}
	return build.Rollout{
		Run:    fmt.Sprintf("store-%s-%d", latest.Release, latest.Promoted.Unix()),
		Action: latest.Action, Release: latest.Release, Version: latest.Version, Commit: latest.Commit, By: latest.By, Result: "ok",
		Started: latest.Promoted, Ended: latest.Promoted, SHA256: latest.SHA256, Size: latest.Size,
	}, nil
}
