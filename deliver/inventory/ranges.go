package inventory

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// mostExpanded is how many hosts one entry may stand for: a slip as [1-99999]
// must not fill the memory.
const mostExpanded = 10000

// Split parts a list of hosts or patterns at commas, blanks and line ends; a
// comma inside of brackets or braces parts nothing: web-[1-3,7] db.
func Split(list string) []string {
	var entries []string
	begin, depth := 0, 0
	for i, r := range list + " " {
		switch {
		case r == '[' || r == '{':
			depth++
		case r == ']' || r == '}':
			depth = max(0, depth-1)
		case r == ',' && depth > 0 || !separates(r):
		default:
			if begin < i {
				entries = append(entries, list[begin:i])
			}
			begin, depth = i+1, 0
		}
	}
	return entries
}

// expand gives the names that an entry of HOSTS with ranges stands for:
// web-[1-3,7], web[01-20], web-{1..8} and web-{a,b}. What begins with a bracket
// is an IPv6 address and stays as it is.
func expand(entry string) ([]string, error) {
	user, address := "", entry
	if at := strings.Index(entry, "@"); at >= 0 {
		user, address = entry[:at+1], entry[at+1:]
	}
	if strings.HasPrefix(address, "[") {
		return []string{entry}, nil
	}
	return product(user, address, group.choices)
}

// expandPattern does so with a pattern, whose classes of characters stay.
func expandPattern(entry string) ([]string, error) {
	return product("", entry, func(g group) ([]string, error) {
		if g.isRange() {
			return g.choices()
		}
		return []string{string(g)}, nil
	})
}

// product is every name that comes of taking one choice for each group.
func product(before, rest string, choicesOf func(group) ([]string, error)) ([]string, error) {
	parts, total := [][]string{{before}}, 1
	for rest != "" {
		choices, after, err := nextPart(rest, choicesOf)
		if err != nil {
			return nil, err
		}
		if total *= len(choices); total > mostExpanded {
			return nil, errTooMany
		}
		parts, rest = append(parts, choices), after
	}
	names := make([]string, total)
	for i := range names {
		names[i] = pick(parts, i, total)
	}
	return names, nil
}

// nextPart cuts off what stands before the next group, or the group.
func nextPart(text string, choicesOf func(group) ([]string, error)) (choices []string, after string, err error) {
	switch at := strings.IndexAny(text, "[{"); at {
	case -1:
		return []string{text}, "", nil
	case 0:
		g, after, err := cutGroup(text)
		if err != nil {
			return nil, "", err
		}
		choices, err := choicesOf(g)
		return choices, after, err
	default:
		return []string{text[:at]}, text[at:], nil
	}
}

// pick is the i-th of all names, the last part of which changes first.
func pick(parts [][]string, i, total int) string {
	var name strings.Builder
	for _, choices := range parts {
		total /= len(choices)
		name.WriteString(choices[i/total])
		i %= total
	}
	return name.String()
}

var errTooMany = fmt.Errorf("it stands for more than %d hosts", mostExpanded)

// group is what stands in brackets or braces, with them.
type group string

// cutGroup cuts the group off that text begins with.
func cutGroup(text string) (g group, after string, err error) {
	closing := map[byte]string{'[': "]", '{': "}"}[text[0]]
	end := strings.Index(text, closing)
	if end < 0 {
		return "", "", fmt.Errorf("%c is not closed by %s", text[0], closing)
	}
	return group(text[:end+1]), text[end+1:], nil
}

var (
	numbers = regexp.MustCompile(`^\[[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*\]$`)
	sequel  = regexp.MustCompile(`^\{([0-9]+)\.\.([0-9]+)\}$`)
)

// isRange tells a range from a class of characters, as [ab] or [12] is one in a
// pattern.
func (g group) isRange() bool {
	return g[0] == '{' || numbers.MatchString(string(g)) && strings.ContainsAny(string(g), "-,")
}

func (g group) choices() ([]string, error) {
	inside := string(g[1 : len(g)-1])
	switch ends := sequel.FindStringSubmatch(string(g)); {
	case ends != nil:
		return count(ends[1], ends[2])
	case g[0] == '{' && strings.Contains(inside, ",") && !strings.ContainsAny(inside, "[{"):
		return strings.Split(inside, ","), nil
	case g[0] == '{':
		return nil, fmt.Errorf("%s is no range: it is written {1..8} or {a,b}", g)
	case !g.isRange():
		return nil, fmt.Errorf("%s is no range of numbers: it is written [1-8], [01-20] or [1-3,7]", g)
	}
	var all []string
	for part := range strings.SplitSeq(inside, ",") {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		some, err := count(from, to)
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(all) > mostExpanded {
			return nil, errTooMany
		}
	}
	return all, nil
}

// count gives the numbers from one to another, with as many digits as the
// longer one has where either begins with 0.
func count(from, to string) ([]string, error) {
	first, err := strconv.Atoi(from)
	if err != nil {
		return nil, errors.New(from + " is too large a number")
	}
	last, err := strconv.Atoi(to)
	switch {
	case err != nil:
		return nil, errors.New(to + " is too large a number")
	case last < first:
		return nil, fmt.Errorf("a range does not run backwards, from %s to %s", from, to)
	case last-first >= mostExpanded:
		return nil, errTooMany
	}
	width := 0
	if len(from) > 1 && from[0] == '0' || len(to) > 1 && to[0] == '0' {
		width = max(len(from), len(to))
	}
	var all []string
	for n := first; n <= last; n++ {
		all = append(all, fmt.Sprintf("%0*d", width, n))
	}
	return all, nil
}
