package console

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
)

// Piece is what a build has written since an offset.
type Piece struct {
	Text []byte
	Next int64 // where to read on
	Over bool  // nothing more comes
}

// Source reads the console of a build from an offset on.
type Source func(ctx context.Context, id string, offset int64) (Piece, error)

// What a page shows at once.
const (
	pageLines = 600
	pageBytes = 56 << 10
)

// View is the part of a console that stands in a page.
type View struct {
	First, Last, Total int // numbers of its lines
	Steps              []Step
	html               [][]byte
	size               int
}

// HTML is one element for each line; what the build wrote is escaped in it.
func (v *View) HTML() template.HTML {
	return template.HTML(bytes.Join(v.html, []byte("\n"))) //nolint:gosec // painter escapes
}

// Before says whether lines stand before those of the view.
func (v *View) Before() bool { return v.First > 1 }

// After says whether lines stand behind those of the view.
func (v *View) After() bool { return v.Last < v.Total }

// add takes the next line, and lets go of the first ones if there are too many.
func (v *View) add(number int, html []byte) {
	if len(v.html) == 0 {
		v.First = number
	}
	v.html, v.size, v.Last = append(v.html, html), v.size+len(html), number
	for len(v.html) > 1 && v.full() {
		v.size -= len(v.html[0])
		v.html = v.html[1:]
		v.First++
	}
}

func (v *View) full() bool { return len(v.html) > pageLines || v.size > pageBytes }

// Read makes the view of what is there of a console: its end, or what stands
// around a line.
func Read(ctx context.Context, source Source, id string, around int) (*View, error) {
	v := &View{}
	l, enough := &lines{}, false
	l.each = func(number int, html []byte) {
		enough = enough || around > 0 && number > around && v.fullWith(html, around)
		if !enough {
			v.add(number, html)
		}
	}
	var offset int64
	for {
		piece, err := source(ctx, id, offset)
		if err != nil {
			return v, fmt.Errorf("read console: %w", err)
		}
		l.feed(piece.Text)
		if piece.Next <= offset {
			break
		}
		offset = piece.Next
	}
	l.close()
	v.Total, v.Steps = l.count, l.steps
	return v, nil
}

// fullWith says whether another line would push the one that was asked for out.
func (v *View) fullWith(html []byte, around int) bool {
	return v.First >= max(1, around-pageLines/8) && (len(v.html) == pageLines || v.size+len(html) > pageBytes)
}
