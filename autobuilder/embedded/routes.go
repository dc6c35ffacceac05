package embedded

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/beevik/etree"
	"github.com/go-chi/chi/v5"
)

// apiVersion is the Jenkins whose REST answers these are.
const apiVersion = "2.479.1-embedded"

// bodyLimit bounds what a request may bring.
const bodyLimit = 8 << 20

func (s *Server) routes() (http.Handler, error) {
	r := chi.NewRouter()
	r.Use(cleanPath, s.guarded, limitBody)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "") })
	r.MethodNotAllowed(wrongMethod)
	r.Get("/", s.page(rootPage))
	r.Get("/api/json", s.api(rootView))
	r.Get("/me/api/json", s.me)
	r.Get("/crumbIssuer/api/json", s.crumb)
	r.Get("/crumbIssuer/api/json/*", s.crumb) // gojenkins asks so
	r.Post("/createItem", s.createItem)
	r.Get("/queue/api/json", s.api(queueView))
	r.Get("/queue/item/{id}/api/json", s.api(itemView))
	r.Post("/queue/cancelItem", s.cancelItem)
	r.Route("/job/{job}", s.jobRoutes)
	return s.below(r)
}

func (s *Server) jobRoutes(r chi.Router) {
	r.Get("/", s.page(jobPage))
	r.Get("/api/json", s.api(jobView))
	r.Get("/config.xml", s.onJob(s.getConfig))
	r.Post("/config.xml", s.onJob(s.postConfig))
	r.Post("/doDelete", s.onJob(s.doDelete))
	r.Post("/disable", s.onJob(s.disable(true)))
	r.Post("/enable", s.onJob(s.disable(false)))
	for path, start := range map[string]func(http.ResponseWriter, *http.Request, *job){
		"/build": s.build, "/buildWithParameters": s.buildWithParameters,
	} {
		r.Post(path, s.onJob(start))
		r.Get(path, s.onJob(byToken(start)))
	}
	r.Get("/{build}", s.page(buildPage))
	r.Get("/{build}/api/json", s.api(buildView))
	r.Get("/{build}/console", s.page(buildPage))
	r.Get("/{build}/consoleText", s.consoleText)
	r.Get("/{build}/logText/progressiveText", s.progressiveText)
	r.Post("/{build}/stop", s.stop)
}

// below serves under the path of the server's URL, if it has one.
func (s *Server) below(h http.Handler) (http.Handler, error) {
	u, err := url.Parse(s.options.URL)
	if err != nil {
		return nil, err
	}
	if prefix := strings.TrimRight(u.Path, "/"); prefix != "" {
		return http.StripPrefix(prefix, h), nil
	}
	return h, nil
}

func wrongMethod(w http.ResponseWriter, r *http.Request) {
	allowed := http.MethodPost
	if r.Method == http.MethodPost {
		allowed = http.MethodGet
	}
	w.Header().Set("Allow", allowed)
	refuse(w, http.StatusMethodNotAllowed, "")
}

// cleanPath lets a path match with slashes doubled or at its end: that is how
// gojenkins writes many.
func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chi.RouteContext(r.Context()).RoutePath = path.Clean("/" + r.URL.EscapedPath())
		next.ServeHTTP(w, r)
	})
}

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		next.ServeHTTP(w, r)
	})
}

// refuse answers as Jenkins does: the reason in X-Error, unless the thing just
// is not there, and on a page.
func refuse(w http.ResponseWriter, code int, reason string) {
	if reason == "" {
		reason = http.StatusText(code)
	}
	reason = strings.Join(strings.Fields(reason), " ")
	if code != http.StatusNotFound {
		w.Header().Set("X-Error", reason)
	}
	http.Error(w, reason, code)
}

// fail refuses what was wrong with the request, and owns up to all else.
func fail(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	var file *os.PathError
	var link *os.LinkError
	if errors.As(err, &file) || errors.As(err, &link) {
		code = http.StatusInternalServerError
	}
	refuse(w, code, err.Error())
}

// root is the address of this server, as it was told or as the client sees it.
func (s *Server) root(r *http.Request) string {
	if s.options.URL != "" {
		return s.options.URL
	}
	return "http://" + r.Host + "/"
}

func jobURL(name string) string { return "job/" + url.PathEscape(name) + "/" }

// param is a part of the path, unescaped.
func param(r *http.Request, name string) string {
	text, err := url.PathUnescape(chi.URLParam(r, name))
	if err != nil {
		return ""
	}
	return text
}

// onJob finds the job and lets h have it, under the lock.
func (s *Server) onJob(h func(http.ResponseWriter, *http.Request, *job)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // before the lock: the client may be slow
		if err != nil {
			refuse(w, http.StatusRequestEntityTooLarge, err.Error())
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.mu.Lock()
		defer s.mu.Unlock()
		j := s.jobs[param(r, "job")]
		if j == nil {
			refuse(w, http.StatusNotFound, "No such job")
			return
		}
		h(w, r, j)
	}
}

func (s *Server) createItem(w http.ResponseWriter, r *http.Request) {
	config, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, err.Error())
		return
	}
	if err := s.createJob(r.URL.Query().Get("name"), config); err != nil {
		fail(w, err)
	}
}

func (s *Server) getConfig(w http.ResponseWriter, _ *http.Request, j *job) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(j.config)
}

func (s *Server) postConfig(w http.ResponseWriter, r *http.Request, j *job) {
	config, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.configure(j, config)
	}
	if err != nil {
		fail(w, err)
		return
	}
	s.changed()
}

func (s *Server) doDelete(w http.ResponseWriter, r *http.Request, j *job) {
	if err := s.deleteJob(j); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	redirect(w, s.root(r))
}

func (s *Server) disable(disabled bool) func(http.ResponseWriter, *http.Request, *job) {
	return func(w http.ResponseWriter, r *http.Request, j *job) {
		if err := s.setDisabled(j, disabled); err != nil {
			fail(w, err)
			return
		}
		s.changed()
		redirect(w, s.root(r)+jobURL(j.name))
	}
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, rec := s.lookup(r)
	if rec == nil {
		refuse(w, http.StatusNotFound, "No such build")
		return
	}
	s.abortBuild(rec, who(r))
	redirect(w, s.root(r)+jobURL(j.name)+strconv.FormatInt(rec.Number, 10)+"/")
}

// lookup finds the build that the path names, by number or as "lastBuild".
func (s *Server) lookup(r *http.Request) (*job, *record) {
	j := s.jobs[param(r, "job")]
	if j == nil {
		return nil, nil
	}
	if match, ok := permalinks[param(r, "build")]; ok {
		return j, j.latest(match)
	}
	number, err := strconv.ParseInt(param(r, "build"), 10, 64)
	if err != nil {
		return j, nil
	}
	return j, j.build(number)
}

func newDocument(root *etree.Element) *etree.Document {
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	doc.SetRoot(root)
	return doc
}
