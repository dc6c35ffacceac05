package report

import (
	"fmt"
	"time"

	"deliver/rollout"
)

// slow is how long a stage runs before its progress is worth a line.
const slow = 10 * time.Second

// progress is what was written of the progress of a stage.
type progress struct {
	began time.Time
	told  int // percent
}

// progress writes a line when a slow stage has passed another quarter. Bars show it
// themselves.
func (l *lines) progress(e rollout.Event) {
	if l.opts.Bars || l.opts.Compact || e.Time.Sub(l.quarter.began) < slow {
		return
	}
	percent, slowest := l.fleet.progress()
	quarter := percent / 25 * 25
	if quarter <= l.quarter.told || quarter >= 100 {
		return
	}
	l.quarter.told = quarter
	l.flush()
	l.write(render("", fmt.Sprintf("%s %d%%, slowest %s at %s", oneLine(e.Step), quarter, slowest.label, amount(slowest)), l.paint.dim))
}

// progress is how much of the stage is done, and the host that is the most behind.
func (f *fleet) progress() (percent int, slowest *host) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum, least float64 = 0, 2
	for _, h := range f.members {
		part := h.part()
		sum += part
		if part < least {
			least, slowest = part, h
		}
	}
	return int(100 * sum / float64(max(1, len(f.members)))), slowest
}

// part is how much of its step a host has done; all of it when it is done.
func (h *host) part() float64 {
	switch {
	case h.over():
		return 1
	case h.total <= 0:
		return 0
	default:
		return min(1, float64(h.done)/float64(h.total))
	}
}
