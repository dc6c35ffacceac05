package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"autobuilder/build"
)

const (
	refreshOpen = 3  // seconds, while a build is open
	refreshIdle = 20 // seconds
	recent      = 12 // builds on the board
	strip       = 10 // builds of each project
	many        = 100
)

// status is a project as the API tells it.
type status struct {
	Project build.Project `json:"project"`
	// Good is the newest build that succeeded: what runs on the servers.
	Good *build.Build `json:"good,omitempty"`
	// Last is the newest build, whatever became of it.
	Last *build.Build `json:"last,omitempty"`
	// Lock keeps its builds waiting.
	Lock *build.Lock `json:"lock,omitempty"`
}

// standing is a project as the board shows it.
type standing struct {
	Project build.Project
	Live    []build.Live  // per environment
	Strip   []build.Build // its last builds, oldest first
	Open    []build.Build // those that are not over, oldest first
	Holds   []build.Hold
	Lock    *build.Lock // what keeps its builds waiting
	Watch   *watching   // of the release that is out
}

// Broken is the last build, if it did not end well and nothing is under way.
func (s standing) Broken() *build.Build {
	if len(s.Open) > 0 || len(s.Strip) == 0 {
		return nil
	}
	last := &s.Strip[len(s.Strip)-1]
	if last.State == build.Failed || last.State == build.Lost || last.State == build.Aborted {
		return last
	}
	return nil
}

// board shows every project, what is live of it, and the newest builds.
func (s *server) board(w http.ResponseWriter, r *http.Request) {
	rows, err := s.standings(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	builds, err := s.Ledger.Builds(r.Context(), "", recent)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.show(w, r, "board", http.StatusOK, page{
		Title: "Projects", Section: "projects", Refresh: refresh(builds), Say: summary(rows),
		Body: struct {
			Projects []standing
			Builds   []build.Build
		}{rows, builds},
	})
}

func (s *server) standings(ctx context.Context) ([]standing, error) {
	live, err := s.People.Live(ctx)
	if err != nil {
		return nil, err
	}
	holds, err := s.People.Holds(ctx, false)
	if err != nil {
		return nil, err
	}
	locks, err := s.Ledger.Locks(ctx)
	if err != nil {
		return nil, err
	}
	watched, err := s.Ledger.Watched(ctx)
	if err != nil {
		return nil, err
	}
	var rows []standing
	for _, p := range s.Projects() {
		row := standing{Project: p, Lock: lockOf(locks, p.Name)}
		row.Watch = watchOf(watched, func(w build.Watching) bool { return w.Project == p.Name })
		if row.Strip, err = s.Ledger.Builds(ctx, p.Name, strip); err != nil {
			return nil, err
		}
		slices.Reverse(row.Strip)
		for _, b := range row.Strip {
			if !b.State.Final() && b.State != build.Held {
				row.Open = append(row.Open, b)
			}
		}
		row.Live = liveOf(live, p.Name)
		for _, h := range holds {
			if h.Project == p.Name {
				row.Holds = append(row.Holds, h)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func liveOf(all []build.Live, project string) []build.Live {
	var own []build.Live
	for _, l := range all {
		if l.Project == project {
			own = append(own, l)
		}
	}
	return own
}

func lockOf(all []build.Lock, project string) *build.Lock {
	i := slices.IndexFunc(all, func(l build.Lock) bool { return l.Project == project })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// summary is what somebody hears who does not see the board.
func summary(rows []standing) string {
	var said []string
	for _, row := range rows {
		for _, b := range row.Open {
			said = append(said, fmt.Sprintf("%s %s is %s", b.Project, versionOf(b), b.State))
		}
		if row.Lock != nil {
			said = append(said, row.Project.Name+" is "+row.Lock.Words())
		}
		for _, h := range row.Holds {
			said = append(said, fmt.Sprintf("%s %s waits for people", h.Project, h.Tag))
		}
		if b := row.Broken(); b != nil {
			said = append(said, fmt.Sprintf("%s %s %s", b.Project, versionOf(*b), b.State))
		}
	}
	if len(said) == 0 {
		return "Nothing is under way."
	}
	return strings.Join(said, ", ") + "."
}

// statuses looks up what the API says of each project.
func (s *server) statuses(ctx context.Context) ([]status, error) {
	var all []status
	locks, err := s.Ledger.Locks(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range s.Projects() {
		st, err := s.status(ctx, p)
		if err != nil {
			return nil, err
		}
		st.Lock = lockOf(locks, p.Name)
		all = append(all, st)
	}
	return all, nil
}

// few builds mostly hold a good one.
const few = 5

func (s *server) status(ctx context.Context, p build.Project) (status, error) {
	builds, err := s.Ledger.Builds(ctx, p.Name, few)
	st := statusOf(p, builds)
	if err == nil && st.Good == nil && len(builds) == few {
		builds, err = s.Ledger.Builds(ctx, p.Name, many)
		st = statusOf(p, builds)
	}
	return st, err
}

// statusOf picks from a project's builds, newest first.
func statusOf(p build.Project, builds []build.Build) status {
	st := status{Project: p}
	if len(builds) > 0 {
		st.Last = &builds[0]
	}
	for i := range builds {
		if builds[i].State == build.Succeeded && builds[i].Command == "" && builds[i].Only == "" {
			st.Good = &builds[i]
			break
		}
	}
	return st
}

// known is the project of that name.
func (s *server) known(name string) (build.Project, bool) {
	for _, p := range s.Projects() {
		if p.Name == name {
			return p, true
		}
	}
	return build.Project{}, false
}

// refresh is quick while something is going on.
func refresh(builds []build.Build) int {
	for _, b := range builds {
		if !b.State.Final() && b.State != build.Held {
			return refreshOpen
		}
	}
	return refreshIdle
}
