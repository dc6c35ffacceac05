package web

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

// build shows one build and its console.
func (s *server) build(w http.ResponseWriter, r *http.Request) {
	b, err := s.Ledger.Build(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	text, next, err := s.consoleSoFar(r.Context(), b)
	note := ""
	if err != nil {
		note = "the console can't be read now: " + err.Error()
	}
	p := page{Title: b.Project + " " + versionOf(b), Body: struct {
		Build build.Build
		Text  string
		Next  int64
		Note  string
	}{b, text, next, note}}
	if !b.State.Final() {
		p.Refresh = refreshOpen
	}
	s.show(w, "build", http.StatusOK, p)
}

// ledger shows what became of each delivery, and why.
func (s *server) ledger(w http.ResponseWriter, r *http.Request) {
	fates, err := s.Ledger.Fates(r.Context(), many)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.show(w, "ledger", http.StatusOK, page{Title: "Ledger", Refresh: refreshIdle, Body: fates})
}
