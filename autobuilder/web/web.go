// Package web is the page that people look at: the projects, their builds, the
// live console and the ledger; and the same as JSON under /api/v1.
package web

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

//go:embed templates static
var files embed.FS

// Ledger is what the page reads: autobuilder's record of deliveries and builds.
type Ledger interface {
	// Builds gives the newest builds first, at most limit; an empty project means all.
	Builds(ctx context.Context, project string, limit int) ([]build.Build, error)
	// Build gives one build, or build.ErrUnknown.
	Build(ctx context.Context, id string) (build.Build, error)
	// Fates gives what became of the newest deliveries, newest first.
	Fates(ctx context.Context, limit int) ([]build.Fate, error)
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
	// Tokens are those who may act, asked at each request.
	Tokens  func() []build.Token
	Console Console
	Log     *slog.Logger
	// Poll is how often a live console asks for more; 0 means 250 ms.
	Poll time.Duration
}

// server holds what the handlers need.
type server struct {
	Options
	pages map[string]*template.Template
}

// New makes the handler of the page and the API.
func New(o Options) (http.Handler, error) {
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	if o.Poll == 0 {
		o.Poll = 250 * time.Millisecond
	}
	s := &server{Options: o, pages: pages}
	return s.routes()
}

// routes is the whole surface of the page.
func (s *server) routes() (http.Handler, error) {
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(secure)
	r.Get("/", s.board)
	r.Get("/projects/{project}", s.project)
	r.Get("/builds/{id}", s.build)
	r.Get("/builds/{id}/console", s.consoleText)
	r.Get("/builds/{id}/console/events", s.consoleEvents)
	r.Get("/ledger", s.ledger)
	r.Get("/api/v1/projects", s.apiProjects)
	r.Get("/api/v1/builds", s.apiBuilds)
	r.Get("/api/v1/builds/{id}", s.apiBuild)
	r.Get("/api/v1/ledger", s.apiLedger)
	r.Get("/api/v1/live", s.apiLive)
	r.Get("/api/v1/holds", s.apiHolds)
	r.Get("/api/v1/holds/{hold}", s.apiHold)
	r.Post("/api/v1/holds/{hold}/approve", s.acts(build.ScopeApprove, s.apiAct(s.approve)))
	r.Post("/api/v1/holds/{hold}/reject", s.acts(build.ScopeApprove, s.apiAct(s.reject)))
	r.Post("/api/v1/holds/{hold}/tick", s.acts(build.ScopeApprove, s.apiAct(s.tick)))
	r.Post("/api/v1/rollouts", s.acts(build.ScopeDeploy, s.apiRollout))
	r.Handle("/static/*", http.StripPrefix("/static/", http.FileServerFS(static)))
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusNotFound, "there is no such page")
	})
	return r, nil
}

// secure sets the headers that keep a page from doing what it is not meant to:
// nothing is loaded but our own style and script.
func secure(next http.Handler) http.Handler {
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
		"img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
