package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func (s *Server) buildWithParameters(w http.ResponseWriter, r *http.Request, j *job) {
	if len(j.spec.params) == 0 {
		refuse(w, http.StatusBadRequest, "This job takes no parameters")
		return
	}
	sent, err := readSubmission(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.enqueue(w, r, j, sent)
}

// build starts a job without parameters. One that takes some gets them as
// Jenkins' own page sends them: as JSON in a field of the form.
func (s *Server) build(w http.ResponseWriter, r *http.Request, j *job) {
	sent, err := readSubmission(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	sent, err = submitted(r.PostForm.Get("json"), sent)
	if err != nil || sent.form == nil && len(j.spec.params) > 0 {
		refuse(w, http.StatusBadRequest, "Nothing is submitted")
		return
	}
	s.enqueue(w, r, j, sent)
}

// submitted reads the JSON. A file in it is named by the field of the form that
// has it.
func submitted(text string, sent submission) (submission, error) {
	named := submission{files: map[string]*multipart.FileHeader{}}
	if text == "" {
		return named, nil
	}
	var form struct {
		Parameter []struct {
			Name  string `json:"name"`
			Value any    `json:"value"`
			RunID string `json:"runId"`
			File  string `json:"file"`
		} `json:"parameter"`
	}
	if err := json.Unmarshal([]byte(text), &form); err != nil {
		return named, err
	}
	named.form = url.Values{}
	for _, p := range form.Parameter {
		switch {
		case p.File != "":
			named.files[p.Name] = sent.files[p.File]
		case p.RunID != "":
			named.form.Set(p.Name, p.RunID)
		default:
			named.form.Set(p.Name, fmt.Sprint(p.Value))
		}
	}
	return named, nil
}

func (s *Server) enqueue(w http.ResponseWriter, r *http.Request, j *job, sent submission) {
	switch {
	case j.spec.disabled:
		refuse(w, http.StatusConflict, j.name+" is not buildable: it is disabled")
		return
	case j.broken != nil:
		refuse(w, http.StatusConflict, j.name+" is not buildable: "+j.broken.Error())
		return
	}
	params, err := s.values(j.spec.params, sent)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	quiet, err := s.quietPeriod(j, r.Form.Get("delay"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	it, err := s.wait(item{Job: j.name, Params: params, Cause: cause(r, j)}, quiet, sent)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.changed()
	w.Header().Set("Location", s.root(r)+itemURL(it.ID))
	w.WriteHeader(http.StatusCreated)
}

// wait puts a build into the queue, with its files.
func (s *Server) wait(it item, quiet time.Duration, sent submission) (*item, error) {
	if err := s.keep(it.Params, sent); err != nil {
		return nil, err
	}
	it.Since = time.Now()
	it.Due = it.Since.Add(quiet)
	queued, err := s.queue.add(it)
	if err != nil {
		return nil, errors.Join(err, discard(s.options.Dir, it.Params))
	}
	return queued, nil
}

func cause(r *http.Request, j *job) string {
	if j.hasToken(r) {
		return "Started by remote host " + hostOnly(r.RemoteAddr)
	}
	return "Started by user " + who(r)
}

// quietPeriod is the request's, as in "5" or "5sec", or the job's, or the server's.
func (s *Server) quietPeriod(j *job, delay string) (time.Duration, error) {
	if delay != "" {
		seconds, err := strconv.ParseUint(strings.TrimRight(delay, "second"), 10, 16)
		if err != nil {
			return 0, fmt.Errorf("delay %q: want seconds", delay)
		}
		return time.Duration(seconds) * time.Second, nil
	}
	if j.spec.quiet >= 0 {
		return j.spec.quiet, nil
	}
	return s.options.QuietPeriod, nil
}

func itemURL(id int64) string { return fmt.Sprintf("queue/item/%d/", id) }

func (s *Server) cancelItem(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.FormValue("id"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, "id: want the number of a queue item")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.queue.find(id)
	if it == nil {
		refuse(w, http.StatusNotFound, "No such queue item")
		return
	}
	if err := s.queue.cancel(it); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
