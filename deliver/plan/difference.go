package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ErrStale is the error of a plan that the world has left behind.
var ErrStale = errors.New("the plan is stale")

// State is what a plan takes a host to be: a delivery that finds it otherwise
// is not the one that was planned.
type State struct {
	Current string   `json:"current,omitempty"` // the release that runs
	Token   int64    `json:"token"`             // of the last lease; it grows with each delivery
	Pin     string   `json:"pin,omitempty"`     // the release that it is pinned to
	Has     bool     `json:"has,omitempty"`     // the release to deliver is there already
	Settled bool     `json:"settled,omitempty"` // and is live and healthy
	Restart []string `json:"restart,omitempty"` // the commands of its service manager
	Down    string   `json:"down,omitempty"`    // why it could not be looked at
}

// Differs names each difference between the planned state and the one that
// was found. What follows from another difference is not named.
func (s State) Differs(found State) []string {
	switch {
	case s.Down != "" && found.Down != "":
		return nil
	case s.Down != "":
		return []string{"it could not be looked at when it was planned, and can be now"}
	case found.Down != "":
		return []string{"it could be looked at when it was planned, and cannot be now: " + found.Down}
	}
	var all []string
	note := func(what, was, is string) {
		if was != is {
			all = append(all, differs(what, was, is))
		}
	}
	note("release", or(s.Current), or(found.Current))
	note("pin", or(s.Pin), or(found.Pin))
	note("lease", strconv.FormatInt(s.Token, 10), strconv.FormatInt(found.Token, 10))
	if len(all) > 0 {
		return all
	}
	note("release on its disk", yes(s.Has), yes(found.Has))
	note("live and healthy", yes(s.Settled), yes(found.Settled))
	note("restart", or(strings.Join(s.Restart, "; ")), or(strings.Join(found.Restart, "; ")))
	return all
}

// Differs names each difference between what was planned and what is asked
// for now, before any host is looked at.
func (d *Document) Differs(now *Document) []string {
	var all []string
	note := func(what, was, is string) {
		if was != is {
			all = append(all, differs(what, was, is))
		}
	}
	note("deliver", d.Deliver, now.Deliver)
	all = append(all, differentHosts(d.names(), now.names())...)
	names := slices.Concat(slices.Collect(maps.Keys(d.Settings)), slices.Collect(maps.Keys(now.Settings)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		note(name, quoted(d.Settings, name), quoted(now.Settings, name))
	}
	note(".deliver/config", brief(or(d.Config)), brief(or(now.Config)))
	return all
}

func (d *Document) names() []string {
	names := make([]string, len(d.Hosts))
	for i, h := range d.Hosts {
		names[i] = h.Name
	}
	return names
}

func differentHosts(was, is []string) []string {
	var all []string
	for _, name := range gone(was, is) {
		all = append(all, "HOSTS: "+name+" is gone")
	}
	for _, name := range gone(is, was) {
		all = append(all, "HOSTS: "+name+" is new")
	}
	if len(all) == 0 && !slices.Equal(was, is) {
		all = append(all, "HOSTS: the order is another")
	}
	return all
}

// Confirm is an ErrStale if a host is not as it was planned.
func (d *Document) Confirm(name string, found State) error {
	h, planned := d.Host(name)
	if !planned {
		return fmt.Errorf("%w: %s is new", ErrStale, name)
	}
	return Stale(h.Differs(found))
}

// Stale is the ErrStale of these differences, nil of none.
func Stale(differences []string) error {
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrStale, strings.Join(differences, "; "))
}

func differs(what, was, is string) string {
	return fmt.Sprintf("%s was %s when it was planned, and is %s", what, was, is)
}

func or(s string) string { return cmp.Or(s, "none") }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func quoted(settings map[string]string, name string) string {
	if text := settings[name]; text != "" {
		return strconv.Quote(text)
	}
	return "not set"
}

// brief cuts what is long and tells apart by its beginning.
func brief(s string) string {
	const most = 120
	if hex, ok := strings.CutPrefix(s, "sha256:"); ok && len(hex) > 12 {
		return hex[:12]
	}
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
