package remote_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/inventory"
	"deliver/remote"
)

func TestThroughTwoJumpHosts(t *testing.T) {
	t.Parallel()
	for name, jumps := range map[string]struct{ target, second string }{
		"named together": {"ProxyJump first,second", ""},
		"each by itself": {"ProxyJump second", "ProxyJump first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			first, second, target := startSSHD(t, "first", c.authorized), startSSHD(t, "second", c.authorized), startSSHD(t, "h1", c.authorized)
			for _, s := range []*sshd{first, second, target} {
				c.know(t, s)
			}
			c.configure(t, reaches(first), reaches(second, jumps.second), reaches(target, jumps.target))
			s := c.dial(t, "h1")
			look(t, s)
			for _, s := range []*sshd{first, second, target} {
				assert.Equal(t, 1, s.logged(t, "Accepted publickey"), s.name)
			}
			require.NoError(t, s.Close())
			for _, s := range []*sshd{first, second, target} {
				require.Eventually(t, func() bool { return len(descendants(s.pid)) == 0 }, 10*time.Second, 10*time.Millisecond, s.name)
			}
		})
	}
}

func TestAJumpHostIsCheckedAsAnyOther(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind  host.Kind
		spoil func(t *testing.T, c *client, jump *sshd) (lines string)
	}{
		"an unknown key": {host.KindHostKey, func(t *testing.T, c *client, jump *sshd) string {
			write(t, c.known, strings.ReplaceAll(read(t, c.known), jump.publicKey(t), strings.Repeat("#", 3)))
			write(t, c.known, "")
			return ""
		}},
		"no login": {host.KindAuth, func(_ *testing.T, c *client, _ *sshd) string {
			return "IdentitiesOnly yes\n  IdentityFile " + filepath.Join(c.dir, "id_none")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			jump, target := startSSHD(t, "jump", c.authorized), startSSHD(t, "h1", c.authorized)
			c.know(t, jump)
			c.know(t, target)
			lines := test.spoil(t, c, jump)
			if test.kind == host.KindAuth {
				write(t, c.authorized, "")
			}
			c.configure(t, reaches(jump, lines), reaches(target, "ProxyJump jump"))
			assert.Contains(t, c.refused(t, "h1", test.kind).Message, "h1: jump host jump: ")
		})
	}
}

func TestAcceptNewRemembersJumpHostsToo(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	jump, target := startSSHD(t, "jump", c.authorized), startSSHD(t, "h1", c.authorized)
	c.configure(t, reaches(jump), reaches(target, "ProxyJump jump"))
	c.opts.HostKeys = remote.AcceptNew
	c.dial(t, "h1")
	for _, s := range []*sshd{jump, target} {
		assert.Contains(t, read(t, c.known), fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, s.publicKey(t)))
	}
	c.opts.HostKeys = remote.Strict
	c.dial(t, "h1")
}

func TestTheUserOfAServerIsNotThatOfItsJumpHost(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	jump, target := startSSHD(t, "jump", c.authorized), startSSHD(t, "h1", c.authorized)
	c.know(t, jump)
	c.know(t, target)
	c.configure(t, reaches(jump), reaches(target, "ProxyJump jump"))
	c.opts.User = "carol"
	assert.Contains(t, c.refused(t, "h1", host.KindAuth).Message, "h1: login as carol refused")
	assert.Equal(t, 1, jump.logged(t, "Accepted publickey for "+me(t)))
}

func TestBehindAJumpHost(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	jump := startSSHD(t, "jump", c.authorized)
	c.know(t, jump)
	target := &sshd{name: "h1", port: freePort(t)}
	c.configure(t, reaches(jump), reaches(target, "ProxyJump jump"))
	e := c.refused(t, "h1", host.KindUnreachable)
	assert.Contains(t, e.Message, "through jump")
	assert.Contains(t, e.Message, "Connection refused")
}

func TestJumpHostsThatLeadToEachOther(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.configure(t, "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
	assert.Contains(t, c.refused(t, "a", host.KindUnreachable).Message, "ProxyJump")
}

func TestATunnelWhoseJumpHostStopsAnswering(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	jump, target := startSSHD(t, "jump", c.authorized), startSSHD(t, "h1", c.authorized)
	c.know(t, jump)
	c.know(t, target)
	c.configure(t, reaches(jump), reaches(target, "ProxyJump jump"))
	c.opts.KeepAlive = time.Second
	s := c.dial(t, "h1")
	stopsInTheMiddle(t, s, jump)
	look(t, s)
	require.NoError(t, s.Close())
}

// proxied makes the test binary the ProxyCommand; it gives the file of its pid.
func proxied(t *testing.T, c *client) (line, pidFile string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	pidFile = filepath.Join(c.dir, "proxy.pid")
	return fmt.Sprintf("ProxyCommand %s proxy %s 127.0.0.1 %%p", self, pidFile), pidFile
}

func TestAProxyCommandEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := startSSHD(t, "h1", c.authorized)
	line, pidFile := proxied(t, c)
	c.configure(t, reaches(sshd, line))
	c.know(t, sshd)
	s := c.dial(t, "h1")
	look(t, s)
	pid, err := strconv.Atoi(read(t, pidFile))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0))
	require.NoError(t, s.Close())
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestAProxyCommandThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	line, pidFile := proxied(t, c)
	c.configure(t, "Host h1\n  Port "+portOf(deaf(t, "tcp", "127.0.0.1:0"))+"\n  "+line+"\n")
	c.opts.ConnectTimeout = 3 * time.Second
	e := c.refused(t, "h1", host.KindUnreachable)
	assert.Contains(t, e.Message, "no answer within 3s")
	pid, err := strconv.Atoi(read(t, pidFile))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, 10*time.Second, 10*time.Millisecond)
}

func TestWhoAndWhereComesFromHOSTSThenOptionsThenSSHConfig(t *testing.T) {
	// Not parallel: the second half hides ssh(1).
	for _, program := range []string{"with ssh", "without ssh"} {
		t.Run(program, func(t *testing.T) {
			c := newClient(t)
			sshd := c.serve(t, "h1")
			other := freePort(t)
			if program == "without ssh" {
				t.Setenv("PATH", t.TempDir())
			}
			for name, test := range map[string]struct {
				host   inventory.Host
				option string
				block  string
				says   string // of who is logged in, at which port; empty: it works
			}{
				"all from ssh_config": {inventory.Host{Name: "h1"}, "", "", ""},
				"ssh_config's user":   {inventory.Host{Name: "h1"}, "", "User carol", "login as carol"},
				"the option's user":   {inventory.Host{Name: "h1"}, "dave", "User carol", "login as dave"},
				"HOSTS' user":         {inventory.Host{Name: "h1", User: "erin"}, "dave", "User carol", "login as erin"},
				"HOSTS' port":         {inventory.Host{Name: "h1", Port: other}, "", "", fmt.Sprintf("127.0.0.1:%d", other)},
				"an included file":    {inventory.Host{Name: "h1"}, "", "Include " + included(t, "User frank"), "login as frank"},
			} {
				c.configure(t, reaches(sshd, test.block))
				c.opts.User = test.option
				s, err := remote.Dial(t.Context(), test.host, host.Place{App: "shop", Root: t.TempDir()}, c.opts)
				if test.says == "" {
					require.NoError(t, err, name)
					require.NoError(t, s.Close())
					continue
				}
				require.ErrorContains(t, err, test.says, name)
			}
		})
	}
}

func included(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "included")
	write(t, path, text+"\n")
	return path
}

func TestSSHConfigIsReadAsSSHDoes(t *testing.T) {
	t.Setenv("DELIVER_TEST_KEYS", "keys")
	for _, program := range []string{"with ssh", "without ssh"} {
		t.Run(program, func(t *testing.T) {
			c := newClient(t)
			dir := filepath.Join(c.dir, "keys", "of h1")
			require.NoError(t, os.MkdirAll(dir, 0o700))
			key := filepath.Join(dir, "id "+me(t))
			require.NoError(t, os.Rename(c.key, key))
			c.key = filepath.Join(c.dir, "gone")
			sshd := startSSHD(t, "h1", c.authorized)
			known := filepath.Join(dir, "known hosts")
			write(t, known, fmt.Sprintf("[127.0.0.1]:%d %s\n", sshd.port, sshd.publicKey(t)))
			c.configure(t, reaches(sshd,
				`IdentityFile "`+c.dir+`/${DELIVER_TEST_KEYS}/of %n/id %r"`,
				`UserKnownHostsFile "`+known+`"`))
			if program == "without ssh" {
				t.Setenv("PATH", t.TempDir())
			}
			c.dial(t, "h1")
		})
	}
}

func TestAnSSHConfigWithAMistakeIsNamedWithItsLine(t *testing.T) {
	for _, program := range []string{"with ssh", "without ssh"} {
		t.Run(program, func(t *testing.T) {
			c := newClient(t)
			write(t, c.config, "Host h1\n  Include /nowhere-at-all\nMatch exec\n")
			if program == "without ssh" {
				t.Setenv("PATH", t.TempDir())
			}
			e := c.refused(t, "h1", host.KindFailed)
			assert.Contains(t, e.Message, c.config)
			assert.Contains(t, e.Message, "3")
		})
	}
}

func TestMatchExecIsKnown(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sshd := c.serve(t, "h1")
	c.configure(t, fmt.Sprintf("Match host h1 exec true\n  HostName 127.0.0.1\n  Port %d\n", sshd.port))
	c.dial(t, "h1")
}

func TestWhatIsNoHostsNameIsRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, name := range []string{"", "-oProxyCommand=touch pwned", "a b", "a\nb"} {
		_, err := remote.Dial(t.Context(), inventory.Host{Name: name}, host.Place{Root: "/srv/shop"}, c.opts)
		require.ErrorContains(t, err, "not a host's name")
	}
}

func TestOptionsThatAreNone(t *testing.T) {
	t.Parallel()
	for says, opts := range map[string]remote.Options{
		`host key policy "no"`: {HostKeys: "no"},
		"connect timeout -1s":  {ConnectTimeout: -time.Second},
		"keep-alive":           {KeepAlive: -time.Second},
	} {
		_, err := remote.Dial(t.Context(), inventory.Host{Name: "h1"}, host.Place{}, opts)
		require.ErrorContains(t, err, says)
	}
}
