package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// screen is the terminal that bars are drawn on: each frame is one Write, that
// takes the frame before away first.
type screen struct {
	bytes.Buffer
	out    io.Writer
	redact Redactor
	drawn  int // lines of the last frame

	width, height int // 0: the terminal is asked
}

// IsTerminal says that the screen is drawn on.
func (s *screen) IsTerminal() bool { return true }

// GetTermSize is the size as mpb asks for it. It would leave out the upper
// rows of what it thinks too high, counting those that are not drawn as well; the
// view fits itself, so the height is said to be enough for every row.
func (s *screen) GetTermSize() (width, height int, err error) {
	width, height = s.size()
	return width, height + mostRows, nil
}

// size is the size of the terminal, or 80x24 if it does not tell.
func (s *screen) size() (width, height int) {
	if f, ok := s.out.(*os.File); ok {
		width, height, _ = term.GetSize(int(f.Fd())) // not told is 0
	}
	return cmp.Or(s.width, width, 80), cmp.Or(s.height, height, 24)
}

// Flush draws the frame that was written.
func (s *screen) Flush(lines int) error {
	frame := s.redact.Text(s.String())
	s.Reset()
	if s.drawn > 0 {
		frame = fmt.Sprintf("\x1b[%dA\x1b[J", s.drawn) + frame
	}
	s.drawn = lines
	_, err := io.WriteString(s.out, frame)
	return err
}
