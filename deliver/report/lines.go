package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"deliver/rollout"
)

// foldFor is how long a line waits for the same line of other hosts.
const foldFor = 2 * time.Second

// lines writes events as lines that stand for themselves. The same line of
// several hosts is written once.
type lines struct {
	opts    Options
	fleet   *fleet
	out     io.Writer
	paint   paint
	groups  []*group // that wait, in the order of their first line
	timer   *time.Timer
	later   func() // called foldFor after a line began to wait
	closed  bool
	quarter progress
}

// group is a line and the hosts that say it.
type group struct {
	text    string
	look    func(string) string
	hosts   []string
	slowest float64 // seconds
}

func newLines(opts Options, fleet *fleet, out io.Writer) *lines {
	return &lines{opts: opts, fleet: fleet, out: out, paint: paint(opts.Color)}
}

func (l *lines) show(e rollout.Event) {
	switch e.Kind {
	case rollout.RunStarted:
		l.title()
	case rollout.StageStarted:
		l.flush()
		l.quarter = progress{began: e.Time}
		l.write(l.heading(e) + "\n")
	case rollout.StepStarted:
		if l.opts.Verbose {
			l.add(e, e.Step+" ...", l.paint.dim)
		}
	case rollout.StepProgress:
		l.progress(e)
	default:
		l.ended(e)
	}
}

func (l *lines) title() {
	text := fmt.Sprintf("%s %s WITH %s STRATEGY", l.opts.Doing, oneLine(l.opts.App), oneLine(l.opts.Strategy))
	l.write(fmt.Sprintf("\n%s\n\n", l.paint.head(strings.ToUpper(text))))
}

// ended shows what went well or not.
func (l *lines) ended(e rollout.Event) {
	switch e.Kind {
	case rollout.StepDone:
		if l.wantsSteps() {
			l.add(e, e.Step+" ok", l.paint.good)
		}
	case rollout.StepFailed:
		l.add(e, e.Step+" FAILED: "+strings.TrimPrefix(e.Error, e.Step+": "), l.paint.bad)
	case rollout.UndoDone:
		l.add(e, "rolled back", l.paint.warn)
	case rollout.UndoFailed:
		l.add(e, "ROLLBACK FAILED: "+unrepeated(e.Step+": "+e.Error), l.paint.bad)
	case rollout.Message:
		l.message(e)
	}
}

// wantsSteps says whether steps that went well are shown: bars show them themselves.
func (l *lines) wantsSteps() bool {
	return l.opts.Verbose || !l.opts.Compact && !l.opts.Bars
}

func (l *lines) message(e rollout.Event) {
	if e.Error != "" {
		l.add(e, e.Text+": "+e.Error, l.paint.warn)
		return
	}
	l.add(e, e.Text, func(s string) string { return s })
}

func (l *lines) heading(e rollout.Event) string {
	title := oneLine(e.Stage)
	if title != "" {
		title = strings.ToUpper(title[:1]) + title[1:]
	}
	hosts := fold(l.fleet.named(e.Hosts))
	if len(hosts) > 40 {
		hosts = fmt.Sprintf("%d hosts", len(e.Hosts))
	}
	return l.paint.head("-----> "+title) + l.paint.dim(" ("+hosts+")")
}

// add lets a line of a host wait for the same of others; a line of the run
// itself does not wait.
func (l *lines) add(e rollout.Event, text string, look func(string) string) {
	text = strings.TrimRight(clean(text), "\n")
	if e.Host == "" {
		l.flush()
		l.write(render("", text, look))
		return
	}
	at := slices.IndexFunc(l.groups, func(g *group) bool { return g.text == text })
	if at < 0 {
		at = len(l.groups)
		l.groups = append(l.groups, &group{text: text, look: look})
		l.wait()
	}
	g := l.groups[at]
	g.hosts = append(g.hosts, e.Host)
	if e.Kind == rollout.StepDone {
		g.slowest = max(g.slowest, e.Took)
	}
	if l.fleet.allSaid(e, len(g.hosts)) {
		l.flushTo(at + 1)
	}
}

func (l *lines) wait() {
	if l.timer == nil {
		l.timer = time.AfterFunc(foldFor, l.later)
	} else if len(l.groups) == 1 {
		l.timer.Reset(foldFor)
	}
}

// flush writes all lines that wait.
func (l *lines) flush() { l.flushTo(len(l.groups)) }

// flushTo writes the first n lines that wait, so that lines of one host keep their order.
func (l *lines) flushTo(n int) {
	var text strings.Builder
	for _, g := range l.groups[:n] {
		line := g.text
		if g.slowest >= 1 {
			line += ", " + took(g.slowest)
		}
		text.WriteString(render("["+fold(l.fleet.named(g.hosts))+"] ", line, g.look))
	}
	l.groups = slices.Delete(l.groups, 0, n)
	l.write(text.String())
}

// render prefixes each line of a text.
func render(prefix, text string, look func(string) string) string {
	var out strings.Builder
	if prefix == "" {
		prefix = "       "
	}
	for line := range strings.SplitSeq(text, "\n") {
		out.WriteString(strings.TrimRight(prefix+look(line), " ") + "\n")
	}
	return out.String()
}

func (l *lines) write(text string) {
	if text == "" || l.closed {
		return
	}
	_, _ = io.WriteString(l.out, l.opts.Redact.Text(text)) // a display that is gone must not end a rollout
}

// close writes what waits; nothing is written after it.
func (l *lines) close() {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.flush()
	l.closed = true
}
