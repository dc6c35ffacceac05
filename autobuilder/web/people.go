package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

// People is what people, and deliver, do by the page and the API. A hold is named
// by its build's ID, its project or PROJECT@TAG. Errors are build.ErrUnknown and
// build.ErrNotAllowed, whose text says why.
type People interface {
	Hold(ctx context.Context, name string) (build.Hold, error)
	// Holds are those that wait, oldest first, or all, newest first.
	Holds(ctx context.Context, all bool) ([]build.Hold, error)
	Approve(ctx context.Context, name, by, note string) (build.Hold, error)
	Reject(ctx context.Context, name, by, note string) (build.Hold, error)
	Tick(ctx context.Context, name string, t build.Tick) (build.Hold, error)
	// MayApprove says why somebody may not approve a hold; empty: they may.
	MayApprove(h build.Hold, by string) string
	// Live is what runs, per project and environment.
	Live(ctx context.Context) ([]build.Live, error)
	// Commits are those of a project's branch after from, up to to, newest first;
	// an empty from means from the beginning, an empty to the newest.
	Commits(ctx context.Context, project, from, to string) ([]build.Commit, error)
	// Lock keeps a project's builds waiting, Unlock lets them go; build.ErrUnknown if
	// it is not locked.
	Lock(ctx context.Context, l build.Lock) error
	Unlock(ctx context.Context, project, by, note string) error
	// Trigger asks for a build, Replay for another decision on a delivery; both give
	// the ID of a new delivery.
	Trigger(ctx context.Context, w build.Wish, by string) (string, error)
	Replay(ctx context.Context, delivery, by string) (string, error)
	// Explain says what would become of the JSON of a webhook; an error that is
	// build.ErrNotAllowed says what is wrong with it.
	Explain(ctx context.Context, event string, body []byte) (build.Prospect, error)
	// Told keeps what deliver tells of a run; job is the Jenkins job.
	Told(ctx context.Context, r build.Rollout, job string) error
}

func (s *server) apiHolds(w http.ResponseWriter, r *http.Request) {
	holds, err := s.People.Holds(r.Context(), r.URL.Query().Has("all"))
	s.answer(w, r, append([]build.Hold{}, holds...), err)
}

func (s *server) apiHold(w http.ResponseWriter, r *http.Request) {
	hold, err := s.People.Hold(r.Context(), chi.URLParam(r, "hold"))
	s.answer(w, r, hold, err)
}

func (s *server) apiLive(w http.ResponseWriter, r *http.Request) {
	live, err := s.People.Live(r.Context())
	s.answer(w, r, append([]build.Live{}, live...), err)
}

// wish is the body of an action; an empty one will do.
type wish struct {
	Note  string `json:"note"`
	Step  int    `json:"step"`
	Again bool   `json:"again"`
}

func readWish(r *http.Request) (wish, error) {
	var v wish
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return v, err
	}
	return v, nil
}

// deed is what is done about a hold.
type deed func(ctx context.Context, hold, by string, v wish) (build.Hold, error)

// apiAct makes a handler of a deed for the API.
func (s *server) apiAct(do deed) actor {
	return func(w http.ResponseWriter, r *http.Request, by string) {
		v, err := readWish(r)
		if err != nil {
			s.fail(w, r, http.StatusBadRequest, "the body is no JSON with note, step and again: "+err.Error())
			return
		}
		hold, err := do(r.Context(), chi.URLParam(r, "hold"), by, v)
		if errors.Is(err, build.ErrNotAllowed) {
			s.fail(w, r, http.StatusConflict, err.Error())
			return
		}
		s.answer(w, r, hold, err)
	}
}

// formAct makes a handler of a deed for the forms of the page.
func (s *server) formAct(do deed) actor {
	return func(w http.ResponseWriter, r *http.Request, by string) {
		if err := r.ParseForm(); err != nil {
			s.fail(w, r, http.StatusBadRequest, "the form could not be read: "+err.Error())
			return
		}
		step, _ := strconv.Atoi(r.PostForm.Get("step")) // none: the deed has none
		name := chi.URLParam(r, "hold")
		hold, err := do(r.Context(), name, by, wish{Note: r.PostForm.Get("note"), Step: step, Again: r.PostForm.Has("again")})
		switch {
		case errors.Is(err, build.ErrNotAllowed):
			s.showHold(w, r, http.StatusConflict, name, err.Error())
		case err != nil:
			s.failed(w, r, err)
		default:
			http.Redirect(w, r, "/holds/"+url.PathEscape(hold.Build), http.StatusSeeOther)
		}
	}
}

func (s *server) approve(ctx context.Context, hold, by string, v wish) (build.Hold, error) {
	return s.People.Approve(ctx, hold, by, v.Note)
}

func (s *server) reject(ctx context.Context, hold, by string, v wish) (build.Hold, error) {
	return s.People.Reject(ctx, hold, by, v.Note)
}

func (s *server) tick(ctx context.Context, hold, by string, v wish) (build.Hold, error) {
	return s.People.Tick(ctx, hold, build.Tick{Step: v.Step, Again: v.Again, By: by, Note: v.Note})
}
