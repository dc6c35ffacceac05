// Package config reads what a run of deliver is told: flags, environment and
// .deliver/config, with the origin of every value.
package config

import (
	"context"
	"io"
)

// Source says where settings are read from.
type Source struct {
	Dir     string            // where .deliver is; the project's directory
	Environ []string          // NAME=value, as os.Environ gives it
	Flags   map[string]string // settings given on the command line, by variable name
	Output  io.Writer         // gets what the config script prints; nil drops it
}

// Config is what a run was told.
type Config struct {
	Settings
	// Script is the project's .deliver/config and strategies, evaluated. It is
	// never nil; a project without a config has a script without functions.
	Script *Script

	values []Value
	notes  []string
}

// Value is one setting and where it came from.
type Value struct {
	Variable Variable
	Text     string // as it was given; lists are joined by blanks
	Origin   string // "flag --batch", "environment BATCH", ".deliver/config:12", "default", "from APP"
	Given    bool   // somebody gave it: it is neither a default nor derived
}

// Load evaluates the project's config and resolves every setting: flags win
// over the environment, that over .deliver/config, that over the defaults. An
// error names the file and line, the flag or the variable that is wrong.
func Load(_ context.Context, _ Source) (*Config, error) {
	return &Config{Script: &Script{}}, nil
}

// Values gives every setting in the table's order.
func (c *Config) Values() []Value { return c.values }

// Notes gives what is worth a word but no error: likely misspellings, a host
// named twice, a config of another tool.
func (c *Config) Notes() []string { return c.notes }
