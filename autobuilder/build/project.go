package build

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
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
	Parameters map[string]string `yaml:"parameters"`  // that the job takes besides, with their defaults
	Steps      []Step            `yaml:"steps"`       // that the job has besides
	Timeout    time.Duration     `yaml:"timeout"`     // a build that runs longer is stopped; 0: none is
	Hold       Gate              `yaml:"hold"`        // which releases wait for people
	Checklist  string            `yaml:"checklist"`   // of held releases; empty: .deliver/release.md of the repository
	Chat       Chat              `yaml:"chat"`        // who may do what in a room
	Watch      Watch             `yaml:"watch"`       // what decides whether a release stays
	Site       string            `yaml:"site"`        // address where its users find it, for links
	Store      string            `yaml:"store"`       // s3://bucket/job that the job's deliver publishes to; empty: it is not asked
	Secret     SecretSource      `yaml:",inline"`     // of its own webhook; empty: github's in the file
}

// Step is a step of a job that its template does not have.
type Step struct {
	After string `yaml:"after"` // the template's step before it
	Run   string `yaml:"run"`   // bash
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

// Gate says which releases wait for people, and for whom.
type Gate struct {
	When      string        `yaml:"when"`       // major (default), every or never
	Approvers []string      `yaml:"approvers"`  // who may approve; empty: everybody who can
	Approvals int           `yaml:"approvals"`  // how many are needed; default: 1
	NotPusher bool          `yaml:"not_pusher"` // who pushed it does not approve it
	Within    time.Duration `yaml:"within"`     // how long it waits for approvals; default: for ever
}

// The kinds of Gate.When.
const (
	HoldMajor = "major"
	HoldEvery = "every"
	HoldNever = "never"
)

// Environment is the deliver environment that the project's job delivers to.
func (p Project) Environment() string {
	return p.Env["DELIVER_ENV"]
}

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
	setDefault(&p.Hold.When, HoldMajor)
	p.Watch.defaults()
	if p.Hold.Approvals == 0 {
		p.Hold.Approvals = 1
	}
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
	storeURL    = regexp.MustCompile(`^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^/]`)
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
		check("site", p.Site == "" || webAddress(p.Site), "%q is no http(s) address", p.Site),
		check("queue", p.Queue == QueueNewest || p.Queue == QueueEach, "%q must be newest or each", p.Queue),
		check("store", p.Store == "" || storeURL.MatchString(p.Store), "%q is no store: write it as s3://BUCKET/JOB", p.Store),
		p.validateEnv(),
		p.validateJob(),
		p.Hold.validate(),
		p.Watch.validate(),
	)
}

// validateJob looks at what the job has besides its template.
func (p *Project) validateJob() error {
	params := (Build{Release: "-", Command: "-", Only: "-"}).Params()
	for name := range p.Parameters {
		_, taken := params[name]
		if !envName.MatchString(name) || taken {
			return check("parameters", false, "%q is no name of a parameter, or one that autobuilder sets", name)
		}
	}
	for _, step := range p.Steps {
		if step.After == "" || strings.TrimSpace(step.Run) == "" {
			return check("steps", false, "each needs after (a step of the template) and run (a script)")
		}
	}
	return check("timeout", p.Timeout >= 0, "%s is negative", p.Timeout)
}

func (p *Project) validateEnv() error {
	for name := range p.Env {
		if !envName.MatchString(name) {
			return check("env", false, "%q is no name of a variable", name)
		}
		if name == "DELIVER_ONLY" {
			return check("env", false, "%s is set by who deploys to some servers; those of all deliveries stand in HOSTS of .deliver/config", name)
		}
	}
	return nil
}

func (g Gate) validate() error {
	few := len(g.Approvers) > 0 && g.Approvals > len(g.Approvers)
	switch {
	case g.When != HoldMajor && g.When != HoldEvery && g.When != HoldNever:
		return check("hold", false, "when %q must be major, every or never", g.When)
	case g.Approvals < 1:
		return check("hold", false, "approvals %d must be 1 or more", g.Approvals)
	case few:
		return check("hold", false, "%d approvals are needed, but there are %d approvers", g.Approvals, len(g.Approvers))
	case g.Within < 0:
		return check("hold", false, "within %s is negative", g.Within)
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

func webAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func validGlob(glob string) bool {
	_, err := path.Match(glob, "")
	return err == nil
}
