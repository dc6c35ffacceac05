package config

import (
	"fmt"
	"os"
	"strings"
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

// Secrets are the webhook's: the present one and, if there is one, the
// previous. Getenv is os.Getenv outside of tests.
func (g GitHub) Secrets(getenv func(string) string) ([]Secret, error) {
	present, err := readSecret(getenv, "github.secret", g.SecretEnv, g.SecretFile)
	if err != nil {
		return nil, err
	}
	if g.PreviousSecretEnv == "" && g.PreviousSecretFile == "" {
		return []Secret{present}, nil
	}
	previous, err := readSecret(getenv, "github.previous_secret", g.PreviousSecretEnv, g.PreviousSecretFile)
	if err != nil {
		return nil, err
	}
	return []Secret{present, previous}, nil
}

// Token is the user's API token; empty if none is configured.
func (j Jenkins) Token(getenv func(string) string) (Secret, error) {
	if j.TokenEnv == "" && j.TokenFile == "" {
		return "", nil
	}
	return readSecret(getenv, "jenkins.token", j.TokenEnv, j.TokenFile)
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
