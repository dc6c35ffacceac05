package report

import "github.com/mattn/go-runewidth"

// columns is how wide a text is on a terminal.
func columns(s string) int { return runewidth.StringWidth(s) }

// cut shortens a text to width columns at its end.
func cut(s string, width int) string {
	if width <= 2 {
		return runewidth.Truncate(s, max(0, width), "")
	}
	return runewidth.Truncate(s, width, "..")
}

// share is how many of width columns a column of names gets that would like most.
func share(most, width int) int {
	return min(most, max(width/3, min(8, width/2)))
}

// cutMiddle shortens a name to width columns and keeps its two ends, which
// tell hosts apart.
func cutMiddle(s string, width int) string {
	if columns(s) <= width {
		return s
	}
	if width <= 6 {
		return cut(s, width)
	}
	head := (width - 2) / 2
	return runewidth.Truncate(s, head, "") + ".." + runewidth.TruncateLeft(s, columns(s)-(width-2-head), "")
}
