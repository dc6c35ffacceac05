package build

import (
	"errors"
	"regexp"
	"strings"
)

// onlyWords are names, ranges like web-[1-8,11] and patterns like web-*: nothing that a
// shell, a command line or a parser of parameters takes for something else.
var onlyWords = regexp.MustCompile(`^[A-Za-z0-9*\[][A-Za-z0-9._*\[\]-]*(,[A-Za-z0-9*\[][A-Za-z0-9._*\[\]-]*)*$`)

// mostOnly bounds a list of servers.
const mostOnly = 500

var errOnly = errors.New("servers are named like h1,h2: names, ranges like web-[1-8] or patterns like web-*, with commas between and nothing else")

// ParseOnly reads a list of servers as people write it, and gives it as deliver
// takes it: with commas between and no blanks. An empty list means all servers.
func ParseOnly(text string) (string, error) {
	var names []string
	for _, word := range strings.Fields(text) {
		if word = strings.Trim(word, ","); word != "" {
			names = append(names, word)
		}
	}
	only := strings.Join(names, ",")
	switch {
	case strings.TrimSpace(text) == "":
		return "", nil
	case !onlyWords.MatchString(only) || len(only) > mostOnly:
		return "", errOnly
	}
	return only, nil
}

// ToOnly says which servers a build is for; empty: all.
func ToOnly(only string) string {
	if only == "" {
		return ""
	}
	return "to " + strings.ReplaceAll(only, ",", ", ") + " only"
}
