package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"autobuilder/build"
)

// page is what every template gets.
type page struct {
	Title string
	// Refresh makes a browser without JavaScript load the page again, seconds.
	Refresh int
	Body    any
}

// parsePages reads each template together with the layout around it.
func parsePages() (map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" {
			continue
		}
		t, err := template.New("layout.html").Funcs(functions()).ParseFS(files, "templates/layout.html", name)
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", base, err)
		}
		pages[base] = t
	}
	return pages, nil
}

func functions() template.FuncMap {
	return template.FuncMap{
		"short":    short,
		"duration": duration,
		"clock":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"stamp":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ref":      refName,
		"version":  versionOf,
		"mark":     mark,
	}
}

// show renders a page; nothing is written before all of it is there.
func (s *server) show(w http.ResponseWriter, name string, status int, p page) {
	var out bytes.Buffer
	if err := s.pages[name].Execute(&out, p); err != nil {
		s.Log.Error("render page", "page", name, "err", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // a reader that went away is no fault of ours
}

// fail answers with what is wrong, as a page or as JSON.
func (s *server) fail(w http.ResponseWriter, r *http.Request, status int, what string) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeJSON(w, status, map[string]string{"error": what})
		return
	}
	s.show(w, "error", status, page{Title: http.StatusText(status), Body: what})
}

// failed answers for an error of the ledger.
func (s *server) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, build.ErrUnknown) {
		s.fail(w, r, http.StatusNotFound, "there is no such build")
		return
	}
	s.Log.Error("read ledger", "path", r.URL.Path, "err", err)
	s.fail(w, r, http.StatusInternalServerError, "the ledger could not be read; the server's log says why")
}

// short cuts an object name to what people read.
func short(commit string) string {
	if len(commit) > 9 {
		return commit[:9]
	}
	return commit
}

// duration says how long something took, to the second.
func duration(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return to.Sub(from).Round(time.Second).String()
}

// refName drops what git puts before a branch's or a tag's name.
func refName(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}

// versionOf names a build by its version, or by its commit where it has none.
func versionOf(b build.Build) string {
	for _, name := range []string{b.Version, b.Tag} {
		if name != "" {
			return name
		}
	}
	return short(b.Commit)
}

// mark is the sign before a state, for those who don't see the colour.
func mark(s build.State) string {
	switch s {
	case build.Succeeded:
		return "✔"
	case build.Failed, build.Lost, build.Rejected:
		return "✘"
	case build.Aborted, build.Superseded:
		return "–"
	case build.Held:
		return "‖"
	}
	return "…"
}
