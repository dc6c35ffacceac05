package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

// steers lets only those act on a project whom its config lets do so.
func (s *server) steers(do string, lists func(build.Chat) []string, act func(http.ResponseWriter, *http.Request, steer)) http.HandlerFunc {
	return s.acts(build.ScopeTrigger, func(w http.ResponseWriter, r *http.Request, by string) {
		p, ok := s.known(chi.URLParam(r, "project"))
		if !ok {
			s.fail(w, r, http.StatusNotFound, "there is no project "+chi.URLParam(r, "project"))
			return
		}
		if why := build.MayNot(lists(p.Chat), by, do, p.Name); why != "" {
			s.fail(w, r, http.StatusConflict, why)
			return
		}
		act(w, r, steer{p, by})
	})
}

// steer is a project that somebody acts on who may.
type steer struct {
	build.Project
	by string
}

func lockers(c build.Chat) []string { return c.Lock }

func (s *server) apiLock(w http.ResponseWriter, r *http.Request, on steer) {
	var wish build.LockWish
	if !s.read(w, r, &wish) {
		return
	}
	l, err := wish.Lock(on.Name, on.by, s.Now())
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	err = s.People.Lock(r.Context(), l)
	if errors.Is(err, build.ErrNotAllowed) {
		s.fail(w, r, http.StatusConflict, err.Error())
		return
	}
	s.answer(w, r, l, err)
}

func (s *server) apiUnlock(w http.ResponseWriter, r *http.Request, on steer) {
	var wish struct {
		Note string `json:"note"`
	}
	if !s.read(w, r, &wish) {
		return
	}
	err := s.People.Unlock(r.Context(), on.Name, on.by, wish.Note)
	if errors.Is(err, build.ErrUnknown) {
		s.fail(w, r, http.StatusNotFound, on.Name+" is not locked")
		return
	}
	s.answer(w, r, map[string]string{"unlocked": on.Name}, err)
}

// read reads the JSON of a wish, of which an empty body is one; if it can't, it
// says so.
func (s *server) read(w http.ResponseWriter, r *http.Request, wish any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(wish); err != nil && !errors.Is(err, io.EOF) {
		s.fail(w, r, http.StatusBadRequest, "the body is not what was expected: "+err.Error())
		return false
	}
	return true
}
