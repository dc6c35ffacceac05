package remote

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"deliver/host"
	"deliver/inventory"
)

// settings is what ssh_config, HOSTS and the options say of one host.
type settings struct {
	name string // as HOSTS or ProxyJump write it; errors start with it
	host string // HostName
	user string
	port int

	identities     []string
	identitiesOnly bool
	certificates   []string
	agent          string // socket; empty: none

	userKnownHosts   []string
	globalKnownHosts []string
	hashKnownHosts   bool
	hostKeyAlias     string
	checking         string // StrictHostKeyChecking

	jumps          []string
	proxyCommand   string
	connectTimeout time.Duration
	aliveInterval  time.Duration // ServerAliveInterval; 0: nothing is said
	aliveCount     int           // ServerAliveCountMax
}

func (s *settings) address() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// values are ssh_config's keywords, in lower case, with what was said of each.
type values map[string][]string

func (v values) first(key string) string {
	if len(v[key]) == 0 || v[key][0] == "none" {
		return ""
	}
	return v[key][0]
}

func (v values) yes(key string) bool { return v.first(key) == "yes" || v.first(key) == "true" }

// resolve asks ssh(1) itself what ssh_config says, which knows Match, Include
// and canonical names; without ssh the files are read here.
func resolve(ctx context.Context, h inventory.Host, configFile string) (*settings, error) {
	if h.Name == "" || strings.HasPrefix(h.Name, "-") || strings.ContainsAny(h.Name, " \t\r\n\x00/") || strings.HasPrefix(h.User, "-") {
		return nil, &host.Error{Kind: host.KindFailed, Message: fmt.Sprintf("%q: not a host's name", h.String())}
	}
	ask := readConfigFiles
	if _, err := exec.LookPath("ssh"); err == nil {
		ask = askSSH
	}
	v, err := ask(ctx, h, configFile)
	if err != nil {
		return nil, &host.Error{Kind: host.KindFailed, Message: fmt.Sprintf("%s: read ssh_config: %v", h.Name, err), Hint: "see `ssh -G " + h.Name + "`"}
	}
	s, err := newSettings(h, v)
	if err != nil {
		return nil, &host.Error{Kind: host.KindFailed, Message: fmt.Sprintf("%s: ssh_config: %v", h.Name, err)}
	}
	return s, nil
}

func newSettings(h inventory.Host, v values) (*settings, error) {
	s := &settings{
		name:           h.Name,
		host:           v.first("hostname"),
		user:           v.first("user"),
		identitiesOnly: v.yes("identitiesonly"),
		hashKnownHosts: v.yes("hashknownhosts"),
		hostKeyAlias:   v.first("hostkeyalias"),
		checking:       v.first("stricthostkeychecking"),
		connectTimeout: seconds(v.first("connecttimeout")),
		aliveInterval:  seconds(v.first("serveraliveinterval")),
	}
	var err error
	if count := v.first("serveralivecountmax"); count != "" {
		if s.aliveCount, err = strconv.Atoi(count); err != nil {
			return nil, fmt.Errorf("ServerAliveCountMax %q: want a number", count)
		}
	}
	if s.port, err = strconv.Atoi(v.first("port")); err != nil || s.port < 1 || s.port > 65535 {
		return nil, fmt.Errorf("port %q: want 1 to 65535", v.first("port"))
	}
	if jumps := v.first("proxyjump"); jumps != "" {
		s.jumps = strings.Split(jumps, ",")
	}
	return s, s.expandAll(v)
}

// expandAll sets what may hold tokens; they need the rest of the settings.
func (s *settings) expandAll(v values) error {
	t, err := newTokens(s)
	if err != nil {
		return err
	}
	s.identities = t.paths(v["identityfile"])
	s.certificates = t.paths(v["certificatefile"])
	s.userKnownHosts = t.paths(splitPaths(v.first("userknownhostsfile")))
	s.globalKnownHosts = t.paths(splitPaths(v.first("globalknownhostsfile")))
	s.proxyCommand = t.expand(v.first("proxycommand"))
	s.agent = t.agent(v["identityagent"])
	return t.err
}

// seconds reads ConnectTimeout and ServerAliveInterval, each of which is a number of seconds or a time such as 1m30s.
func seconds(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(n) * time.Second
	}
	d, _ := time.ParseDuration(strings.ToLower(s))
	return d
}

// splitPaths splits a list of absolute paths, quoted or as `ssh -G` prints
// them: bare, also when there is a space in one.
func splitPaths(list string) []string {
	var paths []string
	for rest := strings.TrimSpace(list); rest != ""; rest = strings.TrimSpace(rest) {
		var path string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			path, rest, _ = strings.Cut(quoted, `"`)
		} else {
			end := pathEnd(rest)
			path, rest = rest[:end], rest[end:]
		}
		paths = append(paths, strings.TrimSpace(path))
	}
	return paths
}

// pathEnd is where the next path starts: after a space, with / or ~ or a quote.
func pathEnd(s string) int {
	for i := 1; i < len(s)-1; i++ {
		if s[i] == ' ' && strings.ContainsRune(`/~"%$`, rune(s[i+1])) {
			return i
		}
	}
	return len(s)
}

// parseJump reads one hop of ProxyJump: [user@]host[:port], also as a ssh:// URI.
func parseJump(hop string) (inventory.Host, error) {
	hosts, err := inventory.ParseHosts(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(hop), "ssh://"), "/"))
	if err != nil {
		return inventory.Host{}, fmt.Errorf("jump host %q: %w", hop, err)
	}
	if len(hosts) != 1 {
		return inventory.Host{}, fmt.Errorf("jump host %q: want [user@]host[:port]", hop)
	}
	return hosts[0], nil
}
