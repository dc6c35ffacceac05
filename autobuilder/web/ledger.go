package web

import (
	"fmt"
	"net/http"
	"slices"
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
	backlogs, err := s.backlogs(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	p.Body = record{word, fates, len(fates) < many, backlogs}
	s.show(w, r, "ledger", http.StatusOK, p)
}

// record is what the ledger's page shows.
type record struct {
	Word   string
	Fates  []build.Fate
	All    bool
	Outbox []build.Backlog
}

// Behind are the notifiers that have not been told everything.
func (p record) Behind() []build.Backlog {
	return slices.DeleteFunc(slices.Clone(p.Outbox), func(b build.Backlog) bool { return b.Letters == 0 })
}

// backlogs are those of all notifiers. What a place said is for those who have
// signed in: it may tell of how one is reached.
func (s *server) backlogs(r *http.Request) ([]build.Backlog, error) {
	all, err := s.Ledger.Backlogs(r.Context())
	if _, ok := s.Desk().Who(r); !ok {
		for i := range all {
			all[i].Error = ""
		}
	}
	return append([]build.Backlog{}, all...), err
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
