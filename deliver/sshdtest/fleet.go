// Package sshdtest starts real servers for tests: each an OpenSSH server on
// the loopback with a home directory and a runit of its own.
package sshdtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fleet is servers that one user may log in to, and that user's home with all
// that ssh needs: a key, known_hosts, and a config that knows the names.
type Fleet struct {
	Home    string
	Servers []*Server
	key     string
}

// Start starts a server for each name, all of which end with the test. What
// the machine lacks skips the test, or fails it where nothing may be skipped.
func Start(t testing.TB, names ...string) *Fleet {
	t.Helper()
	f := &Fleet{Home: t.TempDir()}
	ssh := filepath.Join(f.Home, ".ssh")
	require.NoError(t, os.Mkdir(ssh, 0o700))
	f.key = filepath.Join(ssh, "id_ed25519")
	keygen(t, f.key)
	for _, name := range names {
		f.Servers = append(f.Servers, startServer(t, name, f.key+".pub"))
	}
	f.writeConfig(t)
	f.Trust(t)
	return f
}

// Names are the names of the servers, as HOSTS has them.
func (f *Fleet) Names() string {
	var names []string
	for _, s := range f.Servers {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

// Server is the server of this name.
func (f *Fleet) Server(t testing.TB, name string) *Server {
	t.Helper()
	for _, s := range f.Servers {
		if s.Name == name {
			return s
		}
	}
	require.FailNow(t, "no server "+name)
	return nil
}

// Trust writes the keys of all servers to known_hosts.
func (f *Fleet) Trust(t testing.TB) {
	t.Helper()
	var known strings.Builder
	for _, s := range f.Servers {
		fmt.Fprintf(&known, "%s %s\n", s.Name, s.PublicKey(t))
	}
	require.NoError(t, os.WriteFile(f.KnownHosts(), []byte(known.String()), 0o600))
}

// KnownHosts is the user's known_hosts.
func (f *Fleet) KnownHosts() string { return filepath.Join(f.Home, ".ssh", "known_hosts") }

// Config is the user's ssh_config, for SSH_CONFIG or ssh -F: $HOME does not
// lead ssh to it.
func (f *Fleet) Config() string { return filepath.Join(f.Home, ".ssh", "config") }

func (f *Fleet) writeConfig(t testing.TB) {
	t.Helper()
	me, err := user.Current()
	require.NoError(t, err)
	var config strings.Builder
	for _, s := range f.Servers {
		fmt.Fprintf(&config, "Host %s\n  HostName 127.0.0.1\n  Port %d\n  HostKeyAlias %s\n  User %s\n", s.Name, s.Port, s.Name, me.Username)
	}
	fmt.Fprintf(&config, "Host *\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n", f.key, f.KnownHosts())
	require.NoError(t, os.WriteFile(f.Config(), []byte(config.String()), 0o600))
}

func keygen(t testing.TB, path string) {
	t.Helper()
	out, err := exec.Command(Need(t, "ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput()
	require.NoError(t, err, string(out))
}

// Need finds a program. A test on a machine without it is skipped, or fails
// where nothing may be skipped.
func Need(t testing.TB, program, pkg string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return path
		}
	}
	NeedThat(t, false, fmt.Sprintf("%s (package %s)", program, pkg))
	return ""
}

// NeedThat is Need for anything else that may not be there.
func NeedThat(t testing.TB, there bool, reason string) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1":
		t.Fatal("needs " + reason)
	default:
		t.Skip("needs " + reason)
	}
}
