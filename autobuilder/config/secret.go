package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"autobuilder/build"
)

// Secret is a value that no log, error or page shows.
type Secret string

const redacted = "[secret]"

// String hides the value.
func (s Secret) String() string { return redacted }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return redacted }

// MarshalText hides the value from JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal is the value itself.
func (s Secret) Reveal() string { return string(s) }

// Key is a webhook's secret, and the repository whose deliveries it signs.
type Key struct {
	Secret Secret
	Repo   string // empty: of every repository that has no key of its own
}

// Keys are the secrets of all webhooks, present and previous. Getenv is
// os.Getenv outside of tests.
func (c *Config) Keys(getenv func(string) string) ([]Key, error) {
	keys, err := readKeys(getenv, "github", c.GitHub.Secret, "")
	for _, p := range c.Projects {
		own, ownErr := readKeys(getenv, "projects."+p.Name, p.Secret, p.Repo)
		keys, err = append(keys, own...), errors.Join(err, ownErr)
	}
	if err != nil {
		return nil, err
	}
	return keys, nil
}

func readKeys(getenv func(string) string, block string, s build.SecretSource, repo string) ([]Key, error) {
	if !s.Given() {
		return nil, nil
	}
	present, err := readSecret(getenv, block+".secret", s.SecretEnv, s.SecretFile)
	if err != nil {
		return nil, err
	}
	if s.PreviousSecretEnv == "" && s.PreviousSecretFile == "" {
		return []Key{{present, repo}}, nil
	}
	previous, err := readSecret(getenv, block+".previous_secret", s.PreviousSecretEnv, s.PreviousSecretFile)
	if err != nil {
		return nil, err
	}
	return []Key{{present, repo}, {previous, repo}}, nil
}

// Token is what GitHub's API is asked with; empty if none is configured.
func (g GitHub) Token(getenv func(string) string) (Secret, error) {
	if g.TokenEnv == "" && g.TokenFile == "" {
		return "", nil
	}
	return readSecret(getenv, "github.token", g.TokenEnv, g.TokenFile)
}

// Token is the user's API token; empty if none is configured.
func (j Jenkins) Token(getenv func(string) string) (Secret, error) {
	if j.TokenEnv == "" && j.TokenFile == "" {
		return "", nil
	}
	return readSecret(getenv, "jenkins.token", j.TokenEnv, j.TokenFile)
}

// Reveal reads the token.
func (t Token) Reveal(getenv func(string) string) (Secret, error) {
	return readSecret(getenv, "tokens."+t.Name, t.TokenEnv, t.TokenFile)
}

func readSecret(getenv func(string) string, what, env, file string) (Secret, error) {
	value, from := getenv(env), "environment variable "+env
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", what, err)
		}
		value, from = strings.TrimRight(string(text), "\r\n"), "file "+file
	}
	if value == "" {
		return "", fmt.Errorf("read %s: the %s is empty", what, from)
	}
	return Secret(value), nil
}
