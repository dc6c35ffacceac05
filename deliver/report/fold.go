package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// fold writes names short, in natural order, with ranges of numbers: h[1-3,7].
func fold(names []string) string {
	names = slices.Clone(names)
	slices.SortFunc(names, natural)
	names = slices.Compact(names)
	count := map[pattern]int{}
	for _, name := range names {
		for _, n := range numbered(name) {
			count[n.pattern]++
		}
	}
	var folded []*series
	found := map[pattern]*series{}
	for _, name := range names {
		n := best(name, count)
		if found[n.pattern] == nil {
			found[n.pattern] = &series{pattern: n.pattern}
			folded = append(folded, found[n.pattern])
		}
		found[n.pattern].numbers = append(found[n.pattern].numbers, n.n)
	}
	parts := make([]string, len(folded))
	for i, s := range folded {
		parts[i] = s.String()
	}
	return strings.Join(parts, ",")
}

// pattern is a name around one of its numbers. Numbers with leading zeros are
// of a series of their width, to which longer ones may belong: 09, 10.
type pattern struct {
	before, after string
	width         int
	none          bool // no number
}

type number struct {
	pattern
	n int
}

// numbered is each way to see a name as one of a series.
func numbered(name string) []number {
	var all []number
	for _, run := range digits(name) {
		text := name[run[0]:run[1]]
		n, err := strconv.Atoi(text)
		if err != nil || n == math.MaxInt {
			continue
		}
		p := pattern{before: name[:run[0]], after: name[run[1]:]}
		if len(text) > 1 {
			all = append(all, number{p.padded(len(text)), n})
		}
		if len(text) == 1 || text[0] != '0' {
			all = append(all, number{p, n})
		}
	}
	return all
}

func (p pattern) padded(width int) pattern {
	p.width = width
	return p
}

// best sees the name as one of the longest series; of two as the later number.
func best(name string, count map[pattern]int) number {
	found := number{pattern: pattern{before: name, none: true}}
	most := 0
	for _, n := range numbered(name) {
		if count[n.pattern] >= most {
			found, most = n, count[n.pattern]
		}
	}
	return found
}

// series is names of one pattern.
type series struct {
	pattern
	numbers []int
}

func (s *series) String() string {
	if s.none {
		return s.before
	}
	ranges := s.ranges()
	text := strings.Join(ranges, ",")
	if len(s.numbers) > 2 || (len(s.numbers) == 2 && len(s.before)+len(s.after) > 8) {
		return s.before + "[" + text + "]" + s.after
	}
	return s.before + strings.Join(ranges, s.after+","+s.before) + s.after
}

func (s *series) ranges() []string {
	var parts []string
	for i := 0; i < len(s.numbers); {
		j := i
		for j+1 < len(s.numbers) && s.numbers[j+1] == s.numbers[j]+1 {
			j++
		}
		switch from, to := s.format(s.numbers[i]), s.format(s.numbers[j]); {
		case j-i >= 2:
			parts = append(parts, from+"-"+to)
		case j > i:
			parts = append(parts, from, to)
		default:
			parts = append(parts, from)
		}
		i = j + 1
	}
	return parts
}

func (s *series) format(n int) string { return fmt.Sprintf("%0*d", s.width, n) }

// natural orders h2 before h10.
func natural(a, b string) int {
	for a != "" && b != "" {
		na, ra := token(a)
		nb, rb := token(b)
		if c := compareTokens(na, nb); c != 0 {
			return c
		}
		a, b = ra, rb
	}
	return cmp.Compare(len(a), len(b))
}

func compareTokens(a, b string) int {
	if isDigit(a[0]) && isDigit(b[0]) {
		x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y), cmp.Compare(len(a), len(b)))
	}
	return cmp.Compare(a, b)
}

// token cuts the digits, or what is none, off the beginning of s.
func token(s string) (string, string) {
	for i := 1; i < len(s); i++ {
		if isDigit(s[i]) != isDigit(s[0]) {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// digits are the runs of digits in s.
func digits(s string) [][2]int {
	var runs [][2]int
	for at := 0; at < len(s); {
		run, _ := token(s[at:])
		if isDigit(run[0]) {
			runs = append(runs, [2]int{at, at + len(run)})
		}
		at += len(run)
	}
	return runs
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
