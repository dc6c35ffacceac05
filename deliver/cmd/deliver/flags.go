package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/config"
)

// settingFlags are the flags of all settings, from their table.
func settingFlags(e *environment) []cli.Flag {
	var flags []cli.Flag
	for _, v := range config.Variables() {
		if v.Flag == "" {
			continue
		}
		flags = append(flags, &cli.GenericFlag{
			Name: v.Flag, Aliases: shortForms(v.Name), Usage: v.Help, Category: v.Group,
			Value: &setting{v, e.flags},
		})
	}
	return flags
}

func shortForms(name string) []string {
	switch name {
	case "STRATEGY":
		return []string{"s"}
	case "REFSPEC":
		return []string{"ref"}
	default:
		return nil
	}
}

// setting is a flag that gives a value to a variable. A list given twice is
// one longer list; of anything else the last one counts.
type setting struct {
	variable config.Variable
	given    map[string]string
}

// Set takes the flag's value.
func (s *setting) Set(value string) error {
	if before, again := s.given[s.variable.Name]; again && s.variable.Kind == config.List {
		value = strings.Join([]string{before, value}, ",")
	}
	s.given[s.variable.Name] = value
	return nil
}

// IsBoolFlag says that the flag alone means yes.
func (s *setting) IsBoolFlag() bool { return s.variable.Kind == config.Yes }

// String gives the value so far.
func (s *setting) String() string { return s.given[s.variable.Name] }

// outputFlags say how every command talks.
func outputFlags(e *environment) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "compact", Aliases: []string{"C"}, Usage: "print only what matters", Destination: &e.output.compact},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"V"}, Usage: "print what every step does", Destination: &e.output.verbose},
		&cli.BoolFlag{Name: "debug", Aliases: []string{"D"}, Usage: "print what is sent and answered, too", Destination: &e.output.debug},
		&cli.BoolFlag{Name: "plain", Aliases: []string{"P", "p"}, Usage: "neither colours nor bars, one line per event", Destination: &e.output.plain},
		&cli.BoolFlag{Name: "no-color", Usage: "no colours, as with NO_COLOR", Destination: &e.output.noColor},
		&cli.BoolFlag{Name: "json", Usage: "print the result as one JSON object", Destination: &e.output.json},
		&cli.BoolFlag{Name: "events", Usage: "print what happens as lines of JSON", Destination: &e.output.events},
	}
}
