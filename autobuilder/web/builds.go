package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"autobuilder/build"
	"autobuilder/console"
)

// buildPage is what a build's page shows.
type buildPage struct {
	Build    build.Build
	Site     site
	View     *console.View
	Note     string // why the console can't be read
	Steps    []step
	Rollouts []rollout
	Fates    []build.Fate
	Hold     *build.Hold
	Watch    *watching
	Digest   string // of its archive
	Size     int64
	Line     int // that the console was asked for
}

// step is a step of the job, as the page shows it.
type step struct {
	console.Took
	State   build.State
	Percent int // of the longest
}

// rollout is a run of deliver: hosts by stages.
type rollout struct {
	build.Rollout
	Stages []string
	Rows   []hostRow
	Done   int
}

// hostRow is a host of a rollout.
type hostRow struct {
	build.Host
	Cells []build.Stage // one for each stage of the run; empty where the host never was
}

// Standing is how the host came out of the run, or that it is at it.
func (h hostRow) Standing() string {
	if h.Result != "" {
		return h.Result
	}
	for _, stage := range h.Stages {
		if stage.State == "doing" {
			return string(build.Running)
		}
	}
	return ""
}

// build shows one build, its steps, its rollouts and its console.
func (s *server) build(w http.ResponseWriter, r *http.Request) {
	b, err := s.Ledger.Build(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	body, err := s.buildPage(r, b)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	p := page{Title: b.Project + " " + versionOf(b), Section: "projects", Body: body}
	p.Say = p.Title + " is " + string(b.State) + "."
	if !b.State.Final() {
		p.Refresh = refreshOpen
	}
	s.show(w, r, "build", http.StatusOK, p)
}

func (s *server) buildPage(r *http.Request, b build.Build) (*buildPage, error) {
	ctx, id := r.Context(), b.ID
	p := &buildPage{Build: b}
	if project, ok := s.known(b.Project); ok {
		p.Site = siteOf(project)
	}
	if line, err := strconv.Atoi(r.URL.Query().Get("line")); err == nil && line > 0 {
		p.Line = line
	}
	told, err := s.Ledger.RolloutsOf(ctx, id)
	if err != nil {
		return p, err
	}
	for _, run := range told {
		p.Rollouts = append(p.Rollouts, newRollout(run))
		if run.SHA256 != "" {
			p.Digest, p.Size = run.SHA256, run.Size
		}
	}
	if p.Fates, err = s.Ledger.FatesOf(ctx, id); err != nil {
		return p, err
	}
	if hold, err := s.People.Hold(ctx, id); err == nil {
		p.Hold = &hold
	} else if !errors.Is(err, build.ErrUnknown) && !errors.Is(err, build.ErrNotAllowed) {
		return p, err
	}
	watched, err := s.Ledger.Watched(ctx)
	if err != nil {
		return p, err
	}
	p.Watch = watchOf(watched, func(w build.Watching) bool { return w.Build == id })
	s.readConsole(ctx, p)
	return p, nil
}

// readConsole adds what the build has written.
func (s *server) readConsole(ctx context.Context, p *buildPage) {
	var err error
	if p.View, err = s.consoleView(ctx, p.Build, p.Line); err != nil {
		p.Note = "The console can't be read now: " + err.Error()
	}
	whole := time.Duration(0)
	if p.Build.State.Final() && !p.Build.Started.IsZero() {
		whole = p.Build.Ended.Sub(p.Build.Started)
	}
	p.Steps = steps(console.Times(p.View.Steps, whole), p.Build.State)
}

// steps marks how each went: the last one that began is where the build stands,
// or where it ended.
func steps(times []console.Took, state build.State) []step {
	var longest time.Duration
	for _, t := range times {
		longest = max(longest, t.Took)
	}
	all := make([]step, len(times))
	for i, t := range times {
		all[i] = step{Took: t, State: build.Succeeded}
		if longest > 0 {
			all[i].Percent = max(1, int(100*t.Took/longest))
		}
	}
	if n := len(all); n > 0 && state != build.Succeeded {
		all[n-1].State = state
	}
	return all
}

// newRollout puts the stages of a run in the order in which hosts came to them.
func newRollout(r build.Rollout) rollout {
	view := rollout{Rollout: r}
	column := map[string]int{}
	for _, h := range r.Hosts {
		for _, stage := range h.Stages {
			if _, ok := column[stage.Name]; !ok {
				column[stage.Name] = len(view.Stages)
				view.Stages = append(view.Stages, stage.Name)
			}
		}
	}
	for _, h := range r.Hosts {
		row := hostRow{Host: h, Cells: make([]build.Stage, len(view.Stages))}
		for _, stage := range h.Stages {
			row.Cells[column[stage.Name]] = stage
		}
		if h.Result == "ok" {
			view.Done++
		}
		view.Rows = append(view.Rows, row)
	}
	return view
}
