package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
	"autobuilder/console"
)

// piece is what a build has written since an offset; a build can be over before
// Jenkins has written its last lines, so both have to say that nothing more comes.
func (s *server) piece(ctx context.Context, id string, offset int64) (console.Piece, error) {
	b, err := s.Ledger.Build(ctx, id)
	if err != nil {
		return console.Piece{}, err
	}
	if b.Number == 0 {
		return console.Piece{Over: b.State.Final()}, nil
	}
	text, next, more, err := s.Console(ctx, b.Job, b.Number, offset)
	if err != nil {
		return console.Piece{Next: offset, Over: b.State.Final()}, err
	}
	return console.Piece{Text: text, Next: next, Over: b.State.Final() && !more}, nil
}

// consoleView is the part of a build's console that stands in its page.
func (s *server) consoleView(ctx context.Context, b build.Build, line int) (*console.View, error) {
	if !b.State.Final() && line == 0 {
		return s.hub.View(ctx, b.ID)
	}
	return console.Read(ctx, s.piece, b.ID, line)
}

// consoleText gives the whole console as text.
func (s *server) consoleText(w http.ResponseWriter, r *http.Request) {
	b, err := s.Ledger.Build(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.URL.Query().Has("download") {
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", b.Project+"-"+b.ID+".log"))
	}
	if r.URL.Query().Has("follow") {
		s.followText(w, r, b.ID)
		return
	}
	if b.Number == 0 {
		fmt.Fprintf(w, "the build has not begun: %s %s\n", b.State, b.Why)
		return
	}
	var offset int64
	for {
		text, next, _, err := s.Console(r.Context(), b.Job, b.Number, offset)
		if err != nil {
			fmt.Fprintf(w, "\nthe console can't be read further: %v\n", err)
			return
		}
		_, _ = w.Write(text)
		if next <= offset { // all there is for now
			return
		}
		offset = next
	}
}

// followText gives the console as text until the build is over, for programs.
func (s *server) followText(w http.ResponseWriter, r *http.Request, id string) {
	control := http.NewResponseController(w)
	tick := time.NewTicker(s.Poll)
	defer tick.Stop()
	var offset int64
	for {
		piece, err := s.piece(r.Context(), id, offset)
		grew := err == nil && piece.Next > offset
		if grew {
			offset = piece.Next
			_, err = w.Write(piece.Text)
		}
		if !grew && piece.Over || err == nil && control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// consoleEvents sends what a build writes as it writes it, and what else changes,
// so that a page needs one connection.
func (s *server) consoleEvents(w http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "id")
	if _, err := s.Ledger.Build(r.Context(), id); err != nil {
		s.failed(w, r, err)
		return
	}
	out, err := openSSE(w)
	defer out.close()
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(r.Context())
	told := make(chan error, 1)
	go func() {
		err := s.feed.follow(ctx, out.send)
		stop()
		told <- err
	}()
	err = s.hub.Follow(ctx, id, resumeFrom(r), out.send)
	stop()
	s.Log.Debug("stream ended", "path", r.URL.Path, "why", errors.Join(err, <-told))
}

// resumeFrom reads which line the browser has, from the header of a
// reconnection or from the query of the first request.
func resumeFrom(r *http.Request) int {
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = r.URL.Query().Get("from")
	}
	line, err := strconv.Atoi(from)
	if err != nil || line < 0 {
		return 0
	}
	return line
}
