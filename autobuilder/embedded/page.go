package embedded

import (
	"bytes"
	"embed"
	"html/template"
	"io"
	"net/http"
	"os"
	"slices"
)

//go:embed page.html.tmpl
var pageFiles embed.FS

// consoleOnPage bounds how much of a console a page shows: its end.
const consoleOnPage = 256 << 10

// pageData is what page.html.tmpl shows: all jobs, a job, or a build.
type pageData struct {
	Title    string
	Up       string // link to the page above
	Rows     []pageRow
	Console  string
	Full     string // link to the whole console
	Building bool
}

type pageRow struct{ Name, Link, State, When string }

// page answers with what view makes of the state; no title is a 404.
func (s *Server) page(view func(*Server, *http.Request) pageData) http.HandlerFunc {
	page := template.Must(template.ParseFS(pageFiles, "page.html.tmpl"))
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		data := view(s, r)
		s.mu.Unlock()
		if data.Title == "" {
			refuse(w, http.StatusNotFound, "")
			return
		}
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		buffer := new(bytes.Buffer)
		if err := page.Execute(buffer, data); err != nil {
			refuse(w, http.StatusInternalServerError, err.Error())
			return
		}
		_, _ = buffer.WriteTo(w) // the client has gone
	}
}

func rootPage(s *Server, r *http.Request) pageData {
	data := pageData{Title: "Jobs"}
	for _, j := range s.sorted() {
		row := pageRow{Name: j.name, Link: s.root(r) + jobURL(j.name), State: "never built"}
		if last := j.latest(permalinks["lastBuild"]); last != nil {
			row.State, row.When = last.state(), last.Started.Format("2006-01-02 15:04:05")
		}
		data.Rows = append(data.Rows, row)
	}
	return data
}

func jobPage(s *Server, r *http.Request) pageData {
	j := s.jobs[param(r, "job")]
	if j == nil {
		return pageData{}
	}
	data := pageData{Title: j.name, Up: s.root(r)}
	for _, rec := range slices.Backward(j.builds[max(0, len(j.builds)-newest):]) {
		data.Rows = append(data.Rows, pageRow{
			Name: rec.name(), Link: rec.url(j, s.root(r)), State: rec.state(), When: rec.Started.Format("2006-01-02 15:04:05"),
		})
	}
	return data
}

func buildPage(s *Server, r *http.Request) pageData {
	j, rec := s.lookup(r)
	if rec == nil {
		return pageData{}
	}
	return pageData{
		Title: j.name + " " + rec.name() + ": " + rec.state(), Up: s.root(r) + jobURL(j.name),
		Console: rec.tail(), Full: rec.url(j, s.root(r)) + "consoleText", Building: rec.Building,
	}
}

func (r *record) state() string {
	if r.Building {
		return "running"
	}
	return r.Result
}

// tail is the end of the console.
func (r *record) tail() string {
	log, err := os.Open(r.logFile())
	if err != nil {
		return ""
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil && info.Size() > consoleOnPage {
		_, _ = log.Seek(-consoleOnPage, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(log, consoleOnPage))
	return string(bytes.ToValidUTF8(text, []byte("\uFFFD")))
}
