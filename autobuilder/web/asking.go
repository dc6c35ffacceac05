package web

import (
	"context"
	"errors"
	"io"
	"net/http"

	"autobuilder/build"
)

// state is how far everything is, for programs.
type state struct {
	Pending  int      `json:"pending"` // deliveries that are not decided
	Projects []status `json:"projects"`
	// Outbox is what notifiers have not been told yet.
	Outbox []build.Backlog `json:"outbox"`
}

func (s *server) apiStatus(w http.ResponseWriter, r *http.Request) {
	var now state
	var err error
	if now.Projects, err = s.statuses(r.Context()); err == nil {
		now.Pending, err = s.Ledger.Undecided(r.Context())
	}
	if err == nil {
		now.Outbox, err = s.backlogs(r)
	}
	s.answer(w, r, now, err)
}

// apiTrigger asks for a build.
func (s *server) apiTrigger(w http.ResponseWriter, r *http.Request, by string) {
	var wish build.Wish
	s.ask(w, r, &wish, func(ctx context.Context) (string, error) {
		if p, ok := s.known(wish.Project); ok {
			list, do := p.Chat.Deploy, "deploy"
			if wish.Back {
				list, do = p.Chat.Rollback, "roll back"
			}
			if why := build.MayNot(list, by, do, p.Name); why != "" {
				return "", mayNot(why)
			}
		}
		return s.People.Trigger(ctx, wish, by)
	})
}

// mayNot is why somebody may not do something.
type mayNot string

func (e mayNot) Error() string { return string(e) }

// Is makes it build.ErrNotAllowed.
func (mayNot) Is(target error) bool { return target == build.ErrNotAllowed }

// apiReplay lets a delivery be decided once more.
func (s *server) apiReplay(w http.ResponseWriter, r *http.Request, by string) {
	var wish struct {
		Delivery string `json:"delivery"`
	}
	s.ask(w, r, &wish, func(ctx context.Context) (string, error) { return s.People.Replay(ctx, wish.Delivery, by) })
}

// ask reads what is wished for, and answers with the delivery that was made of it.
func (s *server) ask(w http.ResponseWriter, r *http.Request, wish any, do func(context.Context) (string, error)) {
	if !s.read(w, r, wish) {
		return
	}
	id, err := do(r.Context())
	switch {
	case errors.Is(err, build.ErrNotAllowed):
		s.fail(w, r, http.StatusConflict, err.Error())
	case errors.Is(err, build.ErrUnknown):
		s.fail(w, r, http.StatusNotFound, err.Error())
	case err != nil:
		s.failed(w, r, err)
	default:
		writeJSON(w, http.StatusAccepted, map[string]string{"delivery": id})
	}
}

// apiExplain says what would become of the JSON of a webhook. It asks the
// repository, so that it is not for everybody who can read.
func (s *server) apiExplain(w http.ResponseWriter, r *http.Request, _ string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.fail(w, r, http.StatusRequestEntityTooLarge, "the payload is too large: "+err.Error())
		return
	}
	event := r.URL.Query().Get("event")
	if event == "" {
		event = "push"
	}
	would, err := s.People.Explain(r.Context(), event, body)
	if errors.Is(err, build.ErrNotAllowed) {
		s.fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if err != nil { // the repository did not answer: who asks is to know
		s.fail(w, r, http.StatusBadGateway, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, would)
}
