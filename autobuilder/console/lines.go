package console

import (
	"bytes"
	"strconv"
)

// longest is how much of a line without an end is waited for, bytes.
const longest = 16 << 10

// lines cuts what comes in pieces into lines, and makes HTML of each.
type lines struct {
	paint painter
	rest  []byte // of a line that has not ended
	count int
	steps []Step
	each  func(number int, html []byte)
}

// mostSteps bounds what a build can make the page list.
const mostSteps = 100

// feed takes the next piece.
func (l *lines) feed(text []byte) {
	text = append(l.rest, text...)
	for {
		end := bytes.IndexByte(text, '\n')
		switch {
		case end >= 0:
			l.line(text[:end])
			text = text[end+1:]
		case len(text) > longest:
			l.line(text[:longest])
			text = text[longest:]
		default:
			l.rest = append([]byte(nil), text...)
			return
		}
	}
}

// close takes what is left as the last line.
func (l *lines) close() {
	if len(l.rest) > 0 {
		l.line(l.rest)
		l.rest = nil
	}
}

func (l *lines) line(text []byte) {
	for len(text) > longest {
		l.one(text[:longest])
		text = text[longest:]
	}
	l.one(text)
}

func (l *lines) one(text []byte) {
	l.count++
	line := string(text)
	if step, ok := parseStep(line); ok && len(l.steps) < mostSteps {
		step.Line = l.count
		l.steps = append(l.steps, step)
	}
	n := strconv.Itoa(l.count)
	class := ""
	if bytes.HasPrefix(text, []byte("===== ")) {
		class = ` class="step"`
	}
	l.each(l.count, []byte(`<i id="L`+n+`"`+class+`><a href="#L`+n+`" data-n="`+n+`" tabindex="-1"></a>`+l.paint.line(line)+`</i>`))
}
