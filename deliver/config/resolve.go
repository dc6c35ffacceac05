package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"deliver/inventory"
)

// resolver finds the strongest value of each setting.
type resolver struct {
	src     Source
	file    *file
	environ map[string]string
	prefix  string // "PRODUCTION_" with --env production
	told    readback
	eval    evaluation
}

func newResolver(src Source, f *file) *resolver {
	r := &resolver{src: src, file: f, environ: map[string]string{}}
	for _, e := range src.Environ {
		name, value, _ := strings.Cut(e, "=")
		r.environ[name] = value
	}
	return r
}

// evaluate has the config evaluated, with what the run was told in its
// variables.
func (r *resolver) evaluate(ctx context.Context) error {
	if err := r.chooseEnvironment(); err != nil {
		return err
	}
	limit := r.runtime(mustLookup("CONFIG_TIMEOUT"))
	var s Settings
	if err := limit.apply(&s); err != nil {
		return err
	}
	r.eval = evaluation{file: r.file, dir: r.src.Dir, env: r.scriptEnviron(), output: r.src.Output, timeout: s.ConfigTimeout}
	if r.file == nil {
		r.told.snapshot = libraryScript
		return nil
	}
	var err error
	r.told, err = r.eval.run(ctx)
	return err
}

func mustLookup(name string) Variable {
	v, ok := Lookup(name)
	if !ok {
		panic("no variable " + name)
	}
	return v
}

var environmentForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

func (r *resolver) chooseEnvironment() error {
	v := r.runtime(mustLookup("ENV"))
	if v.Text == "" {
		return nil
	}
	if !environmentForm.MatchString(v.Text) {
		return fmt.Errorf("%s: ENV: %s is no name of an environment: it holds letters, digits, - and _", v.Origin, shown(v.Text))
	}
	r.prefix = strings.ToUpper(strings.ReplaceAll(v.Text, "-", "_")) + "_"
	return nil
}

// scriptEnviron is the environment that the config is evaluated in: settings
// of the command line and DELIVER_NAME stand in it under their plain name.
func (r *resolver) scriptEnviron() []string {
	env := slices.Clone(r.src.Environ)
	for _, v := range Variables() {
		if value := r.runtime(v); value.Given {
			env = append(env, v.Name+"="+value.Text, "DELIVER_"+v.Name+"="+value.Text)
		}
	}
	return append(env, "ORIGIN_DIR="+r.src.Dir, "BASE_PATH="+ownDir(r.src.Dir), "PWD="+r.src.Dir)
}

func ownDir(fallback string) string {
	path, err := os.Executable()
	if err != nil {
		return fallback
	}
	return filepath.Dir(path)
}

// runtime is a setting as the run gives it, by flag or environment, and else
// its default. An empty variable of the environment counts as not set: that
// is how Jenkins hands on a parameter without a value.
func (r *resolver) runtime(v Variable) Value {
	if text, ok := r.src.Flags[v.Name]; ok {
		return Value{v, text, "flag --" + v.Flag, true, byFlag}
	}
	for _, name := range r.environmentNames(v) {
		if text := r.environ[name]; text != "" {
			return Value{v, text, "environment " + name, true, byEnvironment}
		}
	}
	if v.Default != "" {
		return Value{Variable: v, Text: v.Default, Origin: "default"}
	}
	return Value{Variable: v}
}

func (r *resolver) environmentNames(v Variable) []string {
	if v.Run {
		return []string{"DELIVER_" + v.Name}
	}
	return append(r.special(v), "DELIVER_"+v.Name, v.Name)
}

// special are the names that win over the plain one with --env.
func (r *resolver) special(v Variable) []string {
	switch {
	case r.prefix == "" || v.Run:
		return nil
	case v.Name == "APP_USER":
		return []string{r.prefix + "APP_USER", r.prefix + "USER"}
	default:
		return []string{r.prefix + v.Name}
	}
}

// resolve is a setting from wherever it is set most strongly.
func (r *resolver) resolve(v Variable) Value {
	value := r.runtime(v)
	if value.Given || v.Run {
		return value
	}
	for _, name := range append(r.special(v), v.Name) {
		text, set := r.scripted(name)
		if text != "" || set && v.Name == "HOSTS" {
			return Value{v, text, r.origin(name), true, byConfig}
		}
	}
	return value
}

// scripted is what the config left in a variable. What was in the environment
// before, and is empty here, the config did not set.
func (r *resolver) scripted(name string) (text string, set bool) {
	elements, set := r.told.variables[name]
	_, assigned := r.told.lines[name]
	_, inherited := r.environ[name]
	text = strings.Join(elements, " ")
	return text, set && (assigned || !inherited)
}

func (r *resolver) origin(name string) string {
	origin := r.file.shown
	if p, ok := r.told.lines[name]; ok {
		if p.file == r.file.path {
			p.line = r.file.assignedAt(name, p.line)
		}
		origin = r.eval.shown(p)
	}
	if strings.HasPrefix(name, r.prefix) && r.prefix != "" {
		origin += " " + name
	}
	return origin
}

// other is a variable that only the project's own scripts know.
func (r *resolver) other(name string) Value {
	v := Value{Variable: Variable{Name: name, Kind: Text}}
	switch text, set := r.scripted(name); {
	case name == "ORIGIN_DIR":
		v.Text, v.Origin = r.src.Dir, "working directory"
	case set:
		v.Text, v.Origin, v.Given = text, r.origin(name), true
	case r.environ[name] != "":
		v.Text, v.Origin, v.Given = r.environ[name], "environment "+name, true
	}
	return v
}

// config resolves every setting, and tells all that is wrong at once.
func (r *resolver) config() (*Config, error) {
	c := &Config{others: r.other}
	wrong := []error{r.checkEnvironment()}
	for _, v := range Variables() {
		value := r.resolve(v)
		c.values = append(c.values, value)
		wrong = append(wrong, value.apply(&c.Settings))
	}
	wrong = append(wrong, c.derive(r.src.Dir), c.chooseHosts())
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	c.Script, c.digest = newScript(r, c), r.digest()
	c.notes = append(c.notes, r.notes(c)...)
	return c, nil
}

// digest is of the project's config and of the functions that it came to.
func (r *resolver) digest() string {
	if r.file == nil {
		return ""
	}
	sum := sha256.New()
	sum.Write(r.file.text)
	sum.Write([]byte{0})
	sum.Write([]byte(r.told.code))
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// apply puts the value into its field.
func (v Value) apply(s *Settings) error {
	if v.Text == "" && (!v.Given || v.Variable.Kind == Text || v.Variable.Kind == List) {
		return nil
	}
	err := v.Variable.set(s, v.Text)
	if err == nil && len(v.Variable.Choices) > 0 {
		err = v.Variable.oneOf(v.Text)
	}
	return v.Blame(err)
}

// checkEnvironment refuses an environment that nothing is set for: a slip in
// its name would deliver to the hosts of another one.
func (r *resolver) checkEnvironment() error {
	if r.prefix == "" || r.mentionsEnvironment() {
		return nil
	}
	for _, v := range Variables() {
		for _, name := range r.special(v) {
			_, scripted := r.told.variables[name]
			if scripted || r.environ[name] != "" {
				return nil
			}
		}
	}
	return fmt.Errorf("--env %s: no setting begins with %s, and .deliver/config does not use $ENV%s",
		r.runtime(mustLookup("ENV")).Text, r.prefix, r.otherEnvironments())
}

var usesEnvironment = regexp.MustCompile(`\$\{?(DELIVER_)?ENV\b`)

func (r *resolver) mentionsEnvironment() bool {
	return r.file != nil && usesEnvironment.Match(r.file.text)
}

func (r *resolver) otherEnvironments() string {
	var found []string
	for name := range r.told.lines {
		if env, ok := strings.CutSuffix(name, "_HOSTS"); ok {
			found = append(found, strings.ToLower(env))
		}
	}
	if len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	return "; there is " + strings.Join(found, ", ")
}

// chooseHosts leaves each host once, and of those the ones asked for.
func (c *Config) chooseHosts() error {
	named := c.Value("HOSTS")
	unique, repeated, err := inventory.Unique(c.Hosts)
	if err != nil {
		return named.Blame(err)
	}
	if len(repeated) > 0 {
		c.notes = append(c.notes, fmt.Sprintf("HOSTS names %s more than once (%s)", inventory.Join(repeated), named.Origin))
	}
	c.Fleet = unique
	if c.Hosts, err = inventory.Select(unique, c.Only, nil); err != nil {
		return c.Value("ONLY").Blame(err)
	}
	left, err := inventory.Select(unique, nil, c.Except)
	if err != nil {
		return c.Value("EXCEPT").Blame(err)
	}
	c.Hosts = slices.DeleteFunc(c.Hosts, func(h inventory.Host) bool { return !slices.Contains(left, h) })
	return nil
}
