package embedded

import (
	"fmt"
	"path/filepath"
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
	job         string // of a run: whose builds
	filter      string // of a run: which of them the last is taken of, if none is named
}

// value is a parameter that a build was given.
type value struct {
	Name   string `json:"name"`
	Value  string `json:"value"`            // of a run JOB#NUMBER, of a file its name where it came from
	Secret bool   `json:"secret,omitempty"` // kept, but not shown
	Run    bool   `json:"run,omitempty"`
	File   string `json:"file,omitempty"` // where its content is, below the server's directory
}

const (
	fileKind = "FileParameterDefinition"
	runKind  = "RunParameterDefinition"
)

// parameterKinds are all that Jenkins has without plugins.
var parameterKinds = []string{
	"StringParameterDefinition", "TextParameterDefinition", "BooleanParameterDefinition",
	"ChoiceParameterDefinition", "PasswordParameterDefinition", fileKind, runKind,
}

// A parameter becomes a variable of the environment.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// A file's is also where it goes in the workspace.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]*$`)

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
			if !d.ofRun(child) {
				r.name(el.Tag, []*etree.Element{child})
			}
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

// ofRun takes what only a run's definition has.
func (d *definition) ofRun(child *etree.Element) bool {
	text := strings.TrimSpace(child.Text())
	switch {
	case d.kind != runKind:
		return false
	case child.Tag == "projectName":
		d.job = text
	case child.Tag == "runId":
		d.fallback = text
	case child.Tag == "filter":
		d.filter = text
	default:
		return false
	}
	return true
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
	if d.kind == fileKind {
		if !fileName.MatchString(d.name) || !filepath.IsLocal(d.name) {
			return fmt.Errorf("config.xml: file parameter %q: want a path below the workspace", d.name)
		}
		return nil
	}
	if !parameterName.MatchString(d.name) {
		return fmt.Errorf("config.xml: parameter name %q: want letters, digits, _, . and -", d.name)
	}
	if d.kind == "ChoiceParameterDefinition" && len(d.choices) == 0 {
		return fmt.Errorf("config.xml: parameter %s has no choices", d.name)
	}
	if _, known := runFilters[d.filter]; d.kind == runKind && (d.job == "" || !known) {
		return fmt.Errorf("config.xml: run parameter %s: want a projectName, and of the filters ALL, COMPLETED, SUCCESSFUL or STABLE", d.name)
	}
	return nil
}

// values are what a build gets: of each parameter that the job defines, what
// was sent or else the default. What the job does not define is dropped, so
// that nobody who may start a build can set PATH. A file that was not sent, and
// a run where there is none, are left out, as in Jenkins.
func (s *Server) values(params []definition, sent submission) ([]value, error) {
	list := make([]value, 0, len(params))
	for _, d := range params {
		v, given := s.given(d, sent)
		if !given {
			continue
		}
		if err := d.accepts(v.Value); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (s *Server) given(d definition, sent submission) (value, bool) {
	v := value{Name: d.name, Value: d.fallback, Secret: d.kind == "PasswordParameterDefinition", Run: d.kind == runKind}
	if file := sent.files[d.name]; d.kind == fileKind {
		if file != nil {
			v.Value = file.Filename
		}
		return v, file != nil
	}
	if texts := sent.form[d.name]; len(texts) > 0 {
		v.Value = texts[0]
	} else if v.Run && v.Value == "" {
		v.Value = s.lastRun(d)
	}
	if d.trim {
		v.Value = strings.TrimSpace(v.Value)
	}
	return v, !v.Run || v.Value != ""
}

func (d definition) accepts(given string) error {
	switch {
	case strings.ContainsRune(given, 0):
		return fmt.Errorf("parameter %s: its value holds a zero byte", d.name)
	case d.kind == "ChoiceParameterDefinition" && !slices.Contains(d.choices, given):
		return fmt.Errorf("parameter %s: %q is none of %s", d.name, given, strings.Join(d.choices, ", "))
	case d.kind == runKind && !runID.MatchString(given):
		return fmt.Errorf("parameter %s: want JOB#NUMBER, not %q", d.name, given)
	case d.kind == "BooleanParameterDefinition" && given != "true" && given != "false":
		return fmt.Errorf("parameter %s: want true or false, not %q", d.name, given)
	}
	return nil
}
