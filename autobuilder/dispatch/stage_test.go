package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/dispatch"
	"autobuilder/ledger"
)

// stage is a repository, a ledger, a Jenkins, and a dispatcher between them.
type stage struct {
	t       *testing.T
	ci      *ci
	book    *ledger.Ledger
	repo    string // a bare repository, as GitHub's
	tree    string // an engineer's working tree of it
	options dispatch.Options
	ids     atomic.Int64
	halted  atomic.Bool
	wake    atomic.Pointer[func()]
	ended   <-chan struct{} // of the last dispatcher's context
	log     *syncBuffer
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newStage(t *testing.T, change ...func(*build.Project)) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{t: t, ci: &ci{}, repo: filepath.Join(dir, "shop.git"), tree: filepath.Join(dir, "shop"), log: &syncBuffer{}}
	book, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, book.Close()) })
	s.book = book
	s.git("init", "--quiet", "--bare", "--initial-branch=master", s.repo)
	s.git("init", "--quiet", "--initial-branch=master", s.tree)
	p := build.Project{Name: "shop", Repo: "acme/shop", CloneURL: s.repo}
	p.Defaults()
	for _, c := range change {
		c(&p)
	}
	s.options = dispatch.Options{
		Ledger: book, Jenkins: s.ci, Git: dispatch.Git{Dir: filepath.Join(dir, "git"), Timeout: 30 * time.Second},
		Projects: []build.Project{p}, Settle: time.Millisecond, Poll: 5 * time.Millisecond, Doubt: 50 * time.Millisecond,
		Search: time.Hour,
		Log:    slog.New(slog.NewTextHandler(s.log, nil)),
	}
	return s
}

// run starts a dispatcher; what it returns stops it and waits for it.
func (s *stage) run() (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.ended = ctx.Done()
	done := make(chan error, 1)
	d := dispatch.New(s.options)
	wake := d.Wake
	s.wake.Store(&wake)
	go func() { done <- d.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			assert.NoError(s.t, <-done)
		})
	}
	s.t.Cleanup(stop)
	return stop
}

func (s *stage) git(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@test")
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// commit makes one in the working tree.
func (s *stage) commit(message string) string {
	s.t.Helper()
	s.git("-C", s.tree, "commit", "--quiet", "--allow-empty", "-m", message)
	return s.git("-C", s.tree, "rev-parse", "HEAD")
}

// tag makes an annotated one.
func (s *stage) tag(name string) { s.git("-C", s.tree, "tag", "-a", "-m", name, name) }

// publish pushes refs to the repository; nobody is told.
func (s *stage) publish(refs ...string) {
	s.t.Helper()
	s.git(append([]string{"-C", s.tree, "push", "--quiet", "--force", s.repo}, refs...)...)
}

// tell stores the delivery that GitHub would send of the ref, as it is now.
func (s *stage) tell(ref string, change ...func(*build.Delivery)) string {
	s.t.Helper()
	d := build.Delivery{
		ID: fmt.Sprintf("d%d", s.ids.Add(1)), Event: "push", Received: time.Now(), Body: []byte("{}"),
		Push: build.Push{
			Repo: "acme/shop", Ref: ref, Pusher: "ada", Message: "m",
			After: s.git("-C", s.tree, "rev-parse", ref), Commit: s.git("-C", s.tree, "rev-parse", ref+"^{commit}"),
		},
	}
	for _, c := range change {
		c(&d)
	}
	s.store(d)
	return d.ID
}

func (s *stage) store(d build.Delivery) {
	s.t.Helper()
	require.NoError(s.t, s.book.Store(s.t.Context(), d))
	if wake := s.wake.Load(); wake != nil {
		(*wake)()
	}
}

// trigger stores what a person asks for.
func (s *stage) trigger(ref string, again bool) string {
	s.t.Helper()
	id := fmt.Sprintf("t%d", s.ids.Add(1))
	s.store(build.Delivery{
		ID: id, Event: build.Trigger, Received: time.Now(),
		Push: build.Push{Repo: "acme/shop", Project: "shop", Ref: ref, Pusher: "ada", Again: again},
	})
	return id
}

// push commits, publishes master and tells of it.
func (s *stage) push(message string) (commit string) {
	s.t.Helper()
	commit = s.commit(message)
	s.publish("master")
	s.tell("refs/heads/master")
	return commit
}

// fate waits until the delivery is decided.
func (s *stage) fate(id string) build.Fate {
	s.t.Helper()
	var fate build.Fate
	s.eventually(func() bool {
		var err error
		fate, err = s.book.Fate(s.t.Context(), id)
		return err == nil && fate.Verdict != ledger.Pending
	}, "delivery %s is decided", id)
	return fate
}

// builds are all, oldest first.
func (s *stage) builds() []build.Build {
	s.t.Helper()
	found, err := s.book.Builds(s.t.Context(), "", 1000)
	require.NoError(s.t, err)
	oldestFirst := make([]build.Build, 0, len(found))
	for i := len(found) - 1; i >= 0; i-- {
		oldestFirst = append(oldestFirst, found[i])
	}
	return oldestFirst
}

// reaches waits until the nth build is in the state.
func (s *stage) reaches(n int, state build.State) build.Build {
	s.t.Helper()
	s.eventually(func() bool {
		all := s.builds()
		return len(all) > n && all[n].State == state
	}, "build %d is %s", n, state)
	return s.builds()[n]
}

func (s *stage) eventually(is func() bool, format string, args ...any) {
	s.t.Helper()
	require.Eventually(s.t, is, 30*time.Second, 2*time.Millisecond, fmt.Sprintf(format, args...)+"\n%s", s.log)
}

// stopHere stops the dispatcher in the middle of a request: its context has
// ended when the request goes on.
func (s *stage) stopHere(stop func()) func() {
	return func() {
		if s.halted.CompareAndSwap(false, true) {
			go stop()
			<-s.ended
		}
	}
}

// commitBeside makes a commit of another branch, which is published too.
func (s *stage) commitBeside(message string) string {
	s.t.Helper()
	s.git("-C", s.tree, "checkout", "--quiet", "-b", message)
	commit := s.commit(message)
	s.git("-C", s.tree, "checkout", "--quiet", "master")
	s.publish(message)
	return commit
}
