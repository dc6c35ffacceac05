package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
	"autobuilder/signin"
)

// steer is a project that somebody acts on who may.
type steer struct {
	build.Project
	by string
}

// who are those that may do something with a project.
type who func(build.Chat) []string

func lockers(c build.Chat) []string   { return c.Lock }
func deployers(c build.Chat) []string { return c.Deploy }
func returners(c build.Chat) []string { return c.Rollback }

// steers lets only those act on a project whom its config lets do so.
func (s *server) steers(do string, may who, act func(http.ResponseWriter, *http.Request, steer)) http.HandlerFunc {
	return s.acts(build.ScopeTrigger, func(w http.ResponseWriter, r *http.Request, by string) {
		p, ok := s.known(chi.URLParam(r, "project"))
		if !ok {
			s.fail(w, r, http.StatusNotFound, "there is no project "+chi.URLParam(r, "project"))
			return
		}
		if why := build.MayNot(may(p.Chat), by, do, p.Name); why != "" {
			s.fail(w, r, http.StatusConflict, why)
			return
		}
		if !isAPI(r) {
			if err := r.ParseForm(); err != nil {
				s.fail(w, r, http.StatusBadRequest, "the form could not be read: "+err.Error())
				return
			}
		}
		act(w, r, steer{p, by})
	})
}

// refused is what somebody asked for in vain; none: they did not.
type refused struct {
	status int
	why    string
}

// steering is what the page lets somebody do with a project.
type steering struct {
	Person *signin.Person // nil: nobody has signed in
	May    bool           // the person may do something at all
	// Why not each of these; empty: they may.
	NotDeploy, NotRollback, NotLock string
	Back                            []build.Build // what may go out again, newest first
	Wrong                           string        // with what was asked for
	Door                            bool          // there is a way to sign in
}

func (s *server) steering(r *http.Request, t timeline, no refused) steering {
	desk := s.Desk()
	on := steering{Wrong: no.why, Door: desk.HasGitHub() || desk.HasTokens()}
	person, ok := desk.Who(r)
	if !ok {
		return on
	}
	on.Person, on.May = &person, person.May(build.ScopeTrigger)
	name, chat := t.Project.Name, t.Project.Chat
	on.NotDeploy = build.MayNot(chat.Deploy, person.Name, "deploy", name)
	on.NotRollback = build.MayNot(chat.Rollback, person.Name, "roll back", name)
	on.NotLock = build.MayNot(chat.Lock, person.Name, "lock", name)
	on.Back = goodBefore(t)
	return on
}

// goodBefore are the releases of a page that went well, but for what is live and
// for what a watch took back, whose build says why.
func goodBefore(t timeline) []build.Build {
	seen := map[string]bool{}
	for _, l := range t.Live {
		seen[l.Commit] = true
	}
	var found []build.Build
	for _, e := range t.Entries {
		b := e.Build
		if b.State == build.Succeeded && b.Command == "" && b.Only == "" && b.Why == "" && !seen[b.Commit] {
			seen[b.Commit] = true
			found = append(found, b)
		}
	}
	return found
}

// formDeploy asks for a branch, a tag or a commit, as a room does.
func (s *server) formDeploy(w http.ResponseWriter, r *http.Request, on steer) {
	s.wish(w, r, on, build.Wish{
		Ref: strings.TrimSpace(r.PostForm.Get("ref")), Again: r.PostForm.Has("again"), Only: r.PostForm.Get("only"),
	})
}

// formRollback asks for what was delivered before.
func (s *server) formRollback(w http.ResponseWriter, r *http.Request, on steer) {
	s.wish(w, r, on, build.Wish{Ref: r.PostForm.Get("to"), Back: true})
}

// wish asks, and shows what became of it: a build, or why there is none.
func (s *server) wish(w http.ResponseWriter, r *http.Request, on steer, wish build.Wish) {
	wish.Project = on.Name
	id, err := s.People.Trigger(r.Context(), wish, on.by)
	if err != nil {
		s.steered(w, r, on, err)
		return
	}
	fate, err := s.fate(r.Context(), id)
	switch {
	case err != nil:
		s.failed(w, r, err)
	case fate.Verdict == pending:
		http.Redirect(w, r, "/ledger?q="+url.QueryEscape(id), http.StatusSeeOther)
	case fate.Build == "" || fate.Verdict == ignored:
		s.showProject(w, r, on.Project, refused{http.StatusConflict, fate.Why})
	default:
		http.Redirect(w, r, "/builds/"+url.PathEscape(fate.Build), http.StatusSeeOther)
	}
}

const (
	pending = "pending"
	ignored = "ignored"
	soon    = 1500 * time.Millisecond // of who waits for the next page
	glance  = 25 * time.Millisecond
)

// fate waits a moment for a decision.
func (s *server) fate(ctx context.Context, id string) (build.Fate, error) {
	waiting, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		fate, err := s.Ledger.Fate(ctx, id)
		if err != nil || fate.Verdict != pending {
			return fate, err
		}
		select {
		case <-waiting.Done():
			return fate, nil
		case <-tick.C:
		}
	}
}

// steered goes back to the project, or says why that did not work.
func (s *server) steered(w http.ResponseWriter, r *http.Request, on steer, err error) {
	switch {
	case errors.Is(err, build.ErrNotAllowed):
		s.showProject(w, r, on.Project, refused{http.StatusConflict, err.Error()})
	case err != nil:
		s.failed(w, r, err)
	default:
		http.Redirect(w, r, "/projects/"+url.PathEscape(on.Name), http.StatusSeeOther)
	}
}
