// Package jobs makes Jenkins' job configs of templates and the project list,
// and brings Jenkins in line with them.
package jobs

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"autobuilder/build"
)

// Mark stands in the description of every job that is made here. A job without
// it is somebody else's, and is left alone.
const Mark = "managed by autobuilder; edits here are drift"

// Parameters are what every job must take: autobuilder starts it with these.
var parameters = []string{"COMMIT", "BRANCH", "TAG", "VERSION", "AUTOBUILDER_ID"}

// defaultTemplate is for projects that name none.
const defaultTemplate = "node"

const suffix = ".xml.tmpl"

// Config is a job as it should be.
type Config struct {
	Job string
	XML []byte
}

// Data is what a template sees.
type Data struct {
	Project        build.Project
	Name           string // of the project
	Job            string // of the Jenkins job
	Mark           string // must stand in the description
	AutobuilderURL string // where deliver tells how it goes; may be empty
	Env            []Var  // the project's, by name
	Parameters     []Var  // that the project adds, with their defaults, by name
}

// Var is a variable of the environment, exported in every step.
type Var struct{ Name, Value string }

// Templates is a directory of job templates.
type Templates struct {
	dir string
	url string
}

// Open finds the directory of templates: the one that is named, or else the
// one beside the program, as in the repository or as installed.
func Open(dir, executable, autobuilderURL string) (*Templates, error) {
	candidates := []string{dir}
	if dir == "" {
		root := filepath.Dir(filepath.Dir(executable))
		candidates = []string{filepath.Join(root, "jenkins-jobs"), filepath.Join(root, "share", "autobuilder", "jenkins-jobs")}
	}
	for _, candidate := range candidates {
		if info, err := os.Stat(candidate); err == nil && info.IsDir() {
			return &Templates{dir: candidate, url: autobuilderURL}, nil
		}
	}
	return nil, fmt.Errorf("find job templates: no directory %s", strings.Join(candidates, " or "))
}

// RenderAll is the config of every project's job, by job name.
func (t *Templates) RenderAll(projects []build.Project) ([]Config, error) {
	owner := map[string]string{}
	var configs []Config
	var errs []error
	for _, p := range projects {
		config, err := t.Render(p)
		if err == nil && owner[config.Job] != "" {
			err = fmt.Errorf("render job %s: projects %s and %s share it; give each its own", config.Job, owner[config.Job], p.Name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		owner[config.Job] = p.Name
		configs = append(configs, config)
	}
	slices.SortFunc(configs, func(a, b Config) int { return strings.Compare(a.Job, b.Job) })
	return configs, errors.Join(errs...)
}

// Render is the config of a project's job. What it returns is XML, carries the
// mark, and takes the parameters that autobuilder starts a job with.
func (t *Templates) Render(p build.Project) (Config, error) {
	file := t.file(p.Template)
	parsed, err := parse(file)
	if err != nil {
		return Config{}, fmt.Errorf("project %s: %w", p.Name, err)
	}
	data, err := newData(p, t.url)
	if err != nil {
		return Config{}, fmt.Errorf("project %s: %w", p.Name, err)
	}
	out, steps := new(bytes.Buffer), extra{steps: p.Steps}
	err = parsed.Funcs(template.FuncMap{"after": steps.after}).Execute(out, data)
	if err == nil {
		err = steps.unplaced()
	}
	if err == nil {
		err = check(out.Bytes(), data.Parameters)
	}
	if err != nil {
		return Config{}, fmt.Errorf("project %s: render %s: %w", p.Name, file, err)
	}
	// A blank line before the XML declaration is no XML, though not every reader minds.
	return Config{Job: data.Job, XML: bytes.TrimLeft(out.Bytes(), " \t\r\n")}, nil
}

// extra are the steps that a project adds to its template.
type extra struct {
	steps  []build.Step
	places []string // that the template has
}

// endOfStep is the line that ends a script within the templates' own.
const endOfStep = "STEP"

// after gives the scripts that come after a step of the template.
func (e *extra) after(place string) ([]string, error) {
	e.places = append(e.places, place)
	var scripts []string
	for _, step := range e.steps {
		if step.After != place {
			continue
		}
		if slices.Contains(strings.Split(step.Run, "\n"), endOfStep) {
			return nil, fmt.Errorf("the step after %s holds a line %s, which would end it there", place, endOfStep)
		}
		scripts = append(scripts, strings.TrimRight(step.Run, "\n"))
	}
	return scripts, nil
}

// unplaced finds steps that no place of the template took.
func (e *extra) unplaced() error {
	for _, step := range e.steps {
		if !slices.Contains(e.places, step.After) {
			return fmt.Errorf("it has no step %q to put another after: it has %s", step.After, strings.Join(e.places, ", "))
		}
	}
	return nil
}

// file is where a template stands: a name is one of the directory's, anything
// with a slash or the full suffix is a file.
func (t *Templates) file(name string) string {
	name = cmp.Or(name, defaultTemplate)
	switch {
	case strings.ContainsRune(name, filepath.Separator):
		return name
	case strings.HasSuffix(name, suffix):
		return filepath.Join(t.dir, name)
	}
	return filepath.Join(t.dir, name+suffix)
}

func parse(file string) (*template.Template, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no job template %s%s", file, others(filepath.Dir(file)))
	}
	if err != nil {
		return nil, fmt.Errorf("read job template: %w", err)
	}
	funcs := template.FuncMap{"xml": escapeXML, "sh": quoteShell, "after": (&extra{}).after}
	parsed, err := template.New(filepath.Base(file)).Option("missingkey=error").Funcs(funcs).Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parse job template %s: %w", file, err)
	}
	return parsed, nil
}

// others names the templates that there are, for who mistyped one.
func others(dir string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if len(files) == 0 {
		return ""
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), suffix))
	}
	return "; there are " + strings.Join(names, ", ")
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func newData(p build.Project, url string) (Data, error) {
	data := Data{Project: p, Name: p.Name, Job: cmp.Or(p.Job, p.Name), Mark: Mark, AutobuilderURL: url}
	for name, value := range p.Env {
		if !envName.MatchString(name) {
			return Data{}, fmt.Errorf("env %q: want letters, digits and _, and no digit first", name)
		}
		data.Env = append(data.Env, Var{Name: name, Value: value})
	}
	for name, value := range p.Parameters {
		data.Parameters = append(data.Parameters, Var{Name: name, Value: value})
	}
	for _, list := range [][]Var{data.Env, data.Parameters} {
		slices.SortFunc(list, func(a, b Var) int { return strings.Compare(a.Name, b.Name) })
	}
	return data, nil
}

// escapeXML makes text of a value. What XML cannot hold is an error: Jenkins
// would get something else than what was written.
func escapeXML(value any) (string, error) {
	text := fmt.Sprint(value)
	if i := strings.IndexFunc(text, notInXML); i >= 0 {
		return "", fmt.Errorf("%q: xml cannot hold the byte at %d", text, i)
	}
	out := new(strings.Builder)
	err := xml.EscapeText(out, []byte(text))
	return strings.ReplaceAll(out.String(), "&#xA;", "\n"), err
}

func notInXML(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFD' || r == '\uFFFE' || r == '\uFFFF'
}

// quoteShell makes one word of a value, whatever it holds.
func quoteShell(value any) (string, error) {
	text := fmt.Sprint(value)
	if strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("%q: a shell word cannot hold a zero byte", text)
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'", nil
}
