// Package config reads autobuilder.yml: what to listen on, which Jenkins, and
// the projects.
package config

import (
	"path/filepath"
	"time"

	"autobuilder/build"
)

// Config is autobuilder.yml, with its defaults filled in and its paths absolute.
type Config struct {
	Path      string          `yaml:"-"`         // of the file itself
	Listen    string          `yaml:"listen"`    // default: 127.0.0.1:8080
	URL       string          `yaml:"url"`       // where people and GitHub reach it; default: from listen
	Data      string          `yaml:"data"`      // directory of the ledger; default: data beside the file
	Templates string          `yaml:"templates"` // directory of job templates; default: the one that came with the program
	GitHub    GitHub          `yaml:"github"`
	Jenkins   Jenkins         `yaml:"jenkins"`
	JobsSync  *bool           `yaml:"jobs_sync"` // write the jobs at start; default: yes for the embedded Jenkins
	Settle    time.Duration   `yaml:"settle"`    // how long a push waits for its tag; default: 2s
	Poll      time.Duration   `yaml:"poll"`      // how often Jenkins is asked; default: 2s
	Search    time.Duration   `yaml:"search"`    // how often repositories are searched for pushes that GitHub did not tell of; default: 5m
	Tokens    []Token         `yaml:"tokens"`    // who may act by the API
	SignIn    SignIn          `yaml:"sign_in"`   // how people sign in to the page
	Chat      Chat            `yaml:"chat"`      // from where people steer it
	Notify    Notify          `yaml:"notify"`    // who is told of what happens
	Projects  []build.Project `yaml:"projects"`
}

// Token is a bearer token of the API: who it is, and what they may do.
type Token struct {
	Name      string        `yaml:"name"` // stands in the ledger
	Scopes    []build.Scope `yaml:"scopes"`
	TokenEnv  string        `yaml:"token_env"`
	TokenFile string        `yaml:"token_file"`
}

// GitHub says where the webhook's secret is found, for the repositories of all
// projects that have none of their own.
type GitHub struct {
	Secret    build.SecretSource `yaml:",inline"`
	API       string             `yaml:"api"`       // default: https://api.github.com
	TokenEnv  string             `yaml:"token_env"` // with a token GitHub is asked what it could not deliver
	TokenFile string             `yaml:"token_file"`
}

// Jenkins says which Jenkins builds. With an empty URL it is the embedded one.
type Jenkins struct {
	URL         string        `yaml:"url"`
	User        string        `yaml:"user"`
	TokenEnv    string        `yaml:"token_env"`
	TokenFile   string        `yaml:"token_file"`
	Listen      string        `yaml:"listen"`       // of the embedded one; default: 127.0.0.1:8081
	Executors   int           `yaml:"executors"`    // of the embedded one; default: 2
	QuietPeriod time.Duration `yaml:"quiet_period"` // of the embedded one; default: none
	Drain       time.Duration `yaml:"drain"`        // how long the embedded one's builds may go on when autobuilder is stopped; default: 1m
	CAFile      string        `yaml:"ca_file"`      // certificates that url's is signed with; default: the system's
}

// Embedded says whether autobuilder runs the Jenkins itself.
func (j Jenkins) Embedded() bool {
	return j.URL == ""
}

// SyncJobs says whether the jobs are written to Jenkins at start.
func (c *Config) SyncJobs() bool {
	if c.JobsSync != nil {
		return *c.JobsSync
	}
	return c.Jenkins.Embedded()
}

// LedgerFile is where the ledger stands.
func (c *Config) LedgerFile() string {
	return filepath.Join(c.Data, "ledger.db")
}

// JenkinsURL is the address of the Jenkins that builds, embedded or not.
func (c *Config) JenkinsURL() string {
	if c.Jenkins.Embedded() {
		return "http://" + c.Jenkins.Listen
	}
	return c.Jenkins.URL
}

// Project is the project of that name.
func (c *Config) Project(name string) (build.Project, bool) {
	for _, p := range c.Projects {
		if p.Name == name {
			return p, true
		}
	}
	return build.Project{}, false
}

func (c *Config) defaults() {
	dir := filepath.Dir(c.Path)
	setDefault(&c.Listen, "127.0.0.1:8080")
	setDefault(&c.URL, PublicURL(c.Listen))
	setDefault(&c.Data, "data")
	setDefault(&c.GitHub.API, publicAPI)
	setDefault(&c.Settle, 2*time.Second)
	setDefault(&c.Poll, 2*time.Second)
	setDefault(&c.Search, 5*time.Minute)
	c.SignIn.defaults(c.GitHub.API)
	if c.Jenkins.Embedded() {
		setDefault(&c.Jenkins.Listen, "127.0.0.1:8081")
		setDefault(&c.Jenkins.Executors, 2)
		setDefault(&c.Jenkins.Drain, time.Minute)
	}
	paths := []*string{
		&c.Data, &c.Templates, &c.GitHub.Secret.SecretFile, &c.GitHub.Secret.PreviousSecretFile, &c.GitHub.TokenFile,
		&c.Jenkins.TokenFile, &c.Jenkins.CAFile, &c.SignIn.GitHub.ClientSecretFile,
	}
	paths = append(append(paths, c.Notify.defaults()...), &c.Chat.Slack.SigningSecretFile)
	for i := range c.Tokens {
		paths = append(paths, &c.Tokens[i].TokenFile)
	}
	for i := range c.Projects {
		c.Projects[i].Defaults()
		paths = append(paths, &c.Projects[i].Secret.SecretFile, &c.Projects[i].Secret.PreviousSecretFile)
	}
	for _, path := range paths {
		*path = beside(dir, *path)
	}
}

func setDefault[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}

func beside(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
