// Package config reads what a run of deliver is told: flags, environment and
// .deliver/config, with the origin of every value.
package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"deliver/inventory"
)

// Source says where settings are read from.
type Source struct {
	Dir     string            // where .deliver is; the project's directory
	Environ []string          // NAME=value, as os.Environ gives it
	Flags   map[string]string // settings given on the command line, by variable name
	Output  io.Writer         // gets what the config script prints; nil drops it
	Silent  bool              // -C: __exec and __remote print only errors; scripts see it in SILENCE
	Debug   bool              // -D: hooks and strategies print each command that they run
}

// Config is what a run was told.
type Config struct {
	Settings
	// Script is the project's .deliver/config and strategies, evaluated. It is
	// never nil; a project without a config has a script without functions.
	Script *Script

	values []Value
	notes  []string
	digest string
	others func(name string) Value
}

// Value is one setting and where it came from.
type Value struct {
	Variable Variable
	Text     string // as it was given; the elements of an array with blanks between
	Origin   string // "flag --batch", "environment BATCH", ".deliver/config:12", "default", "from APP"; empty: not set
	Given    bool   // somebody gave it: it is neither a default nor made of another

	strength strength
}

// strength is who gave a value; the greater one wins.
type strength int

const (
	byNobody strength = iota
	byConfig
	byEnvironment
	byFlag
)

// YieldsTo says whether the other value was given by who wins over the giver
// of this one.
func (v Value) YieldsTo(other Value) bool { return v.strength < other.strength }

// Load evaluates the project's config and resolves every setting: flags win
// over the environment, that over .deliver/config, that over the defaults. An
// error names the file and line, the flag or the variable that is wrong.
func Load(ctx context.Context, src Source) (*Config, error) {
	dir, err := filepath.Abs(src.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the project: %w", err)
	}
	src.Dir = dir
	if src.Output == nil {
		src.Output = io.Discard
	}
	f, err := findFile(dir)
	if err != nil {
		return nil, err
	}
	r := newResolver(src, f)
	if err := r.evaluate(ctx); err != nil {
		return nil, err
	}
	return r.config()
}

// Values gives every setting in the table's order.
func (c *Config) Values() []Value { return slices.Clone(c.values) }

// Value gives one setting, or any other variable that the config set.
func (c *Config) Value(name string) Value {
	i := slices.IndexFunc(c.values, func(v Value) bool { return v.Variable.Name == name })
	if i < 0 {
		return c.others(name)
	}
	return c.values[i]
}

// Notes gives what is worth a word but no error: likely misspellings, a host
// named twice, a config of another tool.
func (c *Config) Notes() []string { return slices.Clone(c.notes) }

// Need is the error of settings that a command cannot do without and that are
// not set; it says how to set each.
func (c *Config) Need(names ...string) error {
	var missing []error
	for _, name := range names {
		if v := c.Value(name); v.Text == "" {
			missing = append(missing, errors.New(v.howToSet()))
		}
	}
	if slices.Contains(names, "HOSTS") && len(missing) == 0 && len(c.Hosts) == 0 {
		missing = append(missing, errors.New("HOSTS: --only and --except leave no host"))
	}
	return errors.Join(missing...)
}

// Digest tells one .deliver/config from another, also where only a function
// of a file that it reads was changed. It is empty for a project without one.
func (c *Config) Digest() string { return c.digest }

// Ref is the one of REVISION, TAG, BRANCH and REFSPEC that says what to build:
// the one that was given most strongly, and of those the first. A REVISION in
// the config does not keep REFSPEC=topic in the environment from its word.
func (c *Config) Ref() Value {
	var chosen Value
	for _, name := range []string{"REVISION", "TAG", "BRANCH", "REFSPEC"} {
		if v := c.Value(name); v.Text != "" && (chosen.Text == "" || chosen.YieldsTo(v)) {
			chosen = v
		}
	}
	return chosen
}

// Blame says which setting an error is of, and who gave it.
func (v Value) Blame(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", v.Origin, v.Variable.Name, err)
}

func (v Value) howToSet() string {
	if v.Origin != "" {
		return fmt.Sprintf("%s is empty: it was set so by %s", v.Variable.Name, v.Origin)
	}
	how := "set it in .deliver/config or in the environment"
	if v.Variable.Flag != "" {
		how = "set it in .deliver/config, in the environment, or with --" + v.Variable.Flag
	}
	return fmt.Sprintf("%s is not set: %s", v.Variable.Name, how)
}

// logins are the hosts as ssh is called for them, unless they name a user.
func (c *Config) logins() []inventory.Host { return inventory.WithUser(c.Hosts, c.AppUser) }
