package report

import (
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// mostRows is how many rows the view of a fleet has at most; more would push what
// was said before off the terminal.
const mostRows = 20

// bars draws the fleet on a terminal, below the lines that stay.
type bars struct {
	progress *mpb.Progress
	bar      *mpb.Bar
	screen   *screen
	view     *view
	rows     []string // of the frame that is drawn
}

func newBars(opts Options, f *fleet) *bars {
	b := &bars{
		screen: &screen{out: opts.Out, redact: opts.Redact, width: opts.Width, height: opts.Height},
		view:   &view{fleet: f, paint: paint(opts.Color)},
	}
	b.progress = mpb.New(mpb.WithConsoleWriter(b.screen))
	var rows []mpb.BarFiller
	for i := range mostRows {
		rows = append(rows, mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error { return b.row(w, i) }))
	}
	b.bar = b.progress.New(0, built(b.title), mpb.BarFillerTrim(), mpb.BarBtmExtender(rows...))
	return b
}

// built is a filler that is its own builder, as mpb asks for one.
type built func(io.Writer, decor.Statistics) error

// Build gives the filler.
func (b built) Build() mpb.BarFiller { return mpb.BarFillerFunc(b) }

// title draws the first row, and makes the others.
func (b *bars) title(w io.Writer, _ decor.Statistics) error {
	width, height := b.screen.size()
	title, rows := b.view.frame(width-1, min(mostRows, max(1, height-4)), time.Now())
	b.rows = rows
	_, err := io.WriteString(w, title)
	return err
}

// row draws a row below the title; one that is not there takes no line.
func (b *bars) row(w io.Writer, i int) error {
	if i >= len(b.rows) {
		return nil
	}
	_, err := io.WriteString(w, b.rows[i]+"\n")
	return err
}

// Write puts lines above the bars.
func (b *bars) Write(text []byte) (int, error) { return b.progress.Write(text) }

// close takes the bars of a large fleet away and lets those of a small one stand.
func (b *bars) close() {
	b.bar.Abort(b.view.isFolded())
	b.progress.Wait()
}
