package procfile

import (
	"regexp"
	"strings"
)

// Variable is one of an environment.
type Variable struct{ Name, Value string }

var envLine = regexp.MustCompile(`^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// ParseEnv reads an .env file: NAME=VALUE, the value as it stands, in 'single'
// quotes, or in "double" ones with \n and \" in it. Other lines mean nothing;
// of two with the same name, the last counts.
func ParseEnv(text string) []Variable {
	var found []Variable
	at := map[string]int{}
	for line := range strings.Lines(text) {
		m := envLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil || strings.ContainsRune(line, 0) {
			continue
		}
		v := Variable{Name: m[1], Value: unquote(m[2])}
		if i, again := at[v.Name]; again {
			found[i] = v
			continue
		}
		at[v.Name] = len(found)
		found = append(found, v)
	}
	return found
}

func unquote(value string) string {
	if len(value) < 2 || value[0] != value[len(value)-1] {
		return value
	}
	inner := value[1 : len(value)-1]
	switch value[0] {
	case '\'':
		return inner
	case '"':
		return unescape(inner)
	}
	return value
}

func unescape(s string) string {
	var b strings.Builder
	escaped := false
	for _, r := range s {
		switch {
		case escaped && r == 'n':
			b.WriteByte('\n')
		case r == '\\' && !escaped:
			escaped = true
			continue
		default:
			b.WriteRune(r)
		}
		escaped = false
	}
	return b.String()
}
