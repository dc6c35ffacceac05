package web_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/dispatch"
	"autobuilder/ledger"
	"autobuilder/signin"
	"autobuilder/web"
)

// noon is when the page of the seed is looked at.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// seed is a real ledger with a week of four projects, always the same.
type seed struct {
	t       testing.TB
	book    *ledger.Ledger
	work    *dispatch.Dispatcher
	commits map[string][]string // of each project, oldest first
	tape    *tape
	options web.Options
	count   map[string]int64
}

// office is what people do, by the real dispatcher.
type office struct{ *dispatch.Dispatcher }

func (office) Explain(context.Context, string, []byte) (build.Prospect, error) {
	return build.Prospect{}, build.ErrNotAllowed
}

func project(name, env, clone string) build.Project {
	p := build.Project{Name: name, Repo: "acme/" + name, CloneURL: clone}
	if env != "" {
		p.Env = map[string]string{"DELIVER_ENV": env}
	}
	p.Defaults()
	return p
}

func newSeed(t testing.TB) *seed {
	t.Helper()
	dir := t.TempDir()
	book, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = book.Close() })
	s := &seed{t: t, book: book, commits: map[string][]string{}, tape: &tape{text: []byte(console)}, count: map[string]int64{}}
	projects := []build.Project{
		project("dashboard", "production", ""), project("billing", "production", ""), project("search", "", ""), project("docs", "", ""),
	}
	projects[1].Hold.Approvals, projects[1].Hold.Approvers = 2, []string{"grace", "joan", "ada"}
	for _, p := range projects {
		s.history(dir, p)
	}
	s.work = dispatch.New(dispatch.Options{
		Ledger: book, Git: dispatch.Git{Dir: dir}, Projects: projects, Log: slog.New(slog.DiscardHandler),
	})
	s.week()
	people := office{s.work}
	s.options = web.Options{
		Projects: func() []build.Project { return projects }, Ledger: book, People: people, Desk: desk(), Console: s.tape.read,
		Log: slog.New(slog.DiscardHandler), Poll: 10 * time.Millisecond, Now: func() time.Time { return noon },
	}
	return s
}

var subjects = []string{
	"read the limits of a plan from its own table", "charts keep their zoom when data comes in", "the export streams instead of buffering",
	"drop the old session format", "retry a payment that the bank timed out", "show who changed a setting", "index new documents within a second",
	"the empty state says what to do", "fewer queries on the first page", "round amounts once, at the end",
}

// history makes the project's repository as autobuilder keeps it, with 40 commits.
func (s *seed) history(dir string, p build.Project) {
	repo := filepath.Join(dir, p.Name+".git")
	s.git("init", "--quiet", "--bare", "--initial-branch=master", repo)
	tree := s.git("-C", repo, "hash-object", "-t", "tree", "-w", "--stdin")
	parent := ""
	for n := range 40 {
		at := fmt.Sprintf("%d +0000", noon.Add(time.Duration(n-40)*4*time.Hour).Unix())
		args := []string{"-C", repo, "commit-tree", tree, "-m", subjects[(n*7+len(p.Name))%len(subjects)]}
		if parent != "" {
			args = append(args, "-p", parent)
		}
		parent = s.git(append([]string{"at", at, []string{"ada", "grace", "joan"}[n%3]}, args...)...)
		s.commits[p.Name] = append(s.commits[p.Name], parent)
	}
	s.git("-C", repo, "update-ref", "refs/heads/master", parent)
}

// git runs git; "at TIME AUTHOR" before its words says whose commit it is.
func (s *seed) git(args ...string) string {
	s.t.Helper()
	env := append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	if args[0] == "at" {
		for _, role := range []string{"AUTHOR", "COMMITTER"} {
			env = append(env, "GIT_"+role+"_DATE="+args[1], "GIT_"+role+"_NAME="+args[2], "GIT_"+role+"_EMAIL="+args[2]+"@test")
		}
		args = args[3:]
	}
	cmd := exec.CommandContext(s.t.Context(), "git", args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// push stores what GitHub sent of a commit, and a build of it that has been
// queued.
func (s *seed) push(project string, n int, tag, by string, at time.Time, hold ...build.Hold) build.Build {
	s.t.Helper()
	ctx := context.Background()
	commit := s.commits[project][n]
	s.count[project]++
	b := build.Build{
		ID: fmt.Sprintf("%s-%s%02d", at.Format("20060102T150405"), project, n), Project: project, Job: project, Commit: commit, Attempt: 1,
		Branch: "master", Tag: tag, Version: tag, By: by, Message: subjects[(n*7+len(project))%len(subjects)], State: build.Queued, Created: at,
	}
	ref, verdict := "refs/heads/master", "pushed to master"
	d := build.Delivery{ID: "d-" + b.ID, Event: "push", Received: at, Body: []byte("{}"), Push: build.Push{
		Repo: "acme/" + project, Ref: ref, Commit: commit, Pusher: by,
	}}
	require.NoError(s.t, s.book.Store(ctx, d))
	decision := ledger.Decision{Delivery: d.ID, Verdict: ledger.Built, Why: verdict, Build: b.ID, Add: []build.Build{b}}
	if len(hold) > 0 {
		h := hold[0]
		h.Build, h.Project, h.Since = b.ID, project, at
		b.State, b.Why = build.Held, h.Why
		decision.Add, decision.Hold, decision.Why = []build.Build{b}, []build.Hold{h}, h.Why
	}
	require.NoError(s.t, s.book.Decide(ctx, decision))
	if tag != "" {
		d.ID, d.Push.Ref, d.Received = "t-"+b.ID, "refs/tags/"+tag, at.Add(time.Second)
		require.NoError(s.t, s.book.Store(ctx, d))
		require.NoError(s.t, s.book.Decide(ctx, ledger.Decision{
			Delivery: d.ID, Verdict: ledger.Joined, Why: "the same release as build " + b.ID, Build: b.ID,
		}))
	}
	return b
}

// ends moves a build to a state that it reached after a while.
func (s *seed) ends(b build.Build, state build.State, took time.Duration, why string) build.Build {
	s.t.Helper()
	from := b.State
	b.State, b.Why, b.Number, b.URL = state, why, s.count[b.Project], fmt.Sprintf("https://jenkins.example.com/job/%s/%d/", b.Job, s.count[b.Project])
	b.Triggered, b.Started, b.Accepted, b.Taken = b.Created.Add(2*time.Second), b.Created.Add(4*time.Second), true, 1
	if state.Final() {
		b.Ended = b.Started.Add(took)
	}
	if state == build.Superseded {
		b.Number, b.URL, b.Triggered, b.Started, b.Ended = 0, "", time.Time{}, time.Time{}, time.Time{}
		s.count[b.Project]--
	}
	require.NoError(s.t, s.book.Move(context.Background(), from, b))
	return b
}

// told stores what deliver told of the build's rollout.
func (s *seed) told(b build.Build, environment, result, problem string, hosts ...build.Host) {
	s.t.Helper()
	r := build.Rollout{
		Run: "run-" + b.ID + environment, Build: b.ID, Project: b.Project, Environment: environment, Action: "push",
		Release: fmt.Sprintf("jenkins-%s-%d", b.Project, b.Number), Version: b.Version, Commit: b.Commit, By: b.By, Result: result, Error: problem,
		Started: b.Started.Add(40 * time.Second), SHA256: strings.Repeat("5be1c7a09d3f42e8", 4), Size: 31<<20 + 412_000, Hosts: hosts,
	}
	if result != "" {
		r.Ended = b.Started.Add(58 * time.Second)
	}
	require.NoError(s.t, s.book.Rollout(context.Background(), r))
}

// host is a server of a rollout, through its stages with the given times.
func host(name, result string, took ...float64) build.Host {
	h := build.Host{Host: name, Result: result}
	for i, stage := range []string{"preflight", "ship", "switch", "settle"} {
		if i >= len(took) {
			break
		}
		h.Stages = append(h.Stages, build.Stage{Name: stage, State: "done", Took: took[i]})
		h.Took += took[i]
	}
	return h
}

// failing is a host that did not come well out of its switch.
func failing(h build.Host) build.Host {
	h.Stage, h.Step, h.Error = "switch", "health", "health: 3 of 5 answers were 500"
	h.Stages = append(h.Stages, build.Stage{Name: "switch", State: "failed", Took: 8.2})
	return h
}

func (s *seed) week() {
	day := 24 * time.Hour
	for n := range 30 { // the dashboard, several times a day
		at := noon.Add(-7*day + time.Duration(n)*5*time.Hour + 20*time.Minute)
		b := s.push("dashboard", n, fmt.Sprintf("v1.%d.%d", 4+n/10, n%10), []string{"ada", "grace", "joan"}[n%3], at)
		took := time.Duration(52+n*13%31)*time.Second + time.Duration(n)*700*time.Millisecond
		switch n {
		case 11:
			s.ends(b, build.Failed, 21*time.Second, "")
		case 19:
			b = s.ends(b, build.Failed, 96*time.Second, "deliver: rolled back: web-2: health: 3 of 5 answers were 500")
			s.told(b, "production", "rolled back", "web-2: health: 3 of 5 answers were 500",
				host("web-1", "rolled back", .4, 3.1, 6.2), failing(host("web-2", "rolled back", .4, 3.3)), host("web-3", "untouched", .4, 3.2))
		case 24:
			s.ends(b, build.Superseded, 0, "a newer push came: "+short(s.commits["dashboard"][25]))
		default:
			b = s.ends(b, build.Succeeded, took, "")
			s.told(b, "production", "ok", "", host("web-1", "ok", .4, 3.1, 6.2, .1), host("web-2", "ok", .4, 3.3, 6.4, .1), host("web-3", "ok", .5, 3.2, 5.9, .1))
		}
	}
	for n := range 9 {
		b := s.ends(s.push("billing", n*2, fmt.Sprintf("v3.%d.0", n+1), "joan", noon.Add(-6*day+time.Duration(n)*11*time.Hour)), build.Succeeded, 88*time.Second, "")
		s.told(b, "production", "ok", "", host("pay-1", "ok", .3, 2.2, 4.1, .1), host("pay-2", "ok", .3, 2.2, 4.6, .1))
		if n == 8 {
			s.told(b, "staging", "ok", "", host("stage-1", "ok", .3, 2.2, 4.1, .1))
		}
	}
	s.major()
	for n := range 12 {
		state, why := build.Succeeded, ""
		if n == 11 {
			state, why = build.Failed, "unstable: 2 of 418 tests failed"
		}
		s.ends(s.push("search", n, "", "grace", noon.Add(-3*day+time.Duration(n)*5*time.Hour)), state, time.Duration(130+n*7)*time.Second, why)
	}
	s.strangers()
	s.running()
}

// major is a release of billing that waits, with its checklist, and one that was refused.
func (s *seed) major() {
	ctx := context.Background()
	refused := s.push("billing", 18, "v4.0.0", "ada", noon.Add(-30*time.Hour), build.Hold{Why: "v4.0.0 is a major release: v3.9.0 is live", Needed: 2})
	require.NoError(s.t, s.book.Reject(ctx, build.Act{
		Build: refused.ID, Kind: build.ActReject, By: "grace", Note: "rejected by grace: the export is not migrated", At: noon.Add(-29 * time.Hour),
	}))
	b := s.push("billing", 24, "v4.0.1", "ada", noon.Add(-5*time.Hour), build.Hold{
		Why: "v4.0.1 is a major release: v3.9.0 is live", Needed: 2, Checklist: ".deliver/release.md", Steps: []build.Item{
			{N: 1, Line: 3, Kind: build.ItemPerson, Text: "tell support that the export is off for ten minutes"},
			{N: 2, Line: 4, Kind: build.ItemRun, Text: "run: ./migrate expand", Command: "./migrate expand"},
			{N: 3, Line: 5, Kind: build.ItemDeploy, Text: "deploy search@v2.1.0", Project: "search", Version: "v2.1.0"},
			{N: 4, Line: 6, Kind: build.ItemWait, Text: "wait: 10m", Wait: 10 * time.Minute},
			{N: 5, Line: 7, Kind: build.ItemDeploy, Text: "deploy billing@v4.0.1", Project: "billing", Version: "v4.0.1"},
			{N: 6, Line: 8, Kind: build.ItemRun, Text: "run: ./migrate contract", Command: "./migrate contract"},
		},
	})
	require.NoError(s.t, s.book.Approve(ctx, build.Act{Build: b.ID, Kind: build.ActApprove, By: "joan", Note: "read it, the migration is reversible", At: noon.Add(-4 * time.Hour)}))
}

// held is the ID of the major that waits.
func (s *seed) held() string {
	s.t.Helper()
	open, err := s.book.OpenHolds(context.Background())
	require.NoError(s.t, err)
	require.Len(s.t, open, 1)
	return open[0].Build
}

// strangers are deliveries that became nothing.
func (s *seed) strangers() {
	ctx := context.Background()
	for i, d := range []build.Delivery{
		{Event: "ping", Push: build.Push{Repo: "acme/docs"}},
		{Event: "push", Push: build.Push{Repo: "acme/dashboard", Ref: "refs/heads/new-charts", Commit: strings.Repeat("9f", 20), Pusher: "joan"}},
		{Event: "push", Push: build.Push{Repo: "acme/website", Ref: "refs/heads/master", Commit: strings.Repeat("4c", 20), Pusher: "ada"}},
		{Event: "push", Push: build.Push{Repo: "acme/search", Ref: "refs/tags/v2.2.0-rc.1", Commit: strings.Repeat("7a", 20), Pusher: "grace"}},
	} {
		d.ID, d.Body, d.Received = fmt.Sprintf("0f1c2d%02d-9a4b-11f0", i), []byte("{}"), noon.Add(time.Duration(i-50)*time.Minute)
		why := []string{
			"the webhook is set up", "a push to new-charts, and the project builds master", "no project has this repository",
			"v2.2.0-rc.1 is a pre-release: it does not go by itself",
		}[i]
		require.NoError(s.t, s.book.Note(ctx, d, why))
	}
}

// running is what is under way when the page is looked at.
func (s *seed) running() {
	b := s.ends(s.push("dashboard", 30, "v1.7.0", "ada", noon.Add(-70*time.Second)), build.Running, 0, "")
	s.told(b, "production", "", "",
		build.Host{Host: "web-1", Stages: []build.Stage{{Name: "preflight", State: "done", Took: .4}, {Name: "ship", State: "done", Took: 3.1}, {Name: "switch", State: "done", Took: 6.1}}},
		build.Host{Host: "web-2", Stages: []build.Stage{{Name: "preflight", State: "done", Took: .4}, {Name: "ship", State: "done", Took: 3.4}, {Name: "switch", State: "doing"}}},
		build.Host{Host: "web-3", Stages: []build.Stage{{Name: "preflight", State: "done", Took: .5}, {Name: "ship", State: "done", Took: 2.9}}})
	s.push("dashboard", 31, "", "grace", noon.Add(-20*time.Second))
}

func short(commit string) string { return commit[:9] }

// signedIn makes the seed's page one behind a proxy that says who looks.
func (s *seed) signedIn() {
	s.options.Desk = desk(func(o *signin.Options) { o.Proxy = loopback })
}
