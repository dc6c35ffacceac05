package report

import (
	"fmt"
	"strings"
	"time"
)

// view lays the fleet out in rows: one for each host, or, where they are too
// many, one for each state and one for each host that is not fine.
type view struct {
	fleet  *fleet
	paint  paint
	folded bool // guarded by the fleet's mutex
}

// frame is the picture of the fleet on so many columns and at most so many rows.
func (v *view) frame(width, most int, now time.Time) (title string, rows []string) {
	v.fleet.mu.Lock()
	defer v.fleet.mu.Unlock()
	v.folded = len(v.fleet.hosts) > most
	if v.folded {
		rows = v.foldedRows(width, most)
	} else {
		rows = v.hostRows(width, now)
	}
	return v.title(width, now), rows
}

func (v *view) isFolded() bool {
	v.fleet.mu.Lock()
	defer v.fleet.mu.Unlock()
	return v.folded
}

func (v *view) title(width int, now time.Time) string {
	f, over := v.fleet, 0
	if f.stage == "" {
		return ""
	}
	for _, h := range f.members {
		if h.over() {
			over++
		}
	}
	text := fmt.Sprintf("%s  %d/%d  %s", oneLine(f.stage), over, len(f.members), clock(now.Sub(f.began)))
	return v.paint.dim(cut(text, width))
}

// clock writes a duration as 1:05 or 1:02:05.
func clock(d time.Duration) string {
	s := int(d.Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s%3600/60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func (v *view) hostRows(width int, now time.Time) []string {
	name, word := 4, 7
	for _, h := range v.fleet.hosts {
		name, word = max(name, columns(h.short)), max(word, columns(h.word()))
	}
	name = share(name, width)
	word = min(word, 15, max(0, width-name-2))
	rows := make([]string, len(v.fleet.hosts))
	for i, h := range v.fleet.hosts {
		left := fit(h.short, name) + "  "
		rest := width - name - word - 4
		rows[i] = strings.TrimRight(left+v.look(h, fit(h.word(), word))+"  "+v.detail(h, rest, now), " ")
	}
	return rows
}

func (v *view) look(h *host, text string) string {
	switch h.state {
	case passed:
		return v.paint.good(text)
	case failing, broken, aside:
		return v.paint.bad(text)
	case undone:
		return v.paint.warn(text)
	case waiting:
		return v.paint.dim(text)
	default:
		return text
	}
}

// detail is what stands behind the state of a host.
func (v *view) detail(h *host, width int, now time.Time) string {
	switch {
	case h.state == running && h.total > 0:
		return meter(h.done, h.total, width)
	case h.state == running:
		return cut(v.running(h, now), width)
	case h.state == passed:
		return cut(took(h.took), width)
	case h.state == waiting:
		return ""
	default:
		return cut(h.why, width)
	}
}

func (v *view) running(h *host, now time.Time) string {
	var words []string
	if h.undoing {
		words = append(words, "rolling back")
	}
	if d := now.Sub(h.since); d >= 2*time.Second {
		words = append(words, clock(d))
	}
	return strings.Join(words, " ")
}

// meter shows bytes as a bar with numbers where there is room, else as a percentage.
func meter(done, total int64, width int) string {
	numbers := size(done) + "/" + size(total)
	if bar := width - 18 - 1; bar >= 10 {
		return bytesBar(done, total, min(bar, 40)) + " " + cut(numbers, 18)
	}
	percent := fmt.Sprintf("%3d%%", 100*done/total)
	if bar := width - len(percent) - 1; bar >= 6 {
		return bytesBar(done, total, bar) + " " + percent
	}
	return cut(percent, width)
}
