package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

// People is what people, and deliver, do by the API. A hold is named by its
// build's ID, its project or PROJECT@TAG. Errors are build.ErrUnknown and
// build.ErrNotAllowed, whose text says why.
type People interface {
	Hold(ctx context.Context, name string) (build.Hold, error)
	// Holds are those that wait, oldest first, or all, newest first.
	Holds(ctx context.Context, all bool) ([]build.Hold, error)
	Approve(ctx context.Context, name, by, note string) (build.Hold, error)
	Reject(ctx context.Context, name, by, note string) (build.Hold, error)
	Tick(ctx context.Context, name string, t build.Tick) (build.Hold, error)
	// Live is what runs, per project and environment.
	Live(ctx context.Context) ([]build.Live, error)
	// Told keeps what deliver tells of a run; job is the Jenkins job.
	Told(ctx context.Context, r build.Rollout, job string) error
}

// maxMessage bounds the body of an action.
const maxMessage = 1 << 20

// actor is a handler of what somebody with a token does.
type actor func(w http.ResponseWriter, r *http.Request, by string)

// acts lets only those do it whose token has the scope.
func (s *server) acts(scope build.Scope, do actor) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := s.bearer(r)
		switch {
		case !ok:
			w.Header().Set("WWW-Authenticate", `Bearer realm="autobuilder"`)
			s.fail(w, r, http.StatusUnauthorized, "this needs a token: Authorization: Bearer TOKEN")
		case !token.May(scope):
			s.fail(w, r, http.StatusForbidden, "the token "+token.Name+" lacks the scope "+string(scope))
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
			do(w, r, token.Name)
		}
	}
}

// bearer finds whose token the request has. All are compared, each in a time
// that tells nothing of it.
func (s *server) bearer(r *http.Request) (found build.Token, ok bool) {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(given) == "" {
		return found, false
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	for _, token := range s.Tokens() {
		own := sha256.Sum256(token.Secret)
		if subtle.ConstantTimeCompare(sum[:], own[:]) == 1 {
			found, ok = token, true
		}
	}
	return found, ok
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

// apiAct makes a handler of what is done about a hold.
func (s *server) apiAct(do func(ctx context.Context, hold, by string, v wish) (build.Hold, error)) actor {
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

func (s *server) approve(ctx context.Context, hold, by string, v wish) (build.Hold, error) {
	return s.People.Approve(ctx, hold, by, v.Note)
}

func (s *server) reject(ctx context.Context, hold, by string, v wish) (build.Hold, error) {
	return s.People.Reject(ctx, hold, by, v.Note)
}

func (s *server) tick(ctx context.Context, hold, by string, v wish) (build.Hold, error) {
	return s.People.Tick(ctx, hold, build.Tick{Step: v.Step, Again: v.Again, By: by, Note: v.Note})
}
