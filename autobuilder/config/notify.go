package config

import (
	"errors"
	"fmt"

	"autobuilder/build"
)

// Notify says who is told of what happens. What is left out is not told.
type Notify struct {
	Slack     *SlackRoom    `yaml:"slack"`
	Webhooks  []Webhook     `yaml:"webhooks"`
	PagerDuty *PagerDuty    `yaml:"pagerduty"`
	GitHub    *GitHubNotify `yaml:"github"`
	Carbon    *Metrics      `yaml:"carbon"`
	Graphite  *Graphite     `yaml:"graphite"`
	StatsD    *Metrics      `yaml:"statsd"`
}

// Webhook is a program that is sent events, signed.
type Webhook struct {
	Name       string            `yaml:"name"` // in the ledger and the log
	URL        string            `yaml:"url"`
	Events     []build.EventKind `yaml:"events"` // default: all
	SecretEnv  string            `yaml:"secret_env"`
	SecretFile string            `yaml:"secret_file"`
}

// PagerDuty is an integration of the Events API v2.
type PagerDuty struct {
	URL     string `yaml:"url"` // default: PagerDuty's
	KeyEnv  string `yaml:"key_env"`
	KeyFile string `yaml:"key_file"`
}

// GitHubNotify says what is shown on GitHub, with a token that may write it.
type GitHubNotify struct {
	Statuses    bool   `yaml:"statuses"`
	Deployments bool   `yaml:"deployments"`
	TokenEnv    string `yaml:"token_env"` // default: github's
	TokenFile   string `yaml:"token_file"`
}

// Graphite is a graphite-web that is told of events.
type Graphite struct {
	URL    string            `yaml:"url"`
	Events []build.EventKind `yaml:"events"` // default: all
}

// Metrics is a server that is sent numbers.
type Metrics struct {
	Address string `yaml:"address"` // host:port
	Prefix  string `yaml:"prefix"`  // default: autobuilder
}

// Reveal reads the secret that the webhook is signed with.
func (w Webhook) Reveal(getenv func(string) string) (Secret, error) {
	return readSecret(getenv, "notify.webhooks."+w.Name, w.SecretEnv, w.SecretFile)
}

// Reveal reads the integration's key.
func (p PagerDuty) Reveal(getenv func(string) string) (Secret, error) {
	return readSecret(getenv, "notify.pagerduty.key", p.KeyEnv, p.KeyFile)
}

// NotifyToken is what GitHub is told with: notify.github's, or the one that
// GitHub is asked with.
func (c *Config) NotifyToken(getenv func(string) string) (Secret, error) {
	n := c.Notify.GitHub
	if n.TokenEnv != "" || n.TokenFile != "" {
		return readSecret(getenv, "notify.github.token", n.TokenEnv, n.TokenFile)
	}
	token, err := c.GitHub.Token(getenv)
	if err == nil && token == "" {
		err = errors.New("read notify.github.token: there is none, nor a github.token")
	}
	return token, err
}

func (n *Notify) defaults() (paths []*string) {
	for _, m := range []*Metrics{n.Carbon, n.StatsD} {
		if m != nil {
			setDefault(&m.Prefix, "autobuilder")
		}
	}
	for i := range n.Webhooks {
		paths = append(paths, &n.Webhooks[i].SecretFile)
	}
	if n.Slack != nil {
		paths = append(paths, &n.Slack.TokenFile)
	}
	if n.PagerDuty != nil {
		paths = append(paths, &n.PagerDuty.KeyFile)
	}
	if n.GitHub != nil {
		paths = append(paths, &n.GitHub.TokenFile)
	}
	return paths
}

func (c *checker) notify(all *Config) {
	n := all.Notify
	names := map[string]bool{}
	for i, w := range n.Webhooks {
		c.webhook(fmt.Sprintf("notify.webhooks[%d]", i), w, names)
	}
	if p := n.PagerDuty; p != nil {
		c.needed("notify.pagerduty", "key", p.KeyEnv, p.KeyFile)
		if p.URL != "" {
			c.web("notify.pagerduty.url", p.URL)
		}
	}
	if g := n.GitHub; g != nil {
		c.oneOf("notify.github", "token", g.TokenEnv, g.TokenFile)
		own := g.TokenEnv != "" || g.TokenFile != ""
		if !own && all.GitHub.TokenEnv == "" && all.GitHub.TokenFile == "" {
			c.add("notify.github", "needs token_env or token_file, here or in github")
		}
		if !g.Statuses && !g.Deployments {
			c.add("notify.github", "neither statuses nor deployments is set")
		}
	}
	if g := n.Graphite; g != nil {
		c.web("notify.graphite.url", g.URL)
		c.events("notify.graphite", g.Events)
	}
	for field, m := range map[string]*Metrics{"notify.carbon": n.Carbon, "notify.statsd": n.StatsD} {
		if m != nil {
			c.address(field+".address", m.Address)
		}
	}
}

func (c *checker) webhook(at string, w Webhook, names map[string]bool) {
	if w.Name == "" {
		c.add(at+".name", "is missing")
	}
	c.once(names, at+".name", "webhook", w.Name)
	c.web(at+".url", w.URL)
	c.needed(at, "secret", w.SecretEnv, w.SecretFile)
	c.events(at, w.Events)
}

func (c *checker) events(at string, kinds []build.EventKind) {
	for _, kind := range kinds {
		if !kind.Valid() {
			c.add(at+".events", "%q is no event", kind)
		}
	}
}

func (c *checker) needed(block, name, env, file string) {
	c.oneOf(block, name, env, file)
	if env == "" && file == "" {
		c.add(block, "needs %s_env or %s_file", name, name)
	}
}
