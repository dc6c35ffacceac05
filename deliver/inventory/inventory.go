// Package inventory names the servers that a delivery is for.
package inventory

import (
	"strconv"
	"strings"
)

// Host is one server of a fleet as HOSTS names it: [user@]name[:port]. An
// empty User and a zero Port are left to ssh_config and the defaults. The Name
// of an IPv6 address has no brackets.
type Host struct {
	Name string `json:"name"`
	User string `json:"user,omitempty"`
	Port int    `json:"port,omitempty"`
}

// String gives the host back as HOSTS writes it.
func (h Host) String() string {
	s := h.Name
	if strings.Contains(s, ":") {
		s = "[" + s + "]"
	}
	if h.User != "" {
		s = h.User + "@" + s
	}
	if h.Port != 0 {
		s += ":" + strconv.Itoa(h.Port)
	}
	return s
}

// Join writes hosts as HOSTS does, with blanks between.
func Join(hosts []Host) string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.String()
	}
	return strings.Join(names, " ")
}

// WithUser gives the hosts that name no user of their own this one.
func WithUser(hosts []Host, user string) []Host {
	logins := make([]Host, len(hosts))
	for i, h := range hosts {
		if h.User == "" {
			h.User = user
		}
		logins[i] = h
	}
	return logins
}
