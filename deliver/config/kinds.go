package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"deliver/inventory"
)

// Kind is the form of a variable's text.
type Kind string

// The kinds of variables.
const (
	Text     Kind = "text"
	Number   Kind = "number"
	Duration Kind = "duration"
	List     Kind = "list"
	Yes      Kind = "yes or no" // as a flag it needs no value
)

// binding ties a variable to the field it fills.
type binding struct {
	kind Kind
	set  func(*Settings, string) error
}

func text(field func(*Settings) *string) binding {
	return binding{Text, func(s *Settings, v string) error {
		*field(s) = v
		return nil
	}}
}

func number(least int, field func(*Settings) *int) binding {
	return binding{Number, func(s *Settings, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("%s is not a whole number", shown(v))
		}
		if n < least {
			return fmt.Errorf("%d is too small: it is %d or more", n, least)
		}
		*field(s) = n
		return nil
	}}
}

func port(field func(*Settings) *int) binding {
	return binding{Number, func(s *Settings, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%s is no port: it is a number from 1 to 65535", shown(v))
		}
		*field(s) = n
		return nil
	}}
}

func duration(field func(*Settings) *time.Duration) binding {
	return binding{Duration, func(s *Settings, v string) error {
		d, err := parseDuration(v)
		*field(s) = d
		return err
	}}
}

func yes(field func(*Settings) *bool) binding {
	return binding{Yes, func(s *Settings, v string) error {
		switch strings.ToLower(v) {
		case "yes", "true", "on", "1":
			*field(s) = true
		case "no", "false", "off", "0":
			*field(s) = false
		default:
			return fmt.Errorf("%s is neither yes nor no", shown(v))
		}
		return nil
	}}
}

func list(field func(*Settings) *[]string) binding {
	return binding{List, func(s *Settings, v string) error {
		*field(s) = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
		return nil
	}}
}

// selection is a list of hosts and patterns, in which commas may stand inside
// of brackets.
func selection(field func(*Settings) *[]string) binding {
	return binding{List, func(s *Settings, v string) error {
		*field(s) = inventory.Split(v)
		return nil
	}}
}

// parseDuration reads "250ms", "10s", "5m", and a bare number as seconds, as
// the original's SSH_TIMEOUT is written.
func parseDuration(v string) (time.Duration, error) {
	if n, err := strconv.Atoi(v); err == nil {
		v = strconv.Itoa(n) + "s"
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("%s is no duration: write it like 250ms, 10s or 5m", shown(v))
	}
	if d < 0 {
		return 0, errors.New("a duration cannot be negative")
	}
	return d, nil
}

// oneOf refuses what is not among the choices.
func (v Variable) oneOf(text string) error {
	last := len(v.Choices) - 1
	if slices.Contains(v.Choices, text) {
		return nil
	}
	err := fmt.Errorf("%s is unknown: it is %s or %s%s", shown(text), strings.Join(v.Choices[:last], ", "), v.Choices[last], Suggest(text, v.Choices))
	if v.otherwise != "" {
		err = fmt.Errorf("%w; %s", err, v.otherwise)
	}
	return err
}

// shown quotes a value for an error, cut to a readable length.
func shown(v string) string {
	const most = 60
	if len(v) > most {
		return strconv.Quote(v[:most]) + "…"
	}
	return strconv.Quote(v)
}
