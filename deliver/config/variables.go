package config

// Variable is one setting: the same name in .deliver/config, in the
// environment (also with DELIVER_ before it) and as a flag.
type Variable struct {
	Name    string
	Flag    string // empty: no flag
	Default string
	Kind    Kind
	Group   string
	Help    string
	Choices []string // empty: anything of its kind
	Secret  bool     // never printed

	set func(*Settings, string) error
}

// Kind is the form of a variable's text.
type Kind string

// The kinds of variables.
const (
	Text     Kind = "text"
	Number   Kind = "number"
	Duration Kind = "duration"
	List     Kind = "list"
)
