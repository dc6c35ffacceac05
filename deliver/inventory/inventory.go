// Package inventory names the servers that a delivery is for.
package inventory

import "strconv"

// Host is one server of a fleet as HOSTS names it: [user@]name[:port]. An
// empty User and a zero Port are left to ssh_config and the defaults.
type Host struct {
	Name string `json:"name"`
	User string `json:"user,omitempty"`
	Port int    `json:"port,omitempty"`
}

// String gives the host back as HOSTS writes it.
func (h Host) String() string {
	s := h.Name
	if h.User != "" {
		s = h.User + "@" + s
	}
	if h.Port != 0 {
		s += ":" + strconv.Itoa(h.Port)
	}
	return s
}
