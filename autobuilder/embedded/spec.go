package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// spec is what a job's config.xml asks for.
type spec struct {
	description string
	disabled    bool
	concurrent  bool
	quiet       time.Duration // -1: as the server's
	authToken   string        // who has it may start builds; empty: nobody by a token
	workspace   string        // a directory of its own; empty: the server gives one
	keepBuilds  int           // 0: all
	keepDays    int           // 0: for ever
	params      []definition
	steps       []string // scripts of shell steps, in order
}

// UnknownError names all that a config.xml asks for and that this server does
// not do. Nothing of such a config is run: a step that is left out in silence
// is worse than none.
type UnknownError struct{ Elements []string }

// Error implements error.
func (e *UnknownError) Error() string {
	return "not known to the embedded jenkins: " + strings.Join(e.Elements, ", ")
}

// parseSpec reads a config.xml.
func parseSpec(config []byte) (spec, error) {
	root, err := parseXML(config)
	if err != nil {
		return spec{}, err
	}
	if root.Tag != "project" {
		return spec{}, &UnknownError{Elements: []string{root.Tag + " (only freestyle jobs, <project>, are)"}}
	}
	r := reader{spec: spec{quiet: -1}}
	r.project(root)
	if len(r.unknown) > 0 {
		return spec{}, &UnknownError{Elements: r.unknown}
	}
	return r.spec, errors.Join(r.wrong...)
}

// parseXML reads XML of version 1.0 and, as Jenkins writes it, 1.1.
func parseXML(config []byte) (*etree.Element, error) {
	head, rest, found := bytes.Cut(config, []byte("?>"))
	if found && bytes.HasPrefix(bytes.TrimSpace(head), []byte("<?xml")) {
		head = bytes.Replace(head, []byte("1.1"), []byte("1.0"), 1)
		config = bytes.Join([][]byte{head, rest}, []byte("?>"))
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(config); err != nil {
		return nil, fmt.Errorf("config.xml is no xml: %w", err)
	}
	if !single(doc) {
		return nil, errors.New("config.xml is no xml: it must be one element, and nothing beside it")
	}
	return doc.Root(), nil
}

// The parser also takes pieces of XML.
func single(doc *etree.Document) bool {
	for _, token := range doc.Child {
		if text, ok := token.(*etree.CharData); ok && strings.TrimSpace(text.Data) != "" {
			return false
		}
	}
	return len(doc.ChildElements()) == 1
}

// reader walks through a config.xml and notes what it does not know.
type reader struct {
	spec    spec
	unknown []string
	wrong   []error
}

// Elements that change nothing here, whatever they say: what they speak of
// (other jobs, other machines, the web page) does not exist.
var harmless = map[string]bool{
	"keepDependencies": true, "canRoam": true, "displayName": true,
	"blockBuildWhenDownstreamBuilding": true, "blockBuildWhenUpstreamBuilding": true,
	"jdk": true, "creationTime": true, "cleanWorkspaceRequired": true,
}

func (r *reader) project(root *etree.Element) {
	for _, el := range root.ChildElements() {
		switch el.Tag {
		case "description":
			r.spec.description = el.Text()
		case "disabled":
			r.spec.disabled = r.boolean(el)
		case "concurrentBuild":
			r.spec.concurrent = r.boolean(el)
		case "quietPeriod":
			r.spec.quiet = time.Duration(r.number(el)) * time.Second
		case "authToken":
			r.spec.authToken = strings.TrimSpace(el.Text())
		case "customWorkspace":
			r.customWorkspace(el)
		case "logRotator":
			r.logRotator(el)
		case "properties":
			r.properties(el)
		case "builders":
			r.builders(el)
		default:
			r.other(el)
		}
	}
}

func (r *reader) customWorkspace(el *etree.Element) {
	r.spec.workspace = strings.TrimSpace(el.Text())
	if strings.ContainsRune(r.spec.workspace, '$') {
		r.unknown = append(r.unknown, "customWorkspace with variables")
	}
}

// other passes what is empty or harmless and names the rest.
func (r *reader) other(el *etree.Element) {
	children := el.ChildElements()
	switch {
	case harmless[el.Tag]:
	case el.Tag == "scm" && el.SelectAttrValue("class", "hudson.scm.NullSCM") == "hudson.scm.NullSCM" && len(children) == 0:
	case el.Tag == "scm":
		r.unknown = append(r.unknown, "scm "+el.SelectAttrValue("class", ""))
	case len(children) > 0:
		r.name(el.Tag, children)
	case strings.TrimSpace(el.Text()) != "":
		r.unknown = append(r.unknown, el.Tag)
	}
}

func (r *reader) name(parent string, children []*etree.Element) {
	for _, child := range children {
		r.unknown = append(r.unknown, parent+"/"+child.Tag)
	}
}

func (r *reader) properties(el *etree.Element) {
	for _, property := range el.ChildElements() {
		switch property.Tag {
		case "hudson.model.ParametersDefinitionProperty":
			r.parameters(property)
		case "jenkins.model.BuildDiscarderProperty":
			r.discarder(property)
		default:
			r.name("properties", []*etree.Element{property})
		}
	}
}

func (r *reader) discarder(property *etree.Element) {
	for _, strategy := range property.ChildElements() {
		if class := strategy.SelectAttrValue("class", ""); class != "hudson.tasks.LogRotator" {
			r.unknown = append(r.unknown, strings.TrimSpace("properties/BuildDiscarderProperty/"+strategy.Tag+" "+class))
			continue
		}
		r.logRotator(strategy)
	}
}

func (r *reader) logRotator(el *etree.Element) {
	for _, child := range el.ChildElements() {
		switch child.Tag {
		case "numToKeep":
			r.spec.keepBuilds = max(0, r.number(child))
		case "daysToKeep":
			r.spec.keepDays = max(0, r.number(child))
		case "artifactDaysToKeep", "artifactNumToKeep", "removeLastBuild":
		default:
			r.name(el.Tag, []*etree.Element{child})
		}
	}
}

func (r *reader) builders(el *etree.Element) {
	for _, step := range el.ChildElements() {
		if step.Tag != "hudson.tasks.Shell" {
			r.name("builders", []*etree.Element{step})
			continue
		}
		r.shell(step)
	}
}

func (r *reader) shell(step *etree.Element) {
	script := ""
	for _, child := range step.ChildElements() {
		text := strings.TrimSpace(child.Text())
		switch {
		case child.Tag == "command":
			script = child.Text()
		case text == "" && len(child.ChildElements()) == 0, text == "false" && child.Tag == "disabled":
		default:
			r.name("builders/hudson.tasks.Shell", []*etree.Element{child})
		}
	}
	r.spec.steps = append(r.spec.steps, script)
}

func (r *reader) boolean(el *etree.Element) bool {
	value, err := strconv.ParseBool(strings.TrimSpace(el.Text()))
	if err != nil {
		r.wrong = append(r.wrong, fmt.Errorf("config.xml: %s: want true or false, not %q", el.Tag, el.Text()))
	}
	return value
}

func (r *reader) number(el *etree.Element) int {
	value, err := strconv.Atoi(strings.TrimSpace(el.Text()))
	if err != nil {
		r.wrong = append(r.wrong, fmt.Errorf("config.xml: %s: want a number, not %q", el.Tag, el.Text()))
	}
	return value
}
