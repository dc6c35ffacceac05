package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"autobuilder/build"
)

// Message is a letter with what it is about. No secret that autobuilder knows
// is in it.
type Message struct {
	build.Letter
	Project build.Project
	About   build.Build    // the build, as it is now; its State is that of the event where the event names one
	Hold    *build.Hold    // of events about a hold
	Rollout *build.Rollout // of events about a run of deliver
	Live    build.Live     // what ran before
	Changes []build.Commit // since then, newest first
	More    int            // changes that are not listed
	Step    string         // that failed
	Tail    []string       // its last lines
	Page    string         // address of the build's page, or of autobuilder's
	Notes   string         // address of the release's notes
	now     build.State    // of the build, by now
}

// Facts are where messages find what they are about.
type Facts interface {
	Build(ctx context.Context, id string) (build.Build, error)
	Hold(ctx context.Context, id string) (build.Hold, error)
	RolloutOf(ctx context.Context, run string) (build.Rollout, error)
	// Replaced is what ran before the time, other than the commit.
	Replaced(ctx context.Context, project, environment, commit string, at time.Time) (build.Live, error)
}

// Writer makes messages. What only makes them better (the list of changes, the
// lines of a console) may be missing in one: no message waits for it.
type Writer struct {
	Facts    Facts
	Projects []build.Project
	URL      string // of autobuilder
	Hub      string // where repositories are looked at: https://github.com
	// Changes are the newest commits from one to another, at most limit, and how
	// many there are.
	Changes func(ctx context.Context, p build.Project, from, to string, limit int) (list []build.Commit, all int, err error)
	// Console is what a build wrote last.
	Console func(ctx context.Context, b build.Build) (text string, err error)
	Secrets []string // values that no message shows
	Log     *slog.Logger
}

const (
	mostChanges = 10
	mostLines   = 15
	factTime    = 10 * time.Second
)

// only are the servers that it is about; empty: all.
func (m Message) only() string {
	if m.About.Only == "" && m.Rollout != nil {
		return m.Rollout.Only
	}
	return m.About.Only
}

func (w Writer) write(ctx context.Context, letter build.Letter) (Message, error) {
	m := Message{Letter: letter, Project: w.project(letter.Project), Page: w.page(letter.Build)}
	err := w.about(ctx, &m)
	if err != nil && !errors.Is(err, build.ErrUnknown) {
		return m, fmt.Errorf("write message of event %d: %w", letter.Seq, err)
	}
	hide := NewRedactor(w.Secrets)
	if m.About.ID != "" {
		w.adorn(ctx, &m, hide)
	}
	hide.message(&m)
	return m, nil
}

func (w Writer) project(name string) build.Project {
	for _, p := range w.Projects {
		if p.Name == name {
			return p
		}
	}
	return build.Project{Name: name}
}

func (w Writer) page(id string) string {
	base := strings.TrimRight(w.URL, "/")
	if id == "" {
		return base + "/"
	}
	return base + "/builds/" + url.PathEscape(id)
}

func (w Writer) about(ctx context.Context, m *Message) (err error) {
	if m.Build != "" {
		if m.About, err = w.Facts.Build(ctx, m.Build); err != nil {
			return err
		}
		m.now = m.About.State
		m.About.State = stateAt(m.Kind, m.About.State)
		if m.About.Tag != "" && w.Hub != "" {
			m.Notes = w.Hub + "/" + m.Project.Repo + "/releases/tag/" + url.PathEscape(m.About.Tag)
		}
	}
	switch m.Kind {
	case build.EventHeld, build.EventApproved, build.EventRejected, build.EventExpired, build.EventTicked, build.EventStepFailed:
		var hold build.Hold
		hold, err = w.Facts.Hold(ctx, m.Build)
		m.Hold = &hold
	case build.EventDelivering, build.EventDelivered, build.EventUndone:
		var r build.Rollout
		r, err = w.Facts.RolloutOf(ctx, m.Run)
		m.Rollout = &r
	}
	return err
}

// stateAt is the state of which an event tells: the build may be further by now.
func stateAt(kind build.EventKind, now build.State) build.State {
	switch kind {
	case build.EventQueued, build.EventRunning, build.EventSucceeded, build.EventFailed, build.EventAborted,
		build.EventLost, build.EventSuperseded:
		return build.State(kind)
	}
	return now
}

// adorn adds what a message can do without. A console is redacted before it is
// cut: half a secret is not found any more.
func (w Writer) adorn(ctx context.Context, m *Message, hide Redactor) {
	ctx, cancel := context.WithTimeout(ctx, factTime)
	defer cancel()
	at := m.At
	if !m.About.Started.IsZero() {
		at = m.About.Started
	}
	var err error
	m.Live, err = w.Facts.Replaced(ctx, m.Project.Name, m.Project.Environment(), m.About.Commit, at)
	if err == nil && m.Live.Commit != "" && m.tellsChanges() {
		var all int
		m.Changes, all, err = w.Changes(ctx, m.Project, m.Live.Commit, m.About.Commit, mostChanges)
		m.More = max(0, all-len(m.Changes))
	}
	if m.Kind == build.EventFailed && m.About.Number != 0 && w.Console != nil {
		var text string
		var consoleErr error
		text, consoleErr = w.Console(ctx, m.About)
		m.Step, m.Tail = failure(hide.Text(text))
		err = errors.Join(err, consoleErr)
	}
	if err != nil {
		w.Log.Info("a message is shorter", "event", m.Seq, "error", err)
	}
}

// stepMark begins the line that a job's step announces itself with.
const stepMark = "===== "

// failure finds the step that was the last, and its last lines.
func failure(console string) (step string, tail []string) {
	lines := strings.Split(strings.TrimRight(console, "\n"), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		rest, ok := strings.CutPrefix(lines[i], stepMark)
		if !ok {
			continue
		}
		_, step, _ = strings.Cut(rest, " ") // the time of day stands before the name
		lines = lines[i+1:]
		break
	}
	for _, line := range lines[max(0, len(lines)-mostLines):] {
		if line = plain(line); line != "" {
			tail = append(tail, line)
		}
	}
	return strings.TrimSpace(step), tail
}

// mostLetters bounds one line of a console.
const mostLetters = 300

// plain is a line without the control sequences of a terminal.
func plain(line string) string {
	line = strings.TrimSpace(controls.ReplaceAllString(line, ""))
	if runes := []rune(line); len(runes) > mostLetters {
		return string(runes[:mostLetters]) + "…"
	}
	return line
}
