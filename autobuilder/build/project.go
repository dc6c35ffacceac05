package build

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Project is a repository that autobuilder builds.
type Project struct {
	Name       string            `yaml:"name"`
	Repo       string            `yaml:"repo"`        // owner/name, as GitHub's payload says
	CloneURL   string            `yaml:"clone_url"`   // what the job clones and ls-remote asks
	Job        string            `yaml:"job"`         // Jenkins job; default: the name
	Branch     string            `yaml:"branch"`      // default: master
	Tags       string            `yaml:"tags"`        // glob of tags that are releases; default: v*
	RequireTag bool              `yaml:"require_tag"` // a push without a tag does not build
	Queue      string            `yaml:"queue"`       // newest (default) or each
	Template   string            `yaml:"template"`    // a job template's name or file; default: node
	Env        map[string]string `yaml:"env"`         // exported in every step of the job
	Secret     SecretSource      `yaml:",inline"`     // of its own webhook; empty: github's in the file
}

// SecretSource says where a webhook's secret is found, and the previous one
// that holds beside it while a new one is rolled out: in the environment or in
// a file, never in autobuilder.yml itself.
type SecretSource struct {
	SecretEnv          string `yaml:"secret_env"`
	SecretFile         string `yaml:"secret_file"`
	PreviousSecretEnv  string `yaml:"previous_secret_env"`
	PreviousSecretFile string `yaml:"previous_secret_file"`
}

// Given says whether there is a secret at all.
func (s SecretSource) Given() bool { return s.SecretEnv != "" || s.SecretFile != "" }

// The kinds of Project.Queue.
const (
	QueueNewest = "newest" // a newer push supersedes a build that still waits
	QueueEach   = "each"   // every push is built
)

// FieldError says which field of a project is wrong, and why.
type FieldError struct {
	Field string // as in the file
	Why   string
}

// Error is the field and what is wrong with it.
func (e *FieldError) Error() string {
	return e.Field + ": " + e.Why
}

// Defaults fills what the file left out.
func (p *Project) Defaults() {
	setDefault(&p.Job, p.Name)
	setDefault(&p.Branch, "master")
	setDefault(&p.Tags, "v*")
	setDefault(&p.Queue, QueueNewest)
	setDefault(&p.Template, "node")
	if p.Repo != "" {
		setDefault(&p.CloneURL, "https://github.com/"+p.Repo+".git")
	}
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

var (
	projectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	repoName    = regexp.MustCompile(`^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$`)
	refName     = regexp.MustCompile(`^[^\s~^:?*\[\\-][^\s~^:?*\[\\]*$`)
	envName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Validate says everything that is wrong, as FieldErrors joined.
func (p *Project) Validate() error {
	return errors.Join(
		check("name", projectName.MatchString(p.Name), "%q must be letters, digits, '.', '_' and '-'", p.Name),
		check("repo", repoName.MatchString(p.Repo), "%q must be owner/name, as in the repository's address", p.Repo),
		check("clone_url", p.CloneURL == "" || plainURL(p.CloneURL), "it must not begin with '-' nor hold spaces or a password (git's credential helpers and SSH keys are for that)"),
		check("job", projectName.MatchString(p.Job), "%q must be letters, digits, '.', '_' and '-' (no folders)", p.Job),
		check("branch", refName.MatchString(p.Branch), "%q is no branch name", p.Branch),
		check("tags", validGlob(p.Tags), "%q is no glob: write for example v*", p.Tags),
		check("queue", p.Queue == QueueNewest || p.Queue == QueueEach, "%q must be newest or each", p.Queue),
		p.validateEnv(),
	)
}

func (p *Project) validateEnv() error {
	for name := range p.Env {
		if !envName.MatchString(name) {
			return check("env", false, "%q is no name of a variable", name)
		}
	}
	return nil
}

func check(field string, ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return &FieldError{Field: field, Why: fmt.Sprintf(format, args...)}
}

func plainURL(address string) bool {
	if strings.HasPrefix(address, "-") || strings.ContainsAny(address, " \t\n") {
		return false
	}
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return true // git's short form, user@host:path, is no URL
	}
	_, password := u.User.Password()
	return !password
}

func validGlob(glob string) bool {
	_, err := path.Match(glob, "")
	return err == nil
}
