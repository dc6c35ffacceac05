package web

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
)

const (
	pageful     = 40 // builds of a project's page
	mostChanges = 20 // commits that are listed of one of them
)

// timeline is a project's page.
type timeline struct {
	Project build.Project
	Site    site
	Live    []build.Live
	Holds   []build.Hold
	Lock    *build.Lock
	Entries []entry
	Plot    *plot
	Older   string // ID of the last, if there are more
	Newest  bool   // it begins with the newest

	Steering steering
}

// entry is one build of a timeline.
type entry struct {
	Build   build.Build
	Live    []string       // the environments that it is live in
	Commits []build.Commit // that it has and the one before it has not
	More    int            // of them that are not listed
	Compare string         // address of the comparison
}

// project shows one project's releases.
func (s *server) project(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "project")
	project, ok := s.known(name)
	if !ok {
		s.fail(w, r, http.StatusNotFound, "there is no project "+name)
		return
	}
	s.showProject(w, r, project, refused{status: http.StatusOK})
}

func (s *server) showProject(w http.ResponseWriter, r *http.Request, project build.Project, no refused) {
	t, err := s.timeline(r.Context(), project, r.URL.Query().Get("before"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	t.Steering = s.steering(r, t, no)
	var builds []build.Build
	for _, e := range t.Entries {
		builds = append(builds, e.Build)
	}
	row := standing{Project: project, Holds: t.Holds, Lock: t.Lock}
	for _, b := range builds {
		if !b.State.Final() && b.State != build.Held {
			row.Open = append(row.Open, b)
		}
	}
	p := page{Title: project.Name, Section: "projects", Say: summary([]standing{row}), Body: t}
	if no.why == "" {
		p.Refresh = refresh(builds)
	}
	s.show(w, r, "project", no.status, p)
}

func (s *server) timeline(ctx context.Context, p build.Project, before string) (timeline, error) {
	t := timeline{Project: p, Site: siteOf(p), Newest: before == ""}
	builds, err := s.pageOf(ctx, p.Name, before)
	if err != nil {
		return t, err
	}
	live, err := s.People.Live(ctx)
	if err != nil {
		return t, err
	}
	holds, err := s.People.Holds(ctx, false)
	if err != nil {
		return t, err
	}
	locks, err := s.Ledger.Locks(ctx)
	if err != nil {
		return t, err
	}
	t.Lock = lockOf(locks, p.Name)
	t.Live = liveOf(live, p.Name)
	for _, h := range holds {
		if h.Project == p.Name {
			t.Holds = append(t.Holds, h)
		}
	}
	if len(builds) > pageful {
		builds = builds[:pageful]
		t.Older = builds[pageful-1].ID
	}
	t.Plot = newPlot(builds)
	t.Entries = entries(builds, t.Live, t.Site)
	// A history that can't be read takes nothing from the rest of the page.
	if commits, err := s.People.Commits(ctx, p.Name, "", ""); err == nil {
		addCommits(t.Entries, commits)
	}
	return t, nil
}

// pageOf is a page of builds and, if there are more, one.
func (s *server) pageOf(ctx context.Context, project, before string) ([]build.Build, error) {
	if before == "" {
		return s.Ledger.Builds(ctx, project, pageful+1)
	}
	return s.Ledger.Older(ctx, project, before, pageful+1)
}

func entries(builds []build.Build, live []build.Live, at site) []entry {
	all := make([]entry, len(builds))
	marked := map[string]bool{}
	for i, b := range builds {
		all[i].Build = b
		for _, l := range live {
			if !marked[l.Environment] && b.State == build.Succeeded && b.Command == "" && b.Only == "" && b.Commit == l.Commit {
				marked[l.Environment] = true
				all[i].Live = append(all[i].Live, environmentName(l))
			}
		}
		if i+1 < len(builds) && builds[i+1].Commit != b.Commit {
			all[i].Compare = at.Compare(builds[i+1].Commit, b.Commit)
		}
	}
	return all
}

func environmentName(l build.Live) string {
	if l.Environment == "" {
		return "live"
	}
	return l.Environment
}

// addCommits finds which commits each build has over the one before it.
func addCommits(all []entry, history []build.Commit) {
	at := map[string]int{}
	for i, c := range history {
		at[c.ID] = i
	}
	for i := range all {
		from, ok := at[all[i].Build.Commit]
		if !ok {
			continue
		}
		to := from + 1
		if i+1 < len(all) {
			if before, known := at[all[i+1].Build.Commit]; known {
				to = max(to, before)
			}
		}
		if most := from + mostChanges; to > most {
			all[i].More, to = to-most, most
		}
		all[i].Commits = history[from:to]
	}
}

// site is where a repository can be looked at.
type site string

var (
	webURL   = regexp.MustCompile(`^https?://(?:[^@/]+@)?([^/]+)/(.+?)(?:\.git)?/?$`)
	shortURL = regexp.MustCompile(`^(?:ssh://)?(?:[^@/]+@)([^:/]+)(?::\d+/|[:/])(.+?)(?:\.git)?/?$`)
)

// siteOf is the repository's page, as far as its clone URL tells.
func siteOf(p build.Project) site {
	for _, form := range []*regexp.Regexp{webURL, shortURL} {
		if m := form.FindStringSubmatch(p.CloneURL); m != nil {
			scheme := "https://"
			if strings.HasPrefix(p.CloneURL, "http://") {
				scheme = "http://"
			}
			return site(scheme + m[1] + "/" + m[2])
		}
	}
	return ""
}

// Compare is the page that compares two commits or tags.
func (s site) Compare(from, to string) string {
	if s == "" || from == "" || to == "" {
		return ""
	}
	return string(s) + "/compare/" + url.PathEscape(from) + "..." + url.PathEscape(to)
}

// Commit is the page of a commit.
func (s site) Commit(id string) string {
	if s == "" || id == "" {
		return ""
	}
	return string(s) + "/commit/" + url.PathEscape(id)
}
