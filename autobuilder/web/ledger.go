package web

import (
	"fmt"
	"net/http"
	"strings"

	"autobuilder/build"
)

// maxWord bounds what is searched for.
const maxWord = 200

// ledger shows what became of each delivery, and why.
func (s *server) ledger(w http.ResponseWriter, r *http.Request) {
	fates, err := s.fates(r, many)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	p := page{Title: "Ledger", Section: "ledger", Refresh: refreshIdle}
	word := searched(r)
	if word != "" {
		p.Refresh, p.Say = 0, fmt.Sprintf("%d deliveries found for %s.", len(fates), word)
	}
	p.Body = struct {
		Word  string
		Fates []build.Fate
		All   bool
	}{word, fates, len(fates) < many}
	s.show(w, r, "ledger", http.StatusOK, p)
}

func searched(r *http.Request) string {
	return cut(strings.TrimSpace(r.URL.Query().Get("q")), maxWord)
}

// fates are those that the request searches for, or the newest.
func (s *server) fates(r *http.Request, limit int) ([]build.Fate, error) {
	if word := searched(r); word != "" {
		return s.Ledger.Search(r.Context(), word, limit)
	}
	return s.Ledger.Fates(r.Context(), limit)
}
