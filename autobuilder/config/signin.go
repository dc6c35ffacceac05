package config

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// SignIn says how people sign in to the page. Tokens always do.
type SignIn struct {
	Private bool          `yaml:"private"` // who has not signed in sees nothing
	Session time.Duration `yaml:"session"` // how long a browser stays signed in; default: 12h
	GitHub  GitHubSignIn  `yaml:"github"`
	Proxy   ProxySignIn   `yaml:"proxy"`
}

// GitHubSignIn is an OAuth app of GitHub's, and whom of its people are ours.
type GitHubSignIn struct {
	ClientID         string   `yaml:"client_id"`
	ClientSecretEnv  string   `yaml:"client_secret_env"`
	ClientSecretFile string   `yaml:"client_secret_file"`
	Users            []string `yaml:"users"`        // who may act
	Organization     string   `yaml:"organization"` // whose members may act
	URL              string   `yaml:"url"`          // default: from github.api
}

// ProxySignIn is a reverse proxy that has people sign in.
type ProxySignIn struct {
	Header string   `yaml:"header"` // in which it says who they are
	From   []string `yaml:"from"`   // its addresses or networks; the header of others means nothing
}

const publicAPI = "https://api.github.com"

func (s *SignIn) defaults(api string) {
	setDefault(&s.Session, 12*time.Hour)
	if s.GitHub.ClientID == "" {
		return
	}
	address := "https://github.com"
	if api != publicAPI {
		address = strings.TrimSuffix(strings.TrimSuffix(api, "/"), "/api/v3")
	}
	setDefault(&s.GitHub.URL, address)
}

// Secret is the OAuth app's client secret; empty if none is configured.
func (g GitHubSignIn) Secret(getenv func(string) string) (Secret, error) {
	if g.ClientSecretEnv == "" && g.ClientSecretFile == "" {
		return "", nil
	}
	return readSecret(getenv, "sign_in.github.client_secret", g.ClientSecretEnv, g.ClientSecretFile)
}

// Networks are the addresses of From.
func (p ProxySignIn) Networks() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range p.From {
		if address, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		all = append(all, network.Masked())
	}
	return all, nil
}

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

func (c *checker) signIn(s SignIn) {
	c.positive("sign_in.session", s.Session)
	c.githubSignIn(s.GitHub)
	p := s.Proxy
	if p.Header != "" && (!headerName.MatchString(p.Header) || http.CanonicalHeaderKey(p.Header) == "Authorization") {
		c.add("sign_in.proxy.header", "%q is no name of a header that a proxy can set", p.Header)
	}
	if (p.Header == "") != (len(p.From) == 0) {
		c.add("sign_in.proxy", "needs both header and from: anybody can send a header")
	}
	if _, err := p.Networks(); err != nil {
		c.add("sign_in.proxy.from", "%s (write 10.0.0.7 or 10.0.0.0/24)", err)
	}
}

func (c *checker) githubSignIn(g GitHubSignIn) {
	secret := g.ClientSecretEnv != "" || g.ClientSecretFile != ""
	c.oneOf("sign_in.github", "client_secret", g.ClientSecretEnv, g.ClientSecretFile)
	if g.ClientID == "" {
		if secret || len(g.Users) > 0 || g.Organization != "" || g.URL != "" {
			c.add("sign_in.github", "needs client_id: that of an OAuth app")
		}
		return
	}
	c.web("sign_in.github.url", g.URL)
	if !secret {
		c.add("sign_in.github", "client_secret_env or client_secret_file must say where the app's secret is")
	}
	if len(g.Users) == 0 && g.Organization == "" {
		c.add("sign_in.github", "needs users or organization: else everybody on GitHub may act")
	}
}
