package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

// pageLimit is how much of a console stands in the page itself, bytes; the
// whole of it is at /console.
const pageLimit = 64 << 10

// consoleSoFar reads what a build has written. A build without a number has
// written nothing.
func (s *server) consoleSoFar(ctx context.Context, b build.Build) (text string, next int64, err error) {
	if b.Number == 0 {
		return "", 0, nil
	}
	all, next, _, err := s.Console(ctx, b.Job, b.Number, 0)
	if err != nil {
		return "", 0, err
	}
	if len(all) > pageLimit {
		all = append([]byte("… the whole console is behind the link above\n"), all[len(all)-pageLimit:]...)
	}
	return string(all), next, nil
}

// consoleText gives the whole console as text.
func (s *server) consoleText(w http.ResponseWriter, r *http.Request) {
	b, err := s.Ledger.Build(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if b.Number == 0 {
		fmt.Fprintf(w, "the build has not begun: %s %s\n", b.State, b.Why)
		return
	}
	var offset int64
	for more := true; more; {
		var text []byte
		var next int64
		text, next, more, err = s.Console(r.Context(), b.Job, b.Number, offset)
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

// consoleEvents sends what a build writes as it writes it, as server-sent
// events: "text" with a JSON string, whose id is the offset to resume from, and
// "end" with the build when it is over.
func (s *server) consoleEvents(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		s.fail(w, r, http.StatusInternalServerError, "this server can't stream")
		return
	}
	if _, err := s.Ledger.Build(r.Context(), chi.URLParam(r, "id")); err != nil {
		s.failed(w, r, err)
		return
	}
	// The server's write deadline is for pages; a stream lives as long as its build.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	flusher.Flush()
	stream := &stream{server: s, out: w, flush: flusher.Flush, offset: resumeFrom(r)}
	stream.follow(r.Context(), chi.URLParam(r, "id"))
}

// resumeFrom reads where the browser left off, from the header of a
// reconnection or from the query of the first request.
func resumeFrom(r *http.Request) int64 {
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = r.URL.Query().Get("from")
	}
	offset, err := strconv.ParseInt(from, 10, 64)
	if err != nil || offset < 0 {
		return 0
	}
	return offset
}

// stream is one browser that follows one console.
type stream struct {
	server *server
	out    http.ResponseWriter
	flush  func()
	offset int64
	rest   []byte // of a letter that the last piece cut in two
}

// follow sends until the build is over or the browser is gone.
func (st *stream) follow(ctx context.Context, id string) {
	tick := time.NewTicker(st.server.Poll)
	defer tick.Stop()
	for {
		over, err := st.step(ctx, id)
		if over || err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// step sends what is new. A build can be over before Jenkins has written its
// last lines, so the console has to say, too, that nothing more comes.
func (st *stream) step(ctx context.Context, id string) (over bool, err error) {
	b, err := st.server.Ledger.Build(ctx, id)
	if err != nil {
		return false, err
	}
	more := false
	if b.Number != 0 {
		more = st.text(ctx, b)
	}
	if more || !b.State.Final() {
		return false, nil
	}
	return true, st.send("end", b)
}

// text sends the new part of the console. One that can't be read now is tried
// again at the next step, if the build is still open then.
func (st *stream) text(ctx context.Context, b build.Build) (more bool) {
	text, next, more, err := st.server.Console(ctx, b.Job, b.Number, st.offset)
	if err != nil {
		return false
	}
	if next <= st.offset {
		return more
	}
	whole := append(st.rest, text...)
	cut := cutRune(whole)
	st.rest = append([]byte(nil), whole[cut:]...)
	st.offset = next
	_ = st.send("text", string(whole[:cut])) // a browser that went away is seen by follow
	return more
}

// cutRune gives the length of the longest start that does not end within a letter.
func cutRune(text []byte) int {
	for back := 1; back <= utf8.UTFMax && back <= len(text); back++ {
		at := len(text) - back
		if !utf8.RuneStart(text[at]) {
			continue
		}
		if utf8.FullRune(text[at:]) {
			return len(text)
		}
		return at
	}
	return len(text)
}

func (st *stream) send(event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(st.out, "id: %d\nevent: %s\ndata: %s\n\n", st.offset, event, data)
	st.flush()
	return err
}
