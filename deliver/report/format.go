package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// took writes seconds for people: "0.4 s", "2 min 5 s", "1 h 3 min".
func took(seconds float64) string {
	s := int(seconds + 0.5)
	switch {
	case seconds < 59.95:
		return fmt.Sprintf("%.1f s", seconds)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	default:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	}
}

// amount writes how many bytes of how many a host has.
func amount(h *host) string {
	if h.total <= 0 {
		return size(h.done)
	}
	return size(h.done) + " of " + size(h.total)
}

// size writes bytes for people; few of them mpb would write as bits.
func size(n int64) string {
	text := fmt.Sprintf("% .1f", decor.SizeB1000(n))
	if bytes, few := strings.CutSuffix(text, " b"); few {
		return bytes + " B"
	}
	return text
}

// bytesBar draws how much is done on width columns.
func bytesBar(done, total int64, width int) string {
	var out bytes.Buffer
	_ = mpb.BarStyle().Build().Fill(&out, decor.Statistics{AvailableWidth: width, Total: total, Current: done, Completed: done >= total})
	return out.String() // a Buffer takes all
}

// fit makes s exactly width columns wide: cut in the middle, or padded.
func fit(s string, width int) string {
	return pad(cutMiddle(s, width), width)
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}

// unrepeated says once what is done where a step and its error both say it.
func unrepeated(text string) string {
	doing, rest, _ := strings.Cut(text, ": ")
	if strings.HasPrefix(rest, doing+": ") {
		return rest
	}
	return text
}
