package web

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

const (
	refreshOpen = 2  // seconds, while a build is open
	refreshIdle = 10 // seconds
	recent      = 15 // builds on the board
	many        = 100
)

// status is a project as the board shows it.
type status struct {
	Project build.Project `json:"project"`
	// Good is the newest build that succeeded: what runs on the servers.
	Good *build.Build `json:"good,omitempty"`
	// Last is the newest build, whatever became of it.
	Last *build.Build `json:"last,omitempty"`
}

// board shows every project and the newest builds.
func (s *server) board(w http.ResponseWriter, r *http.Request) {
	projects, err := s.statuses(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	builds, err := s.Ledger.Builds(r.Context(), "", recent)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.show(w, "board", http.StatusOK, page{
		Title: "Projects", Refresh: refresh(builds),
		Body: struct {
			Projects []status
			Builds   []build.Build
		}{projects, builds},
	})
}

// project shows one project's builds.
func (s *server) project(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "project")
	if !s.known(name) {
		s.fail(w, r, http.StatusNotFound, "there is no project "+name)
		return
	}
	builds, err := s.Ledger.Builds(r.Context(), name, many)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.show(w, "project", http.StatusOK, page{Title: name, Refresh: refresh(builds), Body: builds})
}

// statuses looks up what the board says of each project.
func (s *server) statuses(ctx context.Context) ([]status, error) {
	var all []status
	for _, p := range s.Projects() {
		st, err := s.status(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// few builds mostly hold a good one.
const few = 5

func (s *server) status(ctx context.Context, p build.Project) (status, error) {
	builds, err := s.Ledger.Builds(ctx, p.Name, few)
	st := statusOf(p, builds)
	if err == nil && st.Good == nil && len(builds) == few {
		builds, err = s.Ledger.Builds(ctx, p.Name, many)
		st = statusOf(p, builds)
	}
	return st, err
}

// statusOf picks from a project's builds, newest first.
func statusOf(p build.Project, builds []build.Build) status {
	st := status{Project: p}
	if len(builds) > 0 {
		st.Last = &builds[0]
	}
	for i := range builds {
		if builds[i].State == build.Succeeded && builds[i].Command == "" {
			st.Good = &builds[i]
			break
		}
	}
	return st
}

func (s *server) known(project string) bool {
	for _, p := range s.Projects() {
		if p.Name == project {
			return true
		}
	}
	return false
}

// refresh is quick while something is going on.
func refresh(builds []build.Build) int {
	for _, b := range builds {
		if !b.State.Final() {
			return refreshOpen
		}
	}
	return refreshIdle
}
