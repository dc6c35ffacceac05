package inventory

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Unique leaves each host once, where it stands first; repeated holds what was
// named again. One server under two users is an error: both would deliver to
// it at the same time.
func Unique(hosts []Host) (unique, repeated []Host, err error) {
	seen := map[Host]Host{}
	for _, h := range hosts {
		server := Host{Name: strings.ToLower(h.Name), Port: h.Port}
		first, again := seen[server]
		switch {
		case !again:
			seen[server] = h
			unique = append(unique, h)
		case first.User != h.User:
			return nil, nil, fmt.Errorf("%s and %s are the same server", first, h)
		default:
			repeated = append(repeated, h)
		}
	}
	return unique, repeated, nil
}

// Select keeps the hosts that one of only names, or all when only is empty,
// and leaves out those that one of except names. Both hold names, ranges as
// HOSTS has them ("web-[1-8]") or patterns as path.Match has them ("web-*"),
// matched with a host's name and with all of it as HOSTS writes it. What is
// for no host is an error.
func Select(hosts []Host, only, except []string) ([]Host, error) {
	chosen := hosts
	if len(only) > 0 {
		wanted, err := matching(hosts, only)
		if err != nil {
			return nil, err
		}
		chosen = wanted
	}
	unwanted, err := matching(hosts, except)
	if err != nil {
		return nil, err
	}
	left := set(unwanted)
	return slices.DeleteFunc(slices.Clone(chosen), func(h Host) bool { return left[h] }), nil
}

func set(hosts []Host) map[Host]bool {
	all := make(map[Host]bool, len(hosts))
	for _, h := range hosts {
		all[h] = true
	}
	return all
}

// matching keeps the hosts that an entry is for, in their order.
func matching(hosts []Host, entries []string) ([]Host, error) {
	found := map[Host]bool{}
	for _, entry := range entries {
		matches, err := matcher(entry)
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern: %w", entry, err)
		}
		before := len(found)
		for _, h := range hosts {
			if matches(h) {
				found[h] = true
			}
		}
		if len(found) == before && !slices.ContainsFunc(hosts, matches) {
			return nil, fmt.Errorf("%q is none of the hosts: %s", entry, some(hosts))
		}
	}
	return slices.DeleteFunc(slices.Clone(hosts), func(h Host) bool { return !found[h] }), nil
}

// matcher tells the hosts that an entry is for.
func matcher(entry string) (func(Host) bool, error) {
	names, err := expandPattern(entry)
	if err != nil {
		return nil, err
	}
	exact, patterns := map[string]bool{}, []string{}
	for _, name := range names {
		if _, err := path.Match(name, ""); err != nil {
			return nil, err
		}
		exact[name] = true
		if strings.ContainsAny(name, `*?[\`) {
			patterns = append(patterns, name)
		}
	}
	return func(h Host) bool {
		if exact[h.Name] || exact[h.String()] {
			return true
		}
		return slices.ContainsFunc(patterns, func(p string) bool { return matchesEither(p, h) })
	}, nil
}

func matchesEither(pattern string, h Host) bool {
	for _, name := range []string{h.Name, h.String()} {
		if matched, _ := path.Match(pattern, name); matched {
			return true
		}
	}
	return false
}

// some names as many hosts as a line of an error can hold.
func some(hosts []Host) string {
	const most = 12
	if len(hosts) <= most {
		return Join(hosts)
	}
	return fmt.Sprintf("%s and %d more", Join(hosts[:most]), len(hosts)-most)
}
