package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"autobuilder/build"
)

// checker collects what is wrong, with the line that says it.
type checker struct {
	file     string
	lines    lines
	problems []error
}

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, &Problem{
		File: c.file, Line: c.lines.of(field), What: field + ": " + fmt.Sprintf(format, args...),
	})
}

func (c *Config) validate(file string, where lines) error {
	check := &checker{file: file, lines: where}
	check.address("listen", c.Listen)
	check.web("url", c.URL)
	check.positive("settle", c.Settle)
	check.positive("poll", c.Poll)
	check.positive("search", c.Search)
	check.secret("github", c.GitHub.Secret)
	check.noSecret(c)
	check.web("github.api", c.GitHub.API)
	check.oneOf("github", "token", c.GitHub.TokenEnv, c.GitHub.TokenFile)
	check.jenkins(c.Jenkins)
	if c.Jenkins.Embedded() && c.Jenkins.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		check.add("jenkins.listen", "%s is autobuilder's own address", c.Listen)
	}
	check.tokens(c.Tokens)
	check.signIn(c.SignIn)
	check.notify(c)
	check.chat(c)
	check.projects(c.Projects)
	return errors.Join(check.problems...)
}

func (c *checker) address(field, address string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		c.add(field, "%q is no address: write host:port", address)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		c.add(field, "%q has no port from 0 to 65535", address)
	}
}

func (c *checker) web(field, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		c.add(field, "%q is no http(s) address", address)
		return
	}
	if u.User != nil {
		c.add(field, "holds a user or password: leave it out, secrets go by environment or file")
	}
}

func (c *checker) positive(field string, d time.Duration) {
	if d < 0 {
		c.add(field, "%s is negative", d)
	}
}

func (c *checker) secret(block string, s build.SecretSource) {
	c.oneOf(block, "secret", s.SecretEnv, s.SecretFile)
	c.oneOf(block, "previous_secret", s.PreviousSecretEnv, s.PreviousSecretFile)
	if !s.Given() && (s.PreviousSecretEnv != "" || s.PreviousSecretFile != "") {
		c.add(block, "previous_secret is set, but no secret")
	}
}

// noSecret finds projects whose deliveries nothing could sign.
func (c *checker) noSecret(all *Config) {
	without := func(p build.Project) bool { return !p.Secret.Given() }
	if !all.GitHub.Secret.Given() && (len(all.Projects) == 0 || slices.ContainsFunc(all.Projects, without)) {
		c.add("github", "secret_env or secret_file must say where the webhook's secret is, or each project must have its own")
	}
}

func (c *checker) oneOf(block, name, env, file string) {
	if env != "" && file != "" {
		c.add(block, "%s_env and %s_file are both set: keep one", name, name)
	}
}

func (c *checker) jenkins(j Jenkins) {
	if j.Embedded() {
		c.address("jenkins.listen", j.Listen)
		c.unused("jenkins.user", j.User)
		if j.Executors < 1 {
			c.add("jenkins.executors", "must be 1 or more")
		}
		c.positive("jenkins.quiet_period", j.QuietPeriod)
		c.positive("jenkins.drain", j.Drain)
		c.unused("jenkins.ca_file", j.CAFile)
		return
	}
	c.web("jenkins.url", j.URL)
	c.oneOf("jenkins", "token", j.TokenEnv, j.TokenFile)
	c.token(j)
	if j.Listen != "" || j.Executors != 0 || j.QuietPeriod != 0 || j.Drain != 0 {
		c.add("jenkins", "listen, executors, quiet_period and drain are the embedded Jenkins', but url is set")
	}
}

func (c *checker) token(j Jenkins) {
	token := j.TokenEnv != "" || j.TokenFile != ""
	if token && j.User == "" {
		c.add("jenkins.user", "is missing: the token belongs to a user")
	}
	if !token && j.User != "" {
		c.add("jenkins.user", "needs token_env or token_file beside it")
	}
}

func (c *checker) tokens(tokens []Token) {
	names := map[string]bool{}
	for i, t := range tokens {
		at := fmt.Sprintf("tokens[%d]", i)
		c.oneOf(at, "token", t.TokenEnv, t.TokenFile)
		if t.Name == "" || t.TokenEnv == "" && t.TokenFile == "" {
			c.add(at, "needs a name, and token_env or token_file")
		}
		c.once(names, at+".name", "token", t.Name)
		if len(t.Scopes) == 0 {
			c.add(at+".scopes", "lists none of read, deploy, approve, trigger and chat")
		}
		for _, scope := range t.Scopes {
			if !scope.Valid() {
				c.add(at+".scopes", "%q is none of read, deploy, approve, trigger and chat", scope)
			}
		}
	}
}

func (c *checker) unused(field, value string) {
	if value != "" {
		c.add(field, "is set, but url is not: the embedded Jenkins has none")
	}
}

func (c *checker) projects(projects []build.Project) {
	if len(projects) == 0 {
		c.add("projects", "lists no project")
	}
	names, jobs := map[string]bool{}, map[string]bool{}
	for i := range projects {
		p := &projects[i]
		at := fmt.Sprintf("projects[%d]", i)
		c.project(at, p)
		c.secret(at, p.Secret)
		c.once(names, at+".name", "project", p.Name)
		c.once(jobs, at+".job", "job", p.Job)
	}
}

func (c *checker) project(at string, p *build.Project) {
	all, ok := p.Validate().(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, err := range all.Unwrap() {
		var field *build.FieldError
		if errors.As(err, &field) {
			c.add(at+"."+field.Field, "%s", field.Why)
		}
	}
}

func (c *checker) once(seen map[string]bool, field, what, name string) {
	if key := strings.ToLower(name); key != "" && !seen[key] {
		seen[key] = true
		return
	}
	if name != "" {
		c.add(field, "there are two: a %s is named once", what)
	}
}

// PublicURL is the address that a browser on this machine uses.
func PublicURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
