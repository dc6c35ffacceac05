package embedded

import (
	"io"
	"net/http"
	"os"
	"strconv"
)

// progressiveText gives what the console holds from start on. It looks whether
// the build runs before it looks how long the console is: the other way round
// the last lines of a build that ends between would never be fetched.
func (s *Server) progressiveText(w http.ResponseWriter, r *http.Request) {
	log, building := s.openConsole(w, r)
	if log == nil {
		return
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	start, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
	if start < 0 || start > info.Size() {
		start = 0
	}
	if building {
		w.Header().Set("X-More-Data", "true")
	}
	w.Header().Set("X-Text-Size", strconv.FormatInt(info.Size(), 10))
	w.Header().Set("Content-Type", "text/plain;charset=utf-8")
	_, _ = io.Copy(w, io.NewSectionReader(log, start, info.Size()-start)) // the client has gone
}

func (s *Server) consoleText(w http.ResponseWriter, r *http.Request) {
	log, _ := s.openConsole(w, r)
	if log == nil {
		return
	}
	defer log.Close()
	w.Header().Set("Content-Type", "text/plain;charset=utf-8")
	_, _ = io.Copy(w, log) // the client has gone
}

// openConsole opens the log of the build that the path names. When it cannot
// it has answered. A build that has just begun has no log yet.
func (s *Server) openConsole(w http.ResponseWriter, r *http.Request) (log *os.File, building bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, rec := s.lookup(r)
	if rec == nil {
		refuse(w, http.StatusNotFound, "No such build")
		return nil, false
	}
	log, err := os.OpenFile(rec.logFile(), os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return nil, false
	}
	return log, rec.Building
}
