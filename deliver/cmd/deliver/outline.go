package main

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"deliver/config"
	"deliver/inventory"
)

// outline is what is known of a project without running its config, which is a
// program and may do or ask for anything.
type outline struct {
	env         *environment
	environment string // --env of the line
}

// hosts are those that the config names as they are, and those of the last
// delivery from this machine.
func (o outline) hosts() []string {
	var all []string
	for _, m := range literalHosts.FindAllStringSubmatch(o.text(), -1) {
		hosts, err := inventory.ParseHosts(strings.Trim(m[1], `"'()`))
		if err == nil {
			all = append(all, names(hosts)...)
		}
	}
	all = append(all, o.env.lastFleet(o.settings())...)
	slices.Sort(all)
	return slices.Compact(all)
}

// releases are the ids that were delivered from this machine, newest first.
func (o outline) releases() []string { return o.env.lastReleases(o.settings()) }

var (
	literalApp   = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?APP=["']?([A-Za-z0-9][A-Za-z0-9._-]*)["']?[ \t]*(?:#.*)?$`)
	literalHosts = regexp.MustCompile("(?m)^[ \t]*(?:export[ \t]+)?(?:[A-Z][A-Z0-9_]*_)?HOSTS=(\"[^\"$`\\\\]*\"|'[^']*'|\\([^()\"'$`\\\\]*\\)|[^\\s\"'($`\\\\]+)")
	anyHosts     = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)_HOSTS=`)
)

// settings are those by which files of this machine are called.
func (o outline) settings() config.Settings {
	app := cmp.Or(o.env.env("DELIVER_APP"), o.env.env("APP"))
	if m := literalApp.FindStringSubmatch(o.text()); app == "" && m != nil {
		app = m[1]
	}
	return config.Settings{
		App: cmp.Or(app, filepath.Base(o.env.dir)),
		Env: cmp.Or(o.environment, o.env.env("DELIVER_ENV")),
	}
}

// environments are those that the config has hosts for.
func (o outline) environments() []string {
	var all []string
	for _, m := range anyHosts.FindAllStringSubmatch(o.text(), -1) {
		all = append(all, strings.ToLower(m[1]))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// text is the config, as far as a person would have written it.
func (o outline) text() string {
	const longest = 1 << 20
	for _, name := range []string{".deliver/config", ".deliver"} {
		path := filepath.Join(o.env.dir, name)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > longest {
			continue
		}
		if text, err := os.ReadFile(path); err == nil {
			return string(text)
		}
	}
	return ""
}

// refs are the names of git's refs below these.
func (o outline) refs(below ...string) []string {
	const patience = time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"for-each-ref", "--count=1000", "--format=%(refname:lstrip=2)"}, below...)...)
	cmd.Dir, cmd.WaitDelay = o.env.dir, patience
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}
