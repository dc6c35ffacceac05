package config

import (
	"fmt"
	"os/user"
	"slices"
	"strings"
)

// notes are the words of advice on what the config and the environment set.
func (r *resolver) notes(c *Config) []string {
	var notes []string
	for _, name := range r.assigned() {
		if note := r.noteOn(name); note != "" {
			notes = append(notes, note)
		}
	}
	notes = append(notes, r.unsetNotes()...)
	for _, v := range c.values {
		notes = append(notes, r.literalNote(v))
	}
	for _, e := range r.src.Environ {
		name, _, _ := strings.Cut(e, "=")
		notes = append(notes, environmentNote(name, c))
	}
	return slices.DeleteFunc(append(notes, r.otherTool(c), localHome(c)), func(s string) bool { return s == "" })
}

// environmentNote is on a name that deliver does not read: a slip, or what the
// servers were once called where there are none.
func environmentNote(name string, c *Config) string {
	if former()[name] == hostsNow && c.Value("HOSTS").Text == "" {
		return fmt.Sprintf("environment %s: %s does nothing any more: %s", name, name, hostsNow)
	}
	plain, ours := strings.CutPrefix(name, "DELIVER_")
	if !ours || known(name) || known(plain) {
		return ""
	}
	if near := Suggest(plain, settable()); near != "" {
		return fmt.Sprintf("environment %s: deliver knows no %s%s", name, plain, near)
	}
	return ""
}

// assigned are the names that the config itself assigned, sorted.
func (r *resolver) assigned() []string {
	var names []string
	for name := range r.told.lines {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (r *resolver) noteOn(name string) string {
	at := r.eval.shown(r.told.lines[name])
	if instead, ok := former()[name]; ok && (name != "MODE" || r.saysHowMuch()) {
		return fmt.Sprintf("%s: %s does nothing any more: %s", at, name, instead)
	}
	plain := strings.TrimPrefix(name, r.prefix)
	if known(plain) || slices.Contains(edeliverNames(), name) {
		return ""
	}
	if near := Suggest(plain, append(settable(), edeliverNames()...)); near != "" {
		return fmt.Sprintf("%s: deliver knows no %s%s", at, name, near)
	}
	return ""
}

// saysHowMuch tells the original's MODE from a variable of the project's own.
func (r *resolver) saysHowMuch() bool {
	text, _ := r.scripted("MODE")
	return slices.Contains([]string{"compact", "verbose", "debug"}, text)
}

func settable() []string {
	names := []string{"REQUIRED_CONFIGS", "OPTIONAL_CONFIGS"}
	for _, v := range Variables() {
		names = append(names, v.Name)
	}
	return names
}

func known(name string) bool { return slices.Contains(settable(), name) }

const hostsNow = "the servers are HOSTS"

// former are names that deliver once had, and what to do instead.
func former() map[string]string {
	return map[string]string{
		"SERVER":                  hostsNow,
		"SERVERS":                 hostsNow,
		"REMOTE":                  hostsNow,
		"GIT_PUSH":                "servers get an archive, nothing is pushed to them",
		"GIT_REMOTE":              "servers get an archive, nothing is pushed to them",
		"FOREMAN_EXTRAS":          "foreman is not needed",
		"MODE":                    "how much is printed is told by -C, -V and -D",
		"AUTHORIZED_REMOTE_HOSTS": "servers fetch nothing from other hosts",
	}
}

// edeliverNames are variables of edeliver, an offshoot for Elixir whose config
// has the same place.
func edeliverNames() []string {
	return []string{
		"AUTO_VERSION", "BUILD_AT", "BUILD_HOST", "BUILD_USER", "GIT_CLEAN_PATHS", "LINK_SYS_CONFIG", "LINK_VM_ARGS",
		"PRODUCTION_HOSTS", "PRODUCTION_USER", "RELEASE_DIR", "RELEASE_STORE", "STAGING_HOSTS", "STAGING_USER", "TEST_AT", "USING_DISTILLERY",
	}
}

// otherTool tells an edeliver config from one that is merely short of HOSTS.
func (r *resolver) otherTool(c *Config) string {
	if c.Value("HOSTS").Text != "" || r.prefix != "" {
		return ""
	}
	for _, sign := range []string{"BUILD_HOST", "PRODUCTION_HOSTS", "STAGING_HOSTS"} {
		if p, ok := r.told.lines[sign]; ok {
			return fmt.Sprintf("%s: %s looks like a config of edeliver: deliver takes the build as it is given, and the servers from HOSTS, or from PRODUCTION_HOSTS with --env production",
				r.eval.shown(p), sign)
		}
	}
	return ""
}

// localHome tells of a ~ that bash has expanded here, on the wrong machine.
func localHome(c *Config) string {
	v := c.Value("DELIVER_TO")
	me, err := user.Current()
	if err != nil || !v.Given || me.HomeDir == "" || !strings.HasPrefix(v.Text, me.HomeDir+"/") {
		return ""
	}
	return fmt.Sprintf("DELIVER_TO (%s) begins with this machine's home directory: quote the ~ to mean the server's", v.Origin)
}
