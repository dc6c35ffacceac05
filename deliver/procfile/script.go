package procfile

import (
	"fmt"
	"regexp"
	"strings"
)

// Script is the sh script that runs a process in dir. Its environment is put
// into it, and not into a service manager's file: each manager quotes in a way
// of its own, and some can't say everything.
func Script(mark, dir string, env []Variable, p Process) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# %s\ncd %s || exit 1\n", mark, Quote(dir))
	for _, v := range env {
		if v.Name != "PORT" && v.Name != "PS" {
			fmt.Fprintf(&b, "export %s=%s\n", v.Name, Quote(v.Value))
		}
	}
	fmt.Fprintf(&b, "export PORT=%d PS=%s\n", p.Port, p.Name())
	if simple.MatchString(p.Command) {
		b.WriteString("exec ")
	}
	b.WriteString(p.Command + "\n")
	return b.String()
}

// simple is a command that takes the shell's place: one program, without what
// the shell itself must stay for.
var simple = regexp.MustCompile(`^[A-Za-z0-9_./~-]+(\s+[^;&|()<>{}\x60\n\r]*)?$`)

// Quote makes of a text one word of sh.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
