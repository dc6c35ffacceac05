package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"deliver/config"
	"deliver/delivery"
)

// lastFleet is the list of hosts of the last delivery from this machine, as
// far as it is known.
func (e *environment) lastFleet(s config.Settings) []string {
	data, err := os.ReadFile(e.fleetFile(s))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// rememberFleet writes the list of hosts down for the next delivery.
func (e *environment) rememberFleet(c *config.Config) {
	file := e.fleetFile(c.Settings)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = renameio.WriteFile(file, []byte(strings.Join(names(c.Fleet), "\n")+"\n"), 0o644)
	}
	if err != nil {
		fmt.Fprintf(e.stderr, "deliver: note: the list of hosts could not be kept, so the next delivery cannot see whether it shrank: %v\n", err)
	}
}

func (e *environment) fleetFile(s config.Settings) string {
	dir := e.env("XDG_STATE_HOME")
	if dir == "" {
		dir = filepath.Join(e.env("HOME"), ".local", "state")
	}
	name := s.App
	if s.Env != "" {
		name += "-" + s.Env
	}
	return filepath.Join(dir, "deliver", delivery.SafeID(name)+".hosts")
}
