package report

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"deliver/rollout"
)

// Redactor takes secrets out of texts by their value. The zero Redactor
// knows none.
type Redactor struct {
	replacer *strings.Replacer
}

// NewRedactor makes a Redactor of secrets. Of one that is part of another the
// longer is found first.
func NewRedactor(secrets ...string) Redactor {
	sorted := slices.Clone(secrets)
	slices.SortFunc(sorted, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, secret := range sorted {
		if secret != "" {
			pairs = append(pairs, secret, "[secret]")
		}
	}
	return Redactor{strings.NewReplacer(pairs...)}
}

// Text is s without the secrets.
func (r Redactor) Text(s string) string {
	if r.replacer == nil || s == "" {
		return s
	}
	return r.replacer.Replace(s)
}

func (r Redactor) event(e rollout.Event) rollout.Event {
	for _, field := range []*string{&e.Stage, &e.Host, &e.Step, &e.Text, &e.Error} {
		*field = r.Text(*field)
	}
	e.Hosts = r.all(e.Hosts)
	return e
}

func (r Redactor) all(texts []string) []string {
	if r.replacer == nil || texts == nil {
		return texts
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = r.Text(text)
	}
	return out
}

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
		if printable(r) {
			out.WriteRune(r)
		}
		s = s[n:]
	}
	return out.String()
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
		return 2
	}
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
