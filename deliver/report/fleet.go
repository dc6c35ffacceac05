package report

import (
	"strings"
	"sync"
	"time"
	"unicode"

	"deliver/rollout"
)

// fleet is what the events so far tell about the hosts.
type fleet struct {
	mu      sync.Mutex
	hosts   []*host // in the order of the run
	byName  map[string]*host
	stage   string
	members []*host // of the stage
	began   time.Time
}

// state is where a host is.
type state int

const (
	waiting state = iota
	running
	passed
	failing // a step failed; what becomes of the host is still to come
	undone
	broken // it could not be put back
	aside
)

// host is one host as it is shown.
type host struct {
	label       string
	short       string // label without the domain that all hosts share
	state       state
	stage       string
	step        string // that runs, or failed
	undoing     bool
	since       time.Time
	done, total int64
	why         string // the first error
	took        float64
}

func newFleet() *fleet {
	return &fleet{byName: map[string]*host{}}
}

func (f *fleet) apply(e rollout.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.Kind == rollout.RunStarted:
		f.began = e.Time
		f.join(e.Hosts)
	case e.Kind == rollout.StageStarted:
		f.join(e.Hosts)
		f.stage, f.members = e.Stage, nil
		f.wait(e)
	case e.Host != "":
		f.join([]string{e.Host})
		f.byName[e.Host].apply(e)
	}
}

func (f *fleet) join(names []string) {
	before := len(f.hosts)
	for _, name := range names {
		if f.byName[name] == nil {
			h := &host{label: name}
			f.byName[name] = h
			f.hosts = append(f.hosts, h)
		}
	}
	if len(f.hosts) > before {
		f.label()
	}
}

// label names hosts without their user, where that is not needed to tell them apart.
func (f *fleet) label() {
	count := map[string]int{}
	for name := range f.byName {
		count[withoutUser(name)]++
	}
	for name, h := range f.byName {
		h.label = oneLine(name)
		if short := withoutUser(name); count[short] == 1 {
			h.label = oneLine(short)
		}
	}
	f.shorten()
}

// shorten takes the domain that all hosts share off their names.
func (f *fleet) shorten() {
	domain := ""
	for i, h := range f.hosts {
		if i == 0 {
			domain = domainOf(h.label)
		}
		for domain != "" && !strings.HasSuffix(h.label, domain) {
			domain = domainOf(domain[1:])
		}
	}
	if len(f.hosts) == 1 || !strings.ContainsFunc(domain, unicode.IsLetter) {
		domain = ""
	}
	for _, h := range f.hosts {
		h.short = strings.TrimSuffix(h.label, domain)
	}
}

// domainOf is what of a name stands from its first dot on.
func domainOf(name string) string {
	if at := strings.Index(name, "."); at > 0 {
		return name[at:]
	}
	return ""
}

func withoutUser(name string) string { return name[strings.LastIndex(name, "@")+1:] }

// wait puts the hosts of a stage that has begun in front of it.
func (f *fleet) wait(e rollout.Event) {
	for _, name := range e.Hosts {
		h := f.byName[name]
		h.state, h.stage, h.since = waiting, e.Stage, e.Time
		f.members = append(f.members, h)
	}
}

func (h *host) apply(e rollout.Event) {
	switch e.Kind {
	case rollout.StepStarted:
		h.state, h.stage, h.step, h.since = running, e.Stage, oneLine(e.Step), e.Time
		h.done, h.total = 0, 0
	case rollout.StepProgress:
		h.done, h.total = e.Done, e.Total
	case rollout.StepFailed:
		h.fail(failing, e)
	case rollout.HostDone:
		h.state, h.stage, h.took = passed, e.Stage, e.Took
	case rollout.UndoStarted:
		h.undoing = true
	case rollout.UndoDone:
		h.state = undone
	case rollout.UndoFailed:
		h.fail(broken, e)
	case rollout.SetAside:
		if h.state == failing {
			h.state = aside
		}
	}
}

func (h *host) fail(s state, e rollout.Event) {
	h.state = s
	if h.why == "" {
		h.why = oneLine(e.Step) + ": " + firstLine(clean(e.Error))
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// word is the state in one or two words.
func (h *host) word() string {
	switch h.state {
	case waiting:
		return "waiting"
	case running:
		return h.step
	case passed:
		return batchless(h.stage) + " ok"
	case undone:
		return "rolled back"
	case broken:
		return "ROLLBACK FAILED"
	default:
		return "FAILED"
	}
}

// batchless is a stage without its number: "switch" of "switch 2/3".
func batchless(stage string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(oneLine(stage), "settle: "), " ")
	return name
}

// over says that nothing is going on with the host in this stage any more.
func (h *host) over() bool { return h.state != waiting && h.state != running }

// named gives the labels of hosts.
func (f *fleet) named(names []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = oneLine(name)
		if h := f.byName[name]; h != nil {
			out[i] = h.label
		}
	}
	return out
}

// allSaid reports whether no other host of the stage is going to say what so many
// did: each but the failed ones said that a step went well, or nothing goes on any more.
func (f *fleet) allSaid(e rollout.Event, said int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Stage != f.stage {
		return false
	}
	if e.Kind != rollout.StepDone {
		said = 0
	}
	for _, h := range f.members {
		if !h.over() || (h.state == passed && e.Kind == rollout.StepDone) {
			said--
		}
		if said < 0 {
			return false
		}
	}
	return true
}
