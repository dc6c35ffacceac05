package console

import (
	"html"
	"strconv"
	"strings"
)

// painter turns the escape sequences of terminals into spans with classes. What
// one line switches on holds for the next, as on a terminal. Sequences that are
// not about colour are dropped.
type painter struct {
	bold, dim, italic, underline, inverse bool
	ink, ground                           int // 0: the default; else 1 + number of the colour
}

const escape = '\x1b'

// line is one line as HTML, without its end.
func (p *painter) line(text string) string {
	text = lastWritten(text)
	if strings.IndexByte(text, escape) < 0 {
		return p.span(clean(text))
	}
	var out strings.Builder
	for text != "" {
		at := strings.IndexByte(text, escape)
		if at < 0 {
			at = len(text)
		}
		out.WriteString(p.span(clean(text[:at])))
		text = p.sequence(text[at:])
	}
	return out.String()
}

// lastWritten is what is seen of a line that was written over: after the last
// carriage return.
func lastWritten(text string) string {
	text = strings.TrimRight(text, "\r")
	return text[strings.LastIndexByte(text, '\r')+1:]
}

// clean drops control characters, which mean nothing in a page.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

func (p *painter) span(text string) string {
	if text == "" {
		return ""
	}
	text = html.EscapeString(text)
	classes := p.classes()
	if classes == "" {
		return text
	}
	return `<b class="` + classes + `">` + text + `</b>`
}

func (p *painter) classes() string {
	ink, ground := p.ink, p.ground
	if p.inverse {
		ink, ground = ground, ink
	}
	var names []string
	for _, trait := range []struct {
		on   bool
		name string
	}{{p.bold, "em"}, {p.dim, "dim"}, {p.italic, "it"}, {p.underline, "ul"}, {p.inverse, "inv"}} {
		if trait.on {
			names = append(names, trait.name)
		}
	}
	if ink > 0 {
		names = append(names, "c"+strconv.Itoa(ink-1))
	}
	if ground > 0 {
		names = append(names, "g"+strconv.Itoa(ground-1))
	}
	return strings.Join(names, " ")
}

// sequence takes one escape sequence from the start of the text, and gives the rest.
func (p *painter) sequence(text string) string {
	if len(text) < 2 {
		return ""
	}
	switch text[1] {
	case '[':
		return p.control(text[2:])
	case ']', 'P', '_', '^': // a title, a link: up to BEL or ESC \
		return afterString(text[2:])
	case '(', ')', '#', '%':
		return text[min(3, len(text)):]
	}
	return text[2:]
}

func afterString(text string) string {
	for i := range len(text) {
		if text[i] == '\a' {
			return text[i+1:]
		}
		if text[i] == escape && i+1 < len(text) && text[i+1] == '\\' {
			return text[i+2:]
		}
	}
	return ""
}

// control reads the parameters of a control sequence, up to its last letter.
func (p *painter) control(text string) string {
	for i := range len(text) {
		if c := text[i]; c >= '@' && c <= '~' {
			if c == 'm' {
				p.paint(text[:i])
			}
			return text[i+1:]
		} else if c < ' ' || c > '?' {
			return text[i:] // it was no sequence after all
		}
	}
	return ""
}

// paint does what "select graphic rendition" asks for.
func (p *painter) paint(parameters string) {
	codes := strings.FieldsFunc(parameters+";", func(r rune) bool { return r == ';' || r == ':' })
	if len(codes) == 0 {
		*p = painter{}
	}
	for i := 0; i < len(codes); i++ {
		n, err := strconv.Atoi(codes[i])
		if err != nil {
			return
		}
		if n == 38 || n == 48 {
			colour, used := extended(codes[i+1:])
			i += used
			p.set(n, colour)
			continue
		}
		p.code(n)
	}
}

func (p *painter) set(code, colour int) {
	if code == 38 {
		p.ink = colour
		return
	}
	p.ground = colour
}

func (p *painter) code(n int) {
	switch n {
	case 0:
		*p = painter{}
	case 1:
		p.bold = true
	case 2:
		p.dim = true
	case 3:
		p.italic = true
	case 4:
		p.underline = true
	case 7:
		p.inverse = true
	case 22:
		p.bold, p.dim = false, false
	case 23:
		p.italic = false
	case 24:
		p.underline = false
	case 27:
		p.inverse = false
	default:
		p.plainColour(n)
	}
}

func (p *painter) plainColour(n int) {
	switch {
	case n >= 30 && n <= 37:
		p.ink = n - 30 + 1
	case n == 39:
		p.ink = 0
	case n >= 40 && n <= 47:
		p.ground = n - 40 + 1
	case n == 49:
		p.ground = 0
	case n >= 90 && n <= 97:
		p.ink = n - 90 + 8 + 1
	case n >= 100 && n <= 107:
		p.ground = n - 100 + 8 + 1
	}
}

// extended reads 5;N or 2;R;G;B, and gives the nearest of the sixteen colours
// that the page has: a style of its own for each would need inline styles.
func extended(codes []string) (colour, used int) {
	number := func(i int) int {
		if i >= len(codes) {
			return 0
		}
		n, err := strconv.Atoi(codes[i])
		if err != nil || n < 0 {
			return 0
		}
		return min(n, 255)
	}
	switch {
	case number(0) == 5:
		return 1 + sixteenth(number(1)), min(2, len(codes))
	case number(0) == 2:
		return 1 + nearest(number(1), number(2), number(3)), min(4, len(codes))
	}
	return 0, len(codes)
}

// sixteenth is one of 256 colours as one of sixteen.
func sixteenth(n int) int {
	switch {
	case n < 16:
		return n
	case n >= 232:
		level := (n - 232) * 10
		return nearest(level+8, level+8, level+8)
	}
	level := func(part int) int { return min(part, 1)*55 + part*40 }
	n -= 16
	return nearest(level(n/36), level(n/6%6), level(n%6))
}

// nearest picks by which of the three are strong, and how bright all are.
func nearest(r, g, b int) int {
	top, low := max(r, g, b), min(r, g, b)
	switch {
	case top < 64:
		return 0
	case top-low < 32 && top < 160:
		return 8
	case top-low < 32 && top < 224:
		return 7
	case top-low < 32:
		return 15
	}
	half, colour := (top+low)/2, 0
	for bit, level := range []int{r, g, b} {
		if level > half {
			colour |= 1 << bit
		}
	}
	if top > 200 {
		colour += 8
	}
	return colour
}
