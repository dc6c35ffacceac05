package web

import (
	"fmt"
	"slices"

	"autobuilder/build"
)

// watching is a release that a watch looks after.
type watching struct{ build.Watching }

// Words say how the watch stands.
func (w watching) Words() string {
	switch {
	case w.Bad > 0:
		return fmt.Sprintf("%s in a row", count(w.Bad, "bad answer"))
	case w.Answers > 0:
		return fmt.Sprintf("nothing bad in %s", count(w.Answers, "answer"))
	}
	return "the monitor has not answered yet"
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func watchOf(all []build.Watching, is func(build.Watching) bool) *watching {
	i := slices.IndexFunc(all, is)
	if i < 0 {
		return nil
	}
	return &watching{all[i]}
}
