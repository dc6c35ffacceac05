package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"autobuilder/build"
)

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

func (s *server) formLock(w http.ResponseWriter, r *http.Request, on steer) {
	wish := build.LockWish{Reason: r.PostForm.Get("reason"), For: r.PostForm.Get("for")}
	l, err := wish.Lock(on.Name, on.by, s.Now())
	if err != nil {
		s.showProject(w, r, on.Project, refused{http.StatusBadRequest, err.Error()})
		return
	}
	s.steered(w, r, on, s.People.Lock(r.Context(), l))
}

func (s *server) formUnlock(w http.ResponseWriter, r *http.Request, on steer) {
	err := s.People.Unlock(r.Context(), on.Name, on.by, "")
	if errors.Is(err, build.ErrUnknown) {
		err = nil // somebody was faster
	}
	s.steered(w, r, on, err)
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
