package embedded

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// definition is a parameter that a job takes.
type definition struct {
	kind        string // StringParameterDefinition, …
	name        string
	description string
	fallback    string
	choices     []string
	trim        bool
}

// value is a parameter that a build was given.
type value struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Secret bool   `json:"secret,omitempty"` // kept, but not shown
}

var parameterKinds = []string{
	"StringParameterDefinition", "TextParameterDefinition", "BooleanParameterDefinition",
	"ChoiceParameterDefinition", "PasswordParameterDefinition",
}

// A parameter becomes a variable of the environment.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func (r *reader) parameters(property *etree.Element) {
	list := property.SelectElement("parameterDefinitions")
	if list == nil {
		return
	}
	for _, el := range list.ChildElements() {
		kind := strings.TrimPrefix(el.Tag, "hudson.model.")
		if !slices.Contains(parameterKinds, kind) {
			r.name("parameterDefinitions", []*etree.Element{el})
			continue
		}
		r.parameter(el, definition{kind: kind})
	}
}

func (r *reader) parameter(el *etree.Element, d definition) {
	for _, child := range el.ChildElements() {
		switch child.Tag {
		case "name":
			d.name = strings.TrimSpace(child.Text())
		case "description":
			d.description = child.Text()
		case "defaultValue":
			d.fallback = child.Text()
		case "choices":
			d.choices = choices(child)
		case "trim":
			d.trim = r.boolean(child)
		default:
			r.name(el.Tag, []*etree.Element{child})
		}
	}
	if len(d.choices) > 0 {
		d.fallback = d.choices[0]
	}
	if d.kind == "BooleanParameterDefinition" && d.fallback == "" {
		d.fallback = "false"
	}
	if err := d.check(); err != nil {
		r.wrong = append(r.wrong, err)
	}
	r.spec.params = append(r.spec.params, d)
}

// Choices come as <choices><a><string>…, or as <choices><string>….
func choices(el *etree.Element) []string {
	var list []string
	for _, choice := range el.FindElements(".//string") {
		list = append(list, choice.Text())
	}
	return list
}

func (d definition) check() error {
	if !parameterName.MatchString(d.name) {
		return fmt.Errorf("config.xml: parameter name %q: want letters, digits, _, . and -", d.name)
	}
	if d.kind == "ChoiceParameterDefinition" && len(d.choices) == 0 {
		return fmt.Errorf("config.xml: parameter %s has no choices", d.name)
	}
	return nil
}

// values are what a build gets: of each parameter that the job defines, what
// was sent or else the default. What the job does not define is dropped, so
// that nobody who may start a build can set PATH.
func (s spec) values(form url.Values) ([]value, error) {
	list := make([]value, 0, len(s.params))
	for _, d := range s.params {
		given := d.fallback
		if sent, ok := form[d.name]; ok && len(sent) > 0 {
			given = sent[0]
		}
		if d.trim {
			given = strings.TrimSpace(given)
		}
		if err := d.accepts(given); err != nil {
			return nil, err
		}
		list = append(list, value{Name: d.name, Value: given, Secret: d.kind == "PasswordParameterDefinition"})
	}
	return list, nil
}

func (d definition) accepts(given string) error {
	switch {
	case strings.ContainsRune(given, 0):
		return fmt.Errorf("parameter %s: its value holds a zero byte", d.name)
	case d.kind == "ChoiceParameterDefinition" && !slices.Contains(d.choices, given):
		return fmt.Errorf("parameter %s: %q is none of %s", d.name, given, strings.Join(d.choices, ", "))
	case d.kind == "BooleanParameterDefinition" && given != "true" && given != "false":
		return fmt.Errorf("parameter %s: want true or false, not %q", d.name, given)
	}
	return nil
}
