package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"deliver/config"
	"deliver/delivery"
)

// lastFleet is the list of hosts of the last delivery from this machine, as
// far as it is known.
func (e *environment) lastFleet(s config.Settings) []string {
	data, err := os.ReadFile(e.stateFile(s, "hosts"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// lastReleases are the ids of the last releases that were delivered from this
// machine, newest first.
func (e *environment) lastReleases(s config.Settings) []string {
	data, err := os.ReadFile(e.stateFile(s, "releases"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// remember writes down the list of hosts for the next delivery, and the release
// for who names one.
func (e *environment) remember(c *config.Config, id string) {
	if err := e.keep(c.Settings, "hosts", names(c.Fleet)); err != nil {
		fmt.Fprintf(e.stderr, "deliver: note: the list of hosts could not be kept, so the next delivery cannot see whether it shrank: %v\n", err)
	}
	const most = 20
	before := slices.DeleteFunc(e.lastReleases(c.Settings), func(other string) bool { return other == id })
	_ = e.keep(c.Settings, "releases", append([]string{id}, before[:min(len(before), most-1)]...)) // only the completion of words lacks it
}

func (e *environment) keep(s config.Settings, what string, lines []string) error {
	file := e.stateFile(s, what)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644, renameio.WithTempDir(filepath.Dir(file)))
}

func (e *environment) stateFile(s config.Settings, what string) string {
	dir := e.env("XDG_STATE_HOME")
	if dir == "" {
		dir = filepath.Join(e.env("HOME"), ".local", "state")
	}
	name := s.App
	if s.Env != "" {
		name += "-" + s.Env
	}
	return filepath.Join(dir, "deliver", delivery.SafeID(name)+"."+what)
}
