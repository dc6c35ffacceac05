package web

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
	"autobuilder/signin"
)

// past is how many holds that wait no more are listed.
const past = 30

// holdPage is what a hold's page shows.
type holdPage struct {
	Hold      build.Hold
	Live      build.Live
	Commits   []build.Commit // over what is live
	Unknown   bool           // what changed could not be read
	Compare   string
	Site      site
	Approvers []string
	Person    *signin.Person
	Acts      bool   // the person may act on holds
	MayNot    string // why the person may not approve it
	Wrong     string // why what they asked for was not done
}

// Done counts the steps of the checklist that are done.
func (h holdPage) Done() int {
	n := 0
	for _, step := range h.Hold.Steps {
		if step.State == build.ItemDone {
			n++
		}
	}
	return n
}

// Turn says whether it is the step's turn and a person can do something about it.
func (h holdPage) Turn(step build.Item) bool {
	next := h.Hold.Next()
	return h.Acts && h.Hold.State == build.Approved && next != nil && next.N == step.N &&
		(step.Kind == build.ItemPerson || step.State == build.ItemFailed)
}

// holds lists the releases that wait for people, and those that did.
func (s *server) holds(w http.ResponseWriter, r *http.Request) {
	open, err := s.People.Holds(r.Context(), false)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	all, err := s.People.Holds(r.Context(), true)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	var ended []build.Hold
	for _, h := range all {
		if !h.State.Open() && len(ended) < past {
			ended = append(ended, h)
		}
	}
	s.show(w, r, "holds", http.StatusOK, page{
		Title: "Holds", Section: "holds", Refresh: refreshIdle,
		Body: struct{ Open, Ended []build.Hold }{open, ended},
	})
}

// hold shows one, and lets those who may decide on it.
func (s *server) hold(w http.ResponseWriter, r *http.Request) {
	s.showHold(w, r, http.StatusOK, chi.URLParam(r, "hold"), "")
}

func (s *server) showHold(w http.ResponseWriter, r *http.Request, status int, name, wrong string) {
	h, err := s.People.Hold(r.Context(), name)
	if errors.Is(err, build.ErrNotAllowed) {
		s.fail(w, r, http.StatusConflict, err.Error())
		return
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	body, err := s.holdPage(r, h)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	body.Wrong = wrong
	p := page{Title: h.Project + " " + h.Tag, Section: "holds", Body: body, Say: h.Project + " " + h.Tag + " is " + string(h.State) + "."}
	if h.State.Open() && wrong == "" {
		p.Refresh = refreshIdle
	}
	s.show(w, r, "hold", status, p)
}

func (s *server) holdPage(r *http.Request, h build.Hold) (*holdPage, error) {
	p := &holdPage{Hold: h}
	live, err := s.People.Live(r.Context())
	if err != nil {
		return p, err
	}
	if own := liveOf(live, h.Project); len(own) > 0 {
		p.Live = own[0]
	}
	if project, ok := s.known(h.Project); ok {
		p.Site, p.Approvers = siteOf(project), project.Hold.Approvers
	}
	p.Compare = p.Site.Compare(p.Live.Commit, h.Commit)
	if p.Commits, err = s.People.Commits(r.Context(), h.Project, p.Live.Commit, h.Commit); err != nil {
		p.Unknown = true // the repository is away; the hold is not
	}
	if person, ok := s.Desk().Who(r); ok {
		p.Person, p.Acts = &person, person.May(build.ScopeApprove)
		p.MayNot = s.People.MayApprove(h, person.Name)
	}
	return p, nil
}
