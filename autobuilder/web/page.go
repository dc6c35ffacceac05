package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"autobuilder/build"
	"autobuilder/signin"
)

// page is what every template gets.
type page struct {
	Title   string
	Section string // of the navigation: projects, holds or ledger
	Say     string // what a screen reader says when it changes
	// Refresh makes a browser without JavaScript load the page again, seconds.
	Refresh int
	Body    any

	// What every page has, filled in by show.
	Person  *signin.Person
	Here    string // the page's own address
	Waiting int    // releases that wait for people
	Door    bool   // there is a way to sign in
}

// parsePages reads each template together with the layout around it.
func parsePages(functions template.FuncMap) (map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	if functions["asset"], err = assets(); err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" || base == "parts" {
			continue
		}
		t, err := template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html", name)
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", base, err)
		}
		pages[base] = t
	}
	return pages, nil
}

// assets gives the address of a static file, which changes with the file.
func assets() (func(string) (string, error), error) {
	address := map[string]string{}
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		address[path.Base(name)] = "/" + name + "?" + hex.EncodeToString(sum[:6])
	}
	return func(name string) (string, error) {
		if a, ok := address[name]; ok {
			return a, nil
		}
		return "", fmt.Errorf("there is no file %s", name)
	}, nil
}

// show renders a page; nothing is written before all of it is there.
func (s *server) show(w http.ResponseWriter, r *http.Request, name string, status int, p page) {
	desk := s.Desk()
	if person, ok := desk.Who(r); ok {
		p.Person = &person
	}
	p.Here, p.Door = r.URL.RequestURI(), desk.HasGitHub() || desk.HasTokens()
	if r.Method != http.MethodGet {
		p.Here = "/"
	}
	if !desk.Private || p.Person != nil {
		p.Waiting = s.waiting(r.Context())
	}
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
	if isAPI(r) {
		writeJSON(w, status, map[string]string{"error": what})
		return
	}
	s.show(w, r, "error", status, page{Title: http.StatusText(status), Body: what})
}

// failed answers for an error of the ledger.
func (s *server) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, build.ErrUnknown) {
		what := "there is no such build"
		if strings.Contains(r.URL.Path, "/holds/") {
			what = "no such release is held"
		}
		s.fail(w, r, http.StatusNotFound, what)
		return
	}
	s.Log.Error("read ledger", "path", r.URL.Path, "err", err)
	s.fail(w, r, http.StatusInternalServerError, "the ledger could not be read; the server's log says why")
}
