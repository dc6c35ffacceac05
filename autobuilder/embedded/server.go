// Package embedded is a Jenkins in this process: the part of its REST API that
// clients use, and freestyle jobs run as Jenkins runs them.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Options say where the server keeps its state and what builds see.
type Options struct {
	Dir         string        // jobs, builds, workspaces and queue; made if absent
	URL         string        // where the server is reached, for BUILD_URL and links; empty: as the request says
	Executors   int           // builds at a time; default 2
	QuietPeriod time.Duration // between trigger and start, where the job says nothing
	Drain       time.Duration // how long running builds may go on when the server is stopped
	Grace       time.Duration // from SIGTERM to SIGKILL for a build that is stopped; default 15 s
	Env         []string      // what builds start from; nil: PATH, HOME, locale and the like of this process
	Extra       []string      // variables that every build gets besides
	Logger      *slog.Logger  // what goes wrong outside a request; nil: nobody is told

	// User and Token are demanded of every request, as basic authentication.
	// Without a token everybody who reaches the address may do everything, and
	// only the crumb keeps foreign web pages out.
	User          string
	Token         string
	AnonymousRead bool // pages and API may be read without the token
}

// Server is the embedded Jenkins. It is an http.Handler; Run does the builds.
type Server struct {
	options Options
	handler http.Handler
	lock    *os.File
	session sessions
	wake    chan struct{} // holds one note that something may be startable

	mu      sync.Mutex
	jobs    map[string]*job
	queue   queue
	running map[*run]struct{}
}

// New opens the state in o.Dir. Builds that were running when the last server
// on it died are ended: what is left of their processes is killed, and they
// read as failed.
func New(o Options) (*Server, error) {
	o, err := withDefaults(o)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		options: o, lock: lock, session: newSessions(), wake: make(chan struct{}, 1),
		jobs: map[string]*job{}, running: map[*run]struct{}{},
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.handler, err = s.routes()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func withDefaults(o Options) (Options, error) {
	if o.Dir == "" {
		return o, errors.New("embedded jenkins: no directory given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("embedded jenkins: %w", err)
	}
	o.Dir = dir
	if o.URL != "" {
		if u, err := url.Parse(o.URL); err != nil || u.Host == "" {
			return o, fmt.Errorf("embedded jenkins: url %q: want http://HOST/", o.URL)
		}
		o.URL = withSlash(o.URL)
	}
	if o.Executors <= 0 {
		o.Executors = 2
	}
	if o.Grace <= 0 {
		o.Grace = 15 * time.Second
	}
	if o.Env == nil {
		o.Env = plainEnv(os.Environ())
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Two servers on one directory would give one number to two builds.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Join(dir, "jobs"), 0o755); err != nil {
		return nil, fmt.Errorf("embedded jenkins: make its directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded jenkins: %w", err)
	}
	if !lockSoon(lock) {
		return nil, errors.Join(fmt.Errorf("embedded jenkins: %s is in use by another server", dir), lock.Close())
	}
	return lock, nil
}

// lockSoon tries for a moment: a server that was killed while it started a build
// is gone, but the child that it was about to make still has the lock, until it
// becomes the shell.
func lockSoon(lock *os.File) bool {
	deadline := time.After(2 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}

// load reads jobs before the queue: a build that has begun is in both when the
// last server died between the two writes.
func (s *Server) load() error {
	if err := s.loadJobs(); err != nil {
		return fmt.Errorf("embedded jenkins: load jobs: %w", err)
	}
	if err := s.loadQueue(); err != nil {
		return fmt.Errorf("embedded jenkins: load queue: %w", err)
	}
	if err := s.discardStrays(); err != nil {
		return fmt.Errorf("embedded jenkins: remove files that no build waits for: %w", err)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handler.ServeHTTP(w, r)
}

// Run starts builds until ctx is done. It lets those that run then go on for a
// while, stops what is left, and returns when the last is over. What is in the
// queue stays there for the next server.
func (s *Server) Run(ctx context.Context) error {
	var builds sync.WaitGroup
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for ctx.Err() == nil {
		s.awaitWork(ctx, s.startReady(running, &builds))
	}
	s.drain(&builds, stop)
	return nil
}

func (s *Server) drain(builds *sync.WaitGroup, stop func()) {
	s.mu.Lock()
	left := len(s.running)
	s.mu.Unlock()
	if left > 0 && s.options.Drain > 0 {
		s.options.Logger.Info("running builds may go on", "builds", left, "for", s.options.Drain)
	}
	late := time.AfterFunc(s.options.Drain, stop)
	defer late.Stop()
	builds.Wait()
}

// awaitWork returns when something may be startable: a change, or the end of
// a quiet period.
func (s *Server) awaitWork(ctx context.Context, next time.Duration) {
	timer := time.NewTimer(next)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-timer.C:
	}
}

// Close gives the directory free. Run must have returned.
func (s *Server) Close() error {
	return s.lock.Close()
}

func (s *Server) changed() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func withSlash(address string) string {
	if address != "" && address[len(address)-1] != '/' {
		return address + "/"
	}
	return address
}
