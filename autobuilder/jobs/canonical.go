package jobs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// parseXML reads XML of version 1.0 and, as Jenkins writes it, 1.1.
func parseXML(config []byte) (*etree.Element, error) {
	head, rest, found := bytes.Cut(config, []byte("?>"))
	if found && bytes.HasPrefix(bytes.TrimSpace(head), []byte("<?xml")) {
		head = bytes.Replace(head, []byte("1.1"), []byte("1.0"), 1)
		config = bytes.Join([][]byte{head, rest}, []byte("?>"))
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(config); err != nil {
		return nil, fmt.Errorf("not xml: %w", err)
	}
	if !single(doc) {
		return nil, errors.New("not xml: it must be one element, and nothing beside it")
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

// check holds what was rendered to what every job must have.
func check(config []byte, more []Var) error {
	root, err := parseXML(config)
	if err != nil {
		return err
	}
	if !marked(root) {
		return fmt.Errorf("the description lacks {{.Mark}} (%q)", Mark)
	}
	defined := map[string]bool{}
	for _, el := range root.FindElements("properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions/*/name") {
		defined[strings.TrimSpace(el.Text())] = true
	}
	wanted := slices.Clone(parameters)
	for _, parameter := range more {
		wanted = append(wanted, parameter.Name)
	}
	for _, name := range wanted {
		if !defined[name] {
			return fmt.Errorf("the job takes no parameter %s", name)
		}
	}
	return nil
}

func marked(root *etree.Element) bool {
	description := root.SelectElement("description")
	return description != nil && strings.Contains(description.Text(), Mark)
}

// canonical is a config.xml with all taken out that means nothing, so that two
// texts are equal when the jobs are. Jenkins and Hudson rewrite what they are
// given: order, indentation, quoting, defaults spelled out, their own notes.
func canonical(config []byte) (string, error) {
	root, err := parseXML(config)
	if err != nil {
		return "", err
	}
	unfoldHudson(root)
	unfoldDiscarder(root)
	clean(root)
	doc := etree.NewDocument()
	doc.WriteSettings.CanonicalText = true // quotes stay readable in a diff
	doc.SetRoot(root)
	doc.Indent(2)
	return doc.WriteToString()
}

// notes are elements in which a server keeps things for itself.
var notes = []string{"creationTime", "cascadingChildrenNames", "project-properties"}

// defaults are elements that say what holds without them.
var defaults = map[string]string{"canRoam": "true", "daysToKeep": "-1", "artifactDaysToKeep": "-1", "artifactNumToKeep": "-1"}

// listed are elements whose children are in an order that matters, or are found
// again by it.
var listed = []string{"builders", "publishers", "buildWrappers", "parameterDefinitions", "a"}

func clean(el *etree.Element) {
	el.RemoveAttr("plugin")
	if el.Tag == "logRotator" {
		el.RemoveAttr("class")
	}
	slices.SortFunc(el.Attr, func(a, b etree.Attr) int { return strings.Compare(a.FullKey(), b.FullKey()) })
	children := el.ChildElements()
	if len(children) == 0 {
		el.SetText(el.Text()) // one text, without comments and CDATA
		return
	}
	for _, token := range slices.Clone(el.Child) {
		if _, ok := token.(*etree.Element); !ok {
			el.RemoveChild(token)
		}
	}
	for _, child := range children {
		clean(child)
		if insignificant(child) {
			el.RemoveChild(child)
		}
	}
	if !slices.Contains(listed, el.Tag) {
		sortChildren(el)
	}
}

func sortChildren(el *etree.Element) {
	children := el.ChildElements()
	slices.SortStableFunc(children, func(a, b *etree.Element) int { return strings.Compare(a.Tag, b.Tag) })
	for _, child := range children {
		el.RemoveChild(child)
		el.AddChild(child)
	}
}

// insignificant says whether the job is the same without the element: it is
// empty, says no, or says what holds anyway.
func insignificant(el *etree.Element) bool {
	if slices.Contains(notes, el.Tag) {
		return true
	}
	text := strings.TrimSpace(el.Text())
	class := el.SelectAttrValue("class", "")
	switch {
	case len(el.ChildElements()) > 0:
		return false
	case text == "":
		return class == "" || class == "hudson.scm.NullSCM" || strings.HasPrefix(class, "java.util.")
	}
	return text == "false" || defaults[el.Tag] == text
}

// unfoldDiscarder brings the newer of two ways to say which builds are kept
// into the form of the older.
func unfoldDiscarder(root *etree.Element) {
	properties := root.SelectElement("properties")
	if properties == nil {
		return
	}
	property := properties.SelectElement("jenkins.model.BuildDiscarderProperty")
	if property == nil {
		return
	}
	if strategy := property.SelectElement("strategy"); strategy != nil && strategy.SelectAttrValue("class", "") == "hudson.tasks.LogRotator" {
		strategy.Tag = "logRotator"
		root.AddChild(strategy)
		properties.RemoveChild(property)
	}
}

// unfoldHudson puts what Hudson moves into its project-properties back to where
// Jenkins has it: each entry is a name and the value of one element.
func unfoldHudson(root *etree.Element) {
	properties := root.SelectElement("project-properties")
	if properties == nil {
		return
	}
	for _, entry := range properties.SelectElements("entry") {
		name, value := entry.SelectElement("string"), entry.FindElement("*/originalValue")
		if name == nil || value == nil {
			continue
		}
		tag := name.Text()
		if tag == "parametersDefinitionProperties" {
			tag = "properties"
		}
		replace(root, tag, value)
	}
}

func replace(root *etree.Element, tag string, value *etree.Element) {
	if old := root.SelectElement(tag); old != nil {
		root.RemoveChild(old)
	}
	value = value.Copy()
	value.Tag = tag
	if tag != "scm" {
		value.RemoveAttr("class")
	}
	root.AddChild(value)
}
