package remote_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/remote"
)

func TestAnUnknownHostKeyIsRefused(t *testing.T) {
	t.Parallel()
	for _, checking := range []string{"ask", "no", "off", "accept-new", "yes"} {
		t.Run(checking, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			s := startSSHD(t, "h1", c.authorized)
			c.configure(t, reaches(s, "StrictHostKeyChecking "+checking))
			e := c.refused(t, "h1", host.KindHostKey)
			assert.Contains(t, e.Message, c.known)
			assert.Contains(t, e.Message, fingerprint(t, s.hostKey))
			assert.Contains(t, e.Message, fmt.Sprintf("[127.0.0.1]:%d", s.port))
			assert.Contains(t, e.Hint, "ssh-keyscan")
			followed := checking == "ask" || checking == "yes"
			assert.Equal(t, !followed, strings.Contains(e.Message, "not followed"), e.Message)
			assert.Equal(t, checking != "yes", strings.Contains(e.Hint, "accept-new"), e.Hint)
			assert.Empty(t, read(t, c.known), "it is not remembered")
		})
	}
}

func TestStrictInSSHConfigHoldsAgainstAcceptNew(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.opts.HostKeys = remote.AcceptNew
	s := startSSHD(t, "h1", c.authorized)
	c.configure(t, reaches(s, "StrictHostKeyChecking yes"))
	c.refused(t, "h1", host.KindHostKey)
}

func TestAcceptNewRemembers(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"an empty file":              "",
		"a file without a last line": "other ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPQC9hUzmJo8ru39cw/5SLgLpnIlaYy1bWxTgaHFTRCp",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			s := startSSHD(t, "h1", c.authorized)
			c.configure(t, reaches(s))
			write(t, c.known, before)
			c.opts.HostKeys = remote.AcceptNew
			c.dial(t, "h1")
			lines := strings.Split(strings.TrimSpace(read(t, c.known)), "\n")
			assert.Equal(t, fmt.Sprintf("[127.0.0.1]:%d %s", s.port, s.publicKey(t)), lines[len(lines)-1])
			c.opts.HostKeys = remote.Strict
			c.dial(t, "h1")
		})
	}
}

func TestAcceptNewMakesTheDirectoryForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s := startSSHD(t, "h1", c.authorized)
	dir := filepath.Join(c.dir, "new", "ssh")
	c.configure(t, reaches(s, "UserKnownHostsFile "+dir+"/known_hosts", "HashKnownHosts yes"))
	c.opts.HostKeys = remote.AcceptNew
	c.dial(t, "h1")
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	text := read(t, dir+"/known_hosts")
	assert.True(t, strings.HasPrefix(text, "|1|"), "%q is not hashed", text)
	found, err := exec.Command("ssh-keygen", "-F", fmt.Sprintf("[127.0.0.1]:%d", s.port), "-f", dir+"/known_hosts").Output()
	require.NoError(t, err, "ssh-keygen does not find it")
	assert.Contains(t, string(found), s.publicKey(t))
	c.dial(t, "h1")
}

func TestAcceptNewAtOnceWritesOneLine(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s := startSSHD(t, "h1", c.authorized)
	c.configure(t, reaches(s))
	c.opts.HostKeys = remote.AcceptNew
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { c.dial(t, "h1") })
	}
	all.Wait()
	assert.Equal(t, 1, strings.Count(read(t, c.known), "\n"), read(t, c.known))
}

// Somebody else remembers another key between the first look and the lock.
func TestAcceptNewLooksAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s := startSSHD(t, "h1", c.authorized)
	c.configure(t, reaches(s))
	c.opts.HostKeys = remote.AcceptNew
	file, err := os.OpenFile(c.known, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, unix.Flock(int(file.Fd()), unix.LOCK_EX))
	info, err := file.Stat()
	require.NoError(t, err)
	waiting := regexp.MustCompile(fmt.Sprintf(`-> FLOCK .*:%d `, info.Sys().(*syscall.Stat_t).Ino))

	dialed := make(chan error, 1)
	go func() {
		_, err := c.try(t, "h1")
		dialed <- err
	}()
	require.Eventually(t, func() bool { return waiting.MatchString(read(t, "/proc/locks")) }, 20*time.Second, 5*time.Millisecond)
	other := filepath.Join(c.dir, "other")
	keygen(t, "-t", "ed25519", "-N", "", "-f", other)
	known := fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, publicKey(t, other))
	write(t, c.known, known)
	require.NoError(t, unix.Flock(int(file.Fd()), unix.LOCK_UN))
	e := hosttest.RequireKind(t, <-dialed, host.KindHostKey)
	assert.Contains(t, e.Message, "changed")
	assert.Equal(t, known, read(t, c.known))
}

func TestAcceptNewThatCannotRememberFails(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s := startSSHD(t, "h1", c.authorized)
	write(t, filepath.Join(c.dir, "file"), "")
	c.configure(t, reaches(s, "UserKnownHostsFile "+filepath.Join(c.dir, "file", "known_hosts")))
	c.opts.HostKeys = remote.AcceptNew
	_, err := c.try(t, "h1")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "file")
}

func TestAChangedHostKeyIsNeverAccepted(t *testing.T) {
	t.Parallel()
	for _, policy := range []remote.HostKeyPolicy{remote.Strict, remote.AcceptNew} {
		for _, kind := range []string{"ed25519", "ecdsa"} {
			t.Run(string(policy)+"/"+kind, func(t *testing.T) {
				t.Parallel()
				c := newClient(t)
				s := startSSHD(t, "h1", c.authorized)
				c.configure(t, reaches(s, "StrictHostKeyChecking no"))
				old := filepath.Join(c.dir, "old")
				keygen(t, "-t", kind, "-N", "", "-f", old)
				before := fmt.Sprintf("# servers\n[127.0.0.1]:%d %s\n", s.port, publicKey(t, old))
				write(t, c.known, before)
				c.opts.HostKeys = policy
				e := c.refused(t, "h1", host.KindHostKey)
				assert.Contains(t, e.Message, "changed")
				assert.Contains(t, e.Message, c.known+" line 2")
				assert.Contains(t, e.Message, fingerprint(t, old))
				assert.Contains(t, e.Message, fingerprint(t, s.hostKey))
				assert.Contains(t, e.Hint, fmt.Sprintf("ssh-keygen -R '[127.0.0.1]:%d' -f '%s'", s.port, c.known))
				assert.Equal(t, before, read(t, c.known))
			})
		}
	}
}

func TestARevokedHostKeyIsRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s := c.serve(t, "h1")
	write(t, c.known, read(t, c.known)+"@revoked * "+s.publicKey(t)+"\n")
	e := c.refused(t, "h1", host.KindHostKey)
	assert.Contains(t, e.Message, "revoked")
	assert.Contains(t, e.Message, c.known+" line 2")
	assert.Contains(t, e.Message, fingerprint(t, s.hostKey))
}

func TestKnownHostsAsPeopleHaveThem(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]func(t *testing.T, c *client, s *sshd) string{
		"hashed": func(t *testing.T, c *client, s *sshd) string {
			write(t, c.known, fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, s.publicKey(t)))
			keygen(t, "-H", "-f", c.known)
			return read(t, c.known)
		},
		"a pattern": func(t *testing.T, _ *client, s *sshd) string {
			return fmt.Sprintf("[127.0.0.*]:%d %s\n", s.port, s.publicKey(t))
		},
		"several names, comments and a trailing comment": func(t *testing.T, _ *client, s *sshd) string {
			return fmt.Sprintf("# a comment\n\nh1,[127.0.0.1]:%d %s me@laptop\n", s.port, s.publicKey(t))
		},
		"beside a key of another type": func(t *testing.T, c *client, s *sshd) string {
			other := filepath.Join(c.dir, "other")
			keygen(t, "-t", "ecdsa", "-N", "", "-f", other)
			return fmt.Sprintf("[127.0.0.1]:%d %s\n[127.0.0.1]:%[1]d %[3]s\n", s.port, publicKey(t, other), s.publicKey(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			s := c.serve(t, "h1")
			write(t, c.known, line(t, c, s))
			look(t, c.dial(t, "h1"))
		})
	}
}

func TestTheKnownTypeOfKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rsa", "ecdsa"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			second := filepath.Join(c.dir, "host_"+kind)
			keygen(t, "-t", kind, "-N", "", "-f", second)
			s := startSSHD(t, "h1", c.authorized, "HostKey "+second)
			c.configure(t, reaches(s))
			write(t, c.known, fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, publicKey(t, second)))
			c.dial(t, "h1")
		})
	}
}

func TestHostKeyAliasIsTheNameInKnownHosts(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s := startSSHD(t, "h1", c.authorized)
	c.configure(t, reaches(s, "HostKeyAlias front"))
	write(t, c.known, "front "+s.publicKey(t)+"\n")
	c.dial(t, "h1")
}

// signedServer has a certificate from an authority for the given names. The
// authority's key is of another type than the server's.
func signedServer(t *testing.T, c *client, names string, more ...string) (s *sshd, authority string) {
	t.Helper()
	authority = filepath.Join(c.dir, "host_ca")
	keygen(t, "-t", "ecdsa", "-N", "", "-f", authority)
	key := filepath.Join(c.dir, "signed")
	keygen(t, "-t", "ed25519", "-N", "", "-f", key)
	keygen(t, append([]string{"-s", authority, "-I", "server one", "-h", "-n", names}, append(more, key+".pub")...)...)
	s = startSSHD(t, "h1", c.authorized, "HostKey "+key, "HostCertificate "+key+"-cert.pub")
	c.configure(t, reaches(s))
	return s, authority
}

func TestAnAuthoritysCertificateIsTrusted(t *testing.T) {
	t.Parallel()
	for name, pattern := range map[string]string{"for all": "*", "for one": "[127.0.0.1]:%d"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			s, authority := signedServer(t, c, "127.0.0.1")
			write(t, c.known, "@cert-authority "+strings.ReplaceAll(pattern, "%d", fmt.Sprint(s.port))+" "+publicKey(t, authority)+"\n")
			c.dial(t, "h1")
		})
	}
}

func TestAnAuthorityForAllDoesNotMakeAHostKnown(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	authority := filepath.Join(c.dir, "host_ca")
	keygen(t, "-t", "ed25519", "-N", "", "-f", authority)
	s := startSSHD(t, "h1", c.authorized)
	c.configure(t, reaches(s))
	known := "@cert-authority * " + publicKey(t, authority) + "\n"
	write(t, c.known, known)
	assert.Contains(t, c.refused(t, "h1", host.KindHostKey).Message, "not known")

	c.opts.HostKeys = remote.AcceptNew
	c.dial(t, "h1")
	assert.Equal(t, fmt.Sprintf("%s[127.0.0.1]:%d %s\n", known, s.port, s.publicKey(t)), read(t, c.known))

	other := filepath.Join(c.dir, "other")
	keygen(t, "-t", "ed25519", "-N", "", "-f", other)
	write(t, c.known, known+fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, publicKey(t, other)))
	e := c.refused(t, "h1", host.KindHostKey)
	assert.Contains(t, e.Message, "changed")
	assert.Contains(t, e.Message, fingerprint(t, other))
	assert.NotContains(t, e.Message, fingerprint(t, authority))
}

func TestAKnownHostWithACertificateOfAnotherAuthority(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s, _ := signedServer(t, c, "127.0.0.1")
	signed := filepath.Join(c.dir, "signed")
	mine := filepath.Join(c.dir, "my_ca")
	keygen(t, "-t", "ed25519", "-N", "", "-f", mine)
	authority := "@cert-authority * " + publicKey(t, mine) + "\n"
	write(t, c.known, authority)
	assert.Contains(t, c.refused(t, "h1", host.KindHostKey).Message, "no authorities")
	write(t, c.known, authority+fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, publicKey(t, signed)))
	c.dial(t, "h1")
}

func TestACertificateThatDoesNotHoldIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		names   string
		more    []string
		revoked bool
		says    string
	}{
		"for another host":    {names: "elsewhere", says: "127.0.0.1"},
		"expired":             {names: "127.0.0.1", more: []string{"-V", "20200101:20200201"}, says: "expired"},
		"a revoked authority": {names: "127.0.0.1", revoked: true, says: "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			c.opts.HostKeys = remote.AcceptNew
			_, authority := signedServer(t, c, test.names, test.more...)
			known := "@cert-authority * " + publicKey(t, authority) + "\n"
			if test.revoked {
				known += "@revoked * " + publicKey(t, authority) + "\n"
			}
			write(t, c.known, known)
			e := c.refused(t, "h1", host.KindHostKey)
			assert.Contains(t, e.Message, test.says)
			assert.Contains(t, e.Message, fingerprint(t, authority))
			assert.Equal(t, known, read(t, c.known))
		})
	}
}

// Many connections share what was read of the files, until these change.
func TestAChangeOfKnownHostsIsSeen(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	known := read(t, c.known)
	c.dial(t, "h1")
	write(t, c.known, "# "+known[2:])
	c.refused(t, "h1", host.KindHostKey)
	write(t, c.known, known)
	c.dial(t, "h1")
	require.NoError(t, os.Remove(c.known))
	c.refused(t, "h1", host.KindHostKey)
	write(t, c.known+".new", known)
	require.NoError(t, os.Rename(c.known+".new", c.known))
	c.dial(t, "h1")
}

func TestAKnownHostsFileThatCannotBeReadIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	write(t, c.known, read(t, c.known)+"h2 ssh-ed25519 !!!\n")
	e := c.refused(t, "h1", host.KindHostKey)
	assert.Contains(t, e.Message, c.known+":2")
}
