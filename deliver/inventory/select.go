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
// and leaves out those that one of except names. Both hold names or patterns
// as path.Match has them ("web-*"), matched with a host's name and with all
// of it as HOSTS writes it. A pattern that is for no host is an error.
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
	return slices.DeleteFunc(slices.Clone(chosen), func(h Host) bool { return slices.Contains(unwanted, h) }), nil
}

func matching(hosts []Host, patterns []string) ([]Host, error) {
	found := map[Host]bool{}
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%q is no pattern: %w", pattern, err)
		}
		named := slices.DeleteFunc(slices.Clone(hosts), func(h Host) bool { return !names(pattern, h) })
		if len(named) == 0 {
			return nil, fmt.Errorf("%q is none of the hosts: %s", pattern, Join(hosts))
		}
		for _, h := range named {
			found[h] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(hosts), func(h Host) bool { return !found[h] }), nil
}

func names(pattern string, h Host) bool {
	for _, name := range []string{h.Name, h.String()} {
		if matched, _ := path.Match(pattern, name); matched || pattern == name {
			return true
		}
	}
	return false
}
