// Package web is the page that people look at: the projects and what is live, their
// builds with the live console, what waits for people, and the ledger; and the same
// as JSON under /api/v1.
package web

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
	"autobuilder/console"
	"autobuilder/signin"
)

//go:embed templates static
var files embed.FS

// Ledger is what the page reads: autobuilder's record of deliveries and builds.
type Ledger interface {
	// Builds gives the newest builds first, at most limit; an empty project means all.
	Builds(ctx context.Context, project string, limit int) ([]build.Build, error)
	// Older gives the builds of a project that were made before the given one, newest first.
	Older(ctx context.Context, project, before string, limit int) ([]build.Build, error)
	// Build gives one build, or build.ErrUnknown.
	Build(ctx context.Context, id string) (build.Build, error)
	// Fates gives what became of the newest deliveries, newest first.
	Fates(ctx context.Context, limit int) ([]build.Fate, error)
	// FatesOf gives the deliveries that asked for a build, oldest first.
	FatesOf(ctx context.Context, id string) ([]build.Fate, error)
	// Fate gives what became of one delivery.
	Fate(ctx context.Context, id string) (build.Fate, error)
	// Search gives the newest deliveries that a word means, newest first.
	Search(ctx context.Context, word string, limit int) ([]build.Fate, error)
	// RolloutsOf gives the runs of deliver that a build made, oldest first.
	RolloutsOf(ctx context.Context, id string) ([]build.Rollout, error)
	// Locks are those of all projects.
	Locks(ctx context.Context) ([]build.Lock, error)
	// Watched are the releases that are watched now.
	Watched(ctx context.Context) ([]build.Watching, error)
	// Backlogs are what notifiers have not been told yet.
	Backlogs(ctx context.Context) ([]build.Backlog, error)
	// Undecided counts the deliveries that are pending.
	Undecided(ctx context.Context) (int, error)
	// Version changes with everything that is written.
	Version(ctx context.Context) (int64, error)
}

// Console reads a build's output from offset on. next is where to read
// on; more says that the build may still write.
type Console func(ctx context.Context, job string, number, offset int64) (text []byte, next int64, more bool, err error)

// Options are what the page shows.
type Options struct {
	// Projects gives the projects in the order in which they are shown; it is
	// asked at each request, since a reload changes them.
	Projects func() []build.Project
	Ledger   Ledger
	People   People
	// Desk knows who people are; it is asked for at each request.
	Desk    func() *signin.Desk
	Console Console
	Log     *slog.Logger
	// Poll is how often a live console asks for more; 0 means 250 ms.
	Poll time.Duration
	// Now is the time that ages are told by; nil means the clock's.
	Now func() time.Time
}

// server holds what the handlers need.
type server struct {
	Options
	pages map[string]*template.Template
	hub   *console.Hub
	feed  *feed
}

// New makes the handler of the page and the API. What it does between requests
// ends with ctx.
func New(ctx context.Context, o Options) (http.Handler, error) {
	if o.Poll == 0 {
		o.Poll = 250 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{Options: o}
	var err error
	if s.pages, err = parsePages(s.functions()); err != nil {
		return nil, err
	}
	s.hub = console.NewHub(ctx, s.piece, o.Poll)
	s.feed = newFeed(ctx, o.Ledger.Version, 2*o.Poll)
	return s.routes()
}

// routes is the whole surface of the page.
func (s *server) routes() (http.Handler, error) {
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(secure, s.sameOrigin)
	r.Get("/static/*", http.StripPrefix("/static/", cached(http.FileServerFS(static))).ServeHTTP)
	r.Get("/sign-in", s.signInPage)
	r.Post("/sign-in", s.signIn)
	r.Post("/sign-out", s.signOut)
	r.Get("/sign-in/github", s.toGitHub)
	r.Get(signin.CallbackPath, s.fromGitHub)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusNotFound, "there is no such page")
	})
	r.Group(func(r chi.Router) {
		r.Use(s.readers)
		s.pageRoutes(r)
		s.apiRoutes(r)
	})
	return r, nil
}

func (s *server) pageRoutes(r chi.Router) {
	r.Get("/", s.board)
	r.Get("/events", s.events)
	r.Get("/projects/{project}", s.project)
	r.Post("/projects/{project}/deploy", s.steers("deploy", deployers, s.formDeploy))
	r.Post("/projects/{project}/rollback", s.steers("roll back", returners, s.formRollback))
	r.Post("/projects/{project}/lock", s.steers("lock", lockers, s.formLock))
	r.Post("/projects/{project}/unlock", s.steers("unlock", lockers, s.formUnlock))
	r.Get("/builds/{id}", s.build)
	r.Get("/builds/{id}/console", s.consoleText)
	r.Get("/builds/{id}/console/events", s.consoleEvents)
	r.Get("/holds", s.holds)
	r.Get("/holds/{hold}", s.hold)
	r.Post("/holds/{hold}/approve", s.acts(build.ScopeApprove, s.formAct(s.approve)))
	r.Post("/holds/{hold}/reject", s.acts(build.ScopeApprove, s.formAct(s.reject)))
	r.Post("/holds/{hold}/tick", s.acts(build.ScopeApprove, s.formAct(s.tick)))
	r.Get("/ledger", s.ledger)
}

func (s *server) apiRoutes(r chi.Router) {
	r.Get("/api/v1/status", s.apiStatus)
	r.Get("/api/v1/projects", s.apiProjects)
	r.Get("/api/v1/builds", s.apiBuilds)
	r.Get("/api/v1/builds/{id}", s.apiBuild)
	r.Get("/api/v1/builds/{id}/rollouts", s.apiRollouts)
	r.Get("/api/v1/ledger", s.apiLedger)
	r.Get("/api/v1/live", s.apiLive)
	r.Get("/api/v1/holds", s.apiHolds)
	r.Get("/api/v1/holds/{hold}", s.apiHold)
	r.Post("/api/v1/holds/{hold}/approve", s.acts(build.ScopeApprove, s.apiAct(s.approve)))
	r.Post("/api/v1/holds/{hold}/reject", s.acts(build.ScopeApprove, s.apiAct(s.reject)))
	r.Post("/api/v1/holds/{hold}/tick", s.acts(build.ScopeApprove, s.apiAct(s.tick)))
	r.Post("/api/v1/projects/{project}/lock", s.steers("lock", lockers, s.apiLock))
	r.Post("/api/v1/projects/{project}/unlock", s.steers("unlock", lockers, s.apiUnlock))
	r.Post("/api/v1/triggers", s.acts(build.ScopeTrigger, s.apiTrigger))
	r.Post("/api/v1/replays", s.acts(build.ScopeTrigger, s.apiReplay))
	r.Post("/api/v1/explain", s.acts(build.ScopeRead, s.apiExplain))
	r.Post("/api/v1/rollouts", s.acts(build.ScopeDeploy, s.apiRollout))
}

// secure sets the headers that keep a page from doing what it is not meant to:
// nothing is loaded but our own style and script.
func secure(next http.Handler) http.Handler {
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
		"img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what another site's page makes a browser send.
func (s *server) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protection := http.NewCrossOriginProtection()
		// Behind a proxy the Host may be another than the one that the browser knows.
		_ = protection.AddTrustedOrigin(strings.TrimRight(s.Desk().URL, "/")) // one that is no origin is not trusted
		if err := protection.Check(r); err != nil {
			s.fail(w, r, http.StatusForbidden, "another site's page sent this: "+err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// cached lets browsers keep what has its version in its address.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		next.ServeHTTP(w, r)
	})
}
