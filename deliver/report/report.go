// Package report shows people and machines what a rollout does and how it ended.
package report

import (
	"cmp"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"deliver/rollout"
)

// Options say where and how a rollout is shown. Without Bars it is shown as
// lines, as a pipe or a log needs them.
type Options struct {
	Out      io.Writer // usually stderr; each line is one Write
	Bars     bool      // Out is a terminal that is drawn on; see Detect
	Color    bool
	Compact  bool // no steps that went well
	Verbose  bool // the beginning of steps as well
	App      string
	Strategy string
	Doing    string // "DELIVERING", if empty
	Done     string // "DELIVERED", if empty
	// Hint is what to do about an error, or empty.
	Hint func(error) string
	// Redact takes secrets out of everything that is shown.
	Redact Redactor
	// Width and Height are the size of the terminal; 0: the terminal is asked.
	Width, Height int
}

// Detect says what out can show: bars on a terminal, colours where they are
// wanted. plain is -P: neither.
func Detect(out *os.File, plain bool, getenv func(string) string) (bars, color bool) {
	if plain {
		return false, false
	}
	tty := term.IsTerminal(int(out.Fd())) && getenv("TERM") != "dumb"
	color = tty || (getenv("CLICOLOR_FORCE") != "" && getenv("CLICOLOR_FORCE") != "0")
	return tty, color && getenv("NO_COLOR") == ""
}

// Reporter shows one rollout.
type Reporter struct {
	opts  Options
	fleet *fleet
	bars  *bars // nil: lines only

	mu    sync.Mutex
	lines *lines
}

// New makes the Reporter of one rollout. Finish must be called.
func New(opts Options) *Reporter {
	opts.Doing = cmp.Or(opts.Doing, "DELIVERING")
	opts.Done = cmp.Or(opts.Done, "DELIVERED")
	r := &Reporter{opts: opts, fleet: newFleet()}
	out := opts.Out
	if opts.Bars {
		r.bars = newBars(opts, r.fleet)
		out = r.bars
	}
	r.lines = newLines(opts, r.fleet, out)
	r.lines.later = r.later
	return r
}

// Handle shows an event. It is a listener of a Rollout.
func (r *Reporter) Handle(e rollout.Event) {
	e = r.opts.Redact.event(e)
	r.fleet.apply(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines.show(e)
}

// later shows what has waited long enough for equal lines of other hosts.
func (r *Reporter) later() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines.flush()
}

// Finish shows how the rollout ended: its last lines name every host that
// is not right, and why. Nothing is shown after it.
func (r *Reporter) Finish(o rollout.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines.close()
	if r.bars != nil {
		r.bars.close()
	}
	ending{opts: r.opts, fleet: r.fleet}.write(o)
}
