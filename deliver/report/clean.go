package report

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a text of any origin fit to be shown: no terminal sequences, no
// control characters, lines end with a newline only.
func clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var out strings.Builder
	for len(s) > 0 {
		if n := sequence(s); n > 0 {
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		if r == '\r' {
			r = '\n'
		}
		if printable(r) && (r != utf8.RuneError || n > 1) {
			out.WriteRune(r)
		}
		s = s[n:]
	}
	return out.String()
}

// oneLine is clean of what must not be more than a line.
func oneLine(s string) string {
	return strings.Join(strings.Fields(clean(s)), " ")
}

func printable(r rune) bool {
	return r == '\n' || r == '\t' || (!unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r))
}

// sequence is the length of the terminal sequence that s begins with.
func sequence(s string) int {
	if len(s) < 2 || s[0] != '\x1b' {
		return 0
	}
	switch s[1] {
	case '[':
		return 2 + csi(s[2:])
	case ']':
		return 2 + osc(s[2:])
	default:
		return 2 + intermediates(s[1:])
	}
}

// intermediates are the bytes of a short sequence before its last.
func intermediates(s string) int {
	n := 0
	for n+1 < len(s) && s[n] >= ' ' && s[n] <= '/' {
		n++
	}
	return n
}

// csi is the length of a control sequence: parameters, then one final letter.
func csi(s string) int {
	for i := range len(s) {
		if s[i] >= '@' && s[i] <= '~' {
			return i + 1
		}
	}
	return len(s)
}

// osc is the length of an operating system command: to BEL or ESC \.
func osc(s string) int {
	if i := strings.IndexAny(s, "\a\x1b"); i >= 0 {
		return i + 1
	}
	return len(s)
}
