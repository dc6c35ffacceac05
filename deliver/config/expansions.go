package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A name that the text lets bash fill in; one with a default is left out.
var expansion = regexp.MustCompile(`\$(?:([A-Z][A-Z0-9_]+)\b|\{([A-Z][A-Z0-9_]+)\})`)

// unsetNotes are on variables that the config uses, that nobody set, and that
// are named almost like one that is: bash takes them for empty.
func (r *resolver) unsetNotes() []string {
	if r.file == nil {
		return nil
	}
	set := slices.Sorted(maps.Keys(r.told.lines))
	var notes []string
	for i, line := range strings.Split(string(r.file.text), "\n") {
		code, _, _ := strings.Cut(" "+line, " #")
		for _, m := range expansion.FindAllStringSubmatch(code, -1) {
			name := m[1] + m[2]
			if near := Suggest(name, set); near != "" && !r.isSet(name) {
				notes = append(notes, fmt.Sprintf("%s:%d: $%s is not set%s", r.file.shown, i+1, name, near))
			}
		}
	}
	return notes
}

func (r *resolver) isSet(name string) bool {
	_, told := r.told.variables[name]
	_, inherited := r.environ[name]
	return told || inherited || known(name)
}

// literalNote is on a setting that holds the name of a variable instead of its
// value. Commands are filled in later, where they run.
func (r *resolver) literalNote(v Value) string {
	if v.strength != byConfig || strings.HasSuffix(v.Variable.Name, "_CMD") {
		return ""
	}
	m := expansion.FindStringSubmatch(v.Text)
	if m == nil || !r.isSet(m[1]+m[2]) {
		return ""
	}
	return fmt.Sprintf("%s: %s holds %s as it stands: in single quotes bash fills nothing in", v.Origin, v.Variable.Name, m[0])
}
