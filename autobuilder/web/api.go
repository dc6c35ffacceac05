package web

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

// apiMost is how many rows one answer may have.
const apiMost = 1000

func (s *server) apiProjects(w http.ResponseWriter, r *http.Request) {
	statuses, err := s.statuses(r.Context())
	s.answer(w, r, statuses, err)
}

func (s *server) apiBuilds(w http.ResponseWriter, r *http.Request) {
	builds, err := s.Ledger.Builds(r.Context(), r.URL.Query().Get("project"), limit(r))
	s.answer(w, r, builds, err)
}

func (s *server) apiBuild(w http.ResponseWriter, r *http.Request) {
	b, err := s.Ledger.Build(r.Context(), chi.URLParam(r, "id"))
	s.answer(w, r, b, err)
}

func (s *server) apiRollouts(w http.ResponseWriter, r *http.Request) {
	rollouts, err := s.Ledger.RolloutsOf(r.Context(), chi.URLParam(r, "id"))
	s.answer(w, r, append([]build.Rollout{}, rollouts...), err)
}

func (s *server) apiLedger(w http.ResponseWriter, r *http.Request) {
	fates, err := s.fates(r, limit(r))
	if fates == nil {
		fates = []build.Fate{}
	}
	s.answer(w, r, fates, err)
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err != nil {
		s.failed(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, v)
}

// limit reads ?limit=N; anything else than a sensible number means the default.
func limit(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || n < 1 || n > apiMost {
		return many
	}
	return n
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a reader that went away is no fault of ours
}
