package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong in the file, and where.
type Problem struct {
	File string
	Line int    // 0: of the file as a whole
	What string // field: why
}

// Error is file:line: what, as editors understand it.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.What
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.What)
}

// Load reads and checks the file. The error names every Problem that it has.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return Parse(path, text)
}

// Parse reads a config whose text is at hand; paths in it are relative to path.
func Parse(path string, text []byte) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	c := &Config{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, located(path, err)
	}
	c.Path = absolute
	c.defaults()
	return c, c.validate(path, findLines(text))
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// located turns what the YAML library says into Problems.
func located(path string, err error) error {
	lines := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		lines = several.Errors
	}
	problems := make([]error, 0, len(lines))
	for _, line := range lines {
		problems = append(problems, readProblem(path, line))
	}
	return errors.Join(problems...)
}

var (
	unknownField = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
	wrongType    = regexp.MustCompile("^cannot unmarshal \\S+ (`.*`|.*) ?into (\\S+)$")
)

func readProblem(path, text string) *Problem {
	p := &Problem{File: path, What: strings.TrimPrefix(text, "yaml: ")}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.What = m[2]
	}
	if m := unknownField.FindStringSubmatch(p.What); m != nil {
		p.What = fmt.Sprintf("unknown field %s", m[1])
	}
	if m := wrongType.FindStringSubmatch(p.What); m != nil {
		p.What = fmt.Sprintf("%s is no %s", strings.TrimSpace(m[1]), plainType(m[2]))
	}
	return p
}

func plainType(goType string) string {
	switch {
	case goType == "time.Duration":
		return "duration (write for example 5s)"
	case goType == "int":
		return "number"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "[]"):
		return "list"
	case goType == "string":
		return "text"
	}
	return "block of fields"
}

// lines knows on which line each field stands: "projects[1].repo" → 14.
type lines map[string]int

func findLines(text []byte) lines {
	found := lines{}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err == nil && len(root.Content) > 0 {
		found.walk("", root.Content[0])
	}
	return found
}

func (l lines) walk(path string, node *yaml.Node) {
	l[path] = node.Line
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			inner := strings.TrimPrefix(path+"."+key.Value, ".")
			l.walk(inner, node.Content[i+1])
			l[inner] = key.Line
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			l.walk(fmt.Sprintf("%s[%d]", path, i), item)
		}
	}
}

// of is the line of the field or, if the file leaves it out, of what it is in.
func (l lines) of(path string) int {
	for {
		if line, ok := l[path]; ok {
			return line
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return 0
		}
		path = path[:i]
	}
}
