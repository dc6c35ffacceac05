package remote

import (
	"bufio"
	"context"
	"strings"
	"time"

	"deliver/inventory"
)

// What the fuzz tests and tables of this package's parsers look at.

// SplitPaths is splitPaths.
func SplitPaths(list string) []string { return splitPaths(list) }

// ParseJump is parseJump.
func ParseJump(hop string) (inventory.Host, error) { return parseJump(hop) }

// Seconds is seconds.
func Seconds(s string) time.Duration { return seconds(s) }

// Scripts are the scripts of a first session for a root and a helper.
func Scripts(root string, b Binary) (commands []string, err error) {
	for _, s := range []script{b.trying(), b.proving()} {
		command, err := s.command(root, b)
		if err != nil {
			return nil, err
		}
		commands = append(commands, command)
	}
	return commands, nil
}

// Quote is quote.
func Quote(s string) string { return quote(s) }

// System is how a server's `uname -sm` is read.
func System(sysname, machine string) (string, string) { return goos(sysname), goarch(machine) }

// Expand expands the tokens of a path for a host.
func Expand(path, name, hostName, user string, port int) (string, error) {
	t, err := newTokens(&settings{name: name, host: hostName, user: user, port: port})
	if err != nil {
		return "", err
	}
	return t.path(path), t.err
}

// Settings are what `ssh -G` printed, as far as the tests look.
type Settings struct {
	Host, User, ProxyCommand   string
	Port                       int
	Jumps, Identities, KnownBy []string
}

// ReadSettings reads the output of `ssh -G`.
func ReadSettings(out string) (Settings, error) {
	s, err := newSettings(inventory.Host{Name: "h1"}, parseSSH(out))
	if err != nil {
		return Settings{}, err
	}
	return Settings{s.host, s.user, s.proxyCommand, s.port, s.jumps, s.identities, s.userKnownHosts}, nil
}

// ReadConfigFile reads a ssh_config without ssh(1).
func ReadConfigFile(file, name string) (Settings, error) {
	h := inventory.Host{Name: name}
	v, err := readConfigFiles(context.Background(), h, file)
	if err != nil {
		return Settings{}, err
	}
	s, err := newSettings(h, v)
	if err != nil {
		return Settings{}, err
	}
	return Settings{s.host, s.user, s.proxyCommand, s.port, s.jumps, s.identities, s.userKnownHosts}, nil
}

// Greeted reads a greeting out of what a login printed.
func Greeted(printed string) (state string, words []string, err error) {
	s := &session{out: bufio.NewReader(strings.NewReader(printed))}
	g, _, err := greeted(context.Background(), s)
	return g.state, g.words, err
}

// Tail is what is kept of the pieces written.
func Tail(pieces ...string) string {
	var t tail
	for _, piece := range pieces {
		_, _ = t.Write([]byte(piece))
	}
	return t.String()
}
