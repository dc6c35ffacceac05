package remote

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// tokens expands what ssh_config's values may hold: a leading ~, ${NAME} and
// the TOKENS of ssh_config(5). It remembers its first error.
type tokens struct {
	home  string
	table map[byte]string
	err   error
}

func newTokens(s *settings) (*tokens, error) {
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("find out who runs this: %w", err)
	}
	local, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find out this machine's name: %w", err)
	}
	short, _, _ := strings.Cut(local, ".")
	return &tokens{home: me.HomeDir, table: map[byte]string{
		'%': "%", 'd': me.HomeDir, 'h': s.host, 'i': me.Uid, 'k': cmp.Or(s.hostKeyAlias, s.name), 'L': short, 'l': local,
		'n': s.name, 'p': strconv.Itoa(s.port), 'r': s.user, 'u': me.Username,
	}}, nil
}

func (t *tokens) paths(raw []string) []string {
	var paths []string
	for _, path := range raw {
		if path != "none" {
			paths = append(paths, t.path(path))
		}
	}
	return paths
}

func (t *tokens) path(raw string) string {
	path := strings.Trim(raw, `"`)
	if path == "~" || strings.HasPrefix(path, "~/") {
		path = filepath.Join(t.home, path[1:])
	}
	return t.expand(t.environment(path))
}

// environment replaces ${NAME}.
func (t *tokens) environment(s string) string {
	var out strings.Builder
	for {
		before, rest, _ := strings.Cut(s, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(before)
		value, set := os.LookupEnv(name)
		if !set {
			t.fail(fmt.Errorf("%s is used and not set in the environment", name))
		}
		out.WriteString(value)
		s = after
	}
}

// expand replaces %h and its like.
func (t *tokens) expand(s string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "%")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if rest == "" {
			t.fail(fmt.Errorf("%q ends in a lone %%", s))
			return out.String()
		}
		value, known := t.table[rest[0]]
		if !known {
			t.fail(fmt.Errorf("%%%c is not known here", rest[0]))
		}
		out.WriteString(value)
		s = rest[1:]
	}
}

// agent is the socket that IdentityAgent names, else the environment's.
func (t *tokens) agent(raw []string) string {
	if len(raw) == 0 || raw[0] == "SSH_AUTH_SOCK" {
		return os.Getenv("SSH_AUTH_SOCK")
	}
	if raw[0] == "none" {
		return ""
	}
	if name, ok := strings.CutPrefix(raw[0], "$"); ok && !strings.HasPrefix(name, "{") {
		return os.Getenv(name)
	}
	return t.path(raw[0])
}

func (t *tokens) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}
