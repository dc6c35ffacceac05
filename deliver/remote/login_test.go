package remote_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
)

// identity makes a key that the servers let in, and makes it the only one in ssh_config.
func (c *client) identity(t *testing.T, name string, args ...string) string {
	t.Helper()
	key := filepath.Join(c.dir, name)
	keygen(t, append(args, "-f", key)...)
	write(t, c.authorized, read(t, c.authorized)+read(t, key+".pub"))
	return key
}

// agent runs a real ssh-agent with the given keys.
func agent(t *testing.T, keys ...string) string {
	t.Helper()
	if _, err := exec.LookPath("ssh-agent"); err != nil {
		lacking(t, "ssh-agent (package openssh-client)")
	}
	dir, err := os.MkdirTemp("", "agent") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command("timeout", "15m", "ssh-agent", "-D", "-a", socket)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, 10*time.Second, 5*time.Millisecond)
	for _, key := range keys {
		add := exec.Command("ssh-add", "-q", key)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket, "SSH_ASKPASS_REQUIRE=force", "SSH_ASKPASS="+askpass(t))
		out, err := add.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return socket
}

const passphrase = "correct horse"

func askpass(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "askpass")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho '"+passphrase+"'\n"), 0o700))
	return path
}

func TestLoginWithEveryKindOfKey(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"ed25519": {"-t", "ed25519"}, "rsa": {"-t", "rsa", "-b", "2048"}, "rsa pem": {"-t", "rsa", "-b", "2048", "-m", "PEM"},
		"ecdsa256": {"-t", "ecdsa"}, "ecdsa521": {"-t", "ecdsa", "-b", "521"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			write(t, c.authorized, "")
			c.key = c.identity(t, strings.ReplaceAll(name, " ", ""), append(args, "-N", "")...)
			c.serve(t, "h1")
			c.dial(t, "h1")
		})
	}
}

func TestLoginWithACertificate(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]bool{"beside the key": true, "named by CertificateFile": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			authority := filepath.Join(c.dir, "user_ca")
			keygen(t, "-t", "ed25519", "-N", "", "-f", authority)
			keygen(t, "-s", authority, "-I", "deployer", "-n", me(t), c.key+".pub")
			certificate := c.key + "-cert.pub"
			s := startSSHD(t, "h1", "none", "TrustedUserCAKeys "+authority+".pub")
			c.know(t, s)
			c.configure(t, reaches(s))
			if !beside {
				require.NoError(t, os.Rename(certificate, filepath.Join(c.dir, "cert")))
				c.configure(t, reaches(s, "CertificateFile "+filepath.Join(c.dir, "cert")))
			}
			c.dial(t, "h1")
		})
	}
}

func TestACertificateThatNobodyTakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"expired":           {[]string{"-n", me(t), "-V", "20200101:20200201"}, "ED25519"},
		"for somebody else": {[]string{"-n", "carol"}, "(certificate)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			authority := filepath.Join(c.dir, "user_ca")
			keygen(t, "-t", "ed25519", "-N", "", "-f", authority)
			keygen(t, append([]string{"-s", authority, "-I", "deployer"}, append(test.args, c.key+".pub")...)...)
			s := startSSHD(t, "h1", "none", "TrustedUserCAKeys "+authority+".pub")
			c.know(t, s)
			c.configure(t, reaches(s))
			e := c.refused(t, "h1", host.KindAuth)
			assert.Contains(t, e.Message, test.says)
			assert.Contains(t, e.Message, c.key+"-cert.pub")
		})
	}
}

func TestACertificateWithoutItsKeyIsNamed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	authority := filepath.Join(c.dir, "user_ca")
	keygen(t, "-t", "ed25519", "-N", "", "-f", authority)
	other := filepath.Join(c.dir, "other")
	keygen(t, "-t", "ed25519", "-N", "", "-f", other)
	keygen(t, "-s", authority, "-I", "deployer", "-n", me(t), other+".pub")
	s := startSSHD(t, "h1", "none")
	c.know(t, s)
	for file, says := range map[string]string{
		other + "-cert.pub":             "a certificate without its private key",
		other + ".pub":                  "no certificate",
		filepath.Join(c.dir, "nowhere"): "no such file",
	} {
		c.configure(t, reaches(s, "CertificateFile "+file))
		e := c.refused(t, "h1", host.KindAuth)
		assert.Contains(t, e.Message, file)
		assert.Contains(t, e.Message, says)
	}
}

func TestACertificateInTheAgent(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	authority := filepath.Join(c.dir, "user_ca")
	keygen(t, "-t", "ed25519", "-N", "", "-f", authority)
	keygen(t, "-s", authority, "-I", "deployer", "-n", me(t), c.key+".pub")
	socket := agent(t, c.key) // ssh-add takes the certificate beside the key, too
	s := startSSHD(t, "h1", "none", "TrustedUserCAKeys "+authority+".pub")
	c.know(t, s)
	c.key = filepath.Join(c.dir, "gone")
	c.configure(t, reaches(s, "IdentityAgent "+socket))
	c.dial(t, "h1")
}

func TestAPublicKeyAsIdentityFileChoosesTheAgentsKey(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	other := filepath.Join(c.dir, "other")
	keygen(t, "-t", "ed25519", "-N", "", "-f", other)
	socket := agent(t, other, c.key)
	s := startSSHD(t, "h1", c.authorized, "MaxAuthTries 1")
	c.know(t, s)
	c.key += ".pub"
	c.configure(t, reaches(s, "IdentityAgent "+socket, "IdentitiesOnly yes"))
	c.dial(t, "h1")
}

func TestLoginWithTheAgent(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	key := c.identity(t, "agents", "-t", "ed25519", "-N", "")
	c.key = filepath.Join(c.dir, "none")
	socket := agent(t, key)
	require.NoError(t, os.Remove(key))
	s := startSSHD(t, "h1", c.authorized)
	c.know(t, s)
	c.configure(t, reaches(s, "IdentityAgent "+socket))
	c.dial(t, "h1")
}

func TestAnEncryptedKeyIsUsedThroughTheAgent(t *testing.T) {
	t.Parallel()
	for name, format := range map[string][]string{"new format": {"-t", "ed25519"}, "pem": {"-t", "rsa", "-b", "2048", "-m", "PEM"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			write(t, c.authorized, "")
			c.key = c.identity(t, "locked", append(format, "-N", passphrase)...)
			s := startSSHD(t, "h1", c.authorized)
			c.know(t, s)
			c.configure(t, reaches(s, "IdentitiesOnly yes", "IdentityAgent "+agent(t, c.key)))
			c.dial(t, "h1")
		})
	}
}

func TestAnEncryptedKeyWithoutAgentIsNamed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.key = c.identity(t, "locked", "-t", "ed25519", "-N", passphrase)
	c.serve(t, "h1")
	e := c.refused(t, "h1", host.KindAuth)
	assert.Contains(t, e.Message, c.key+" (encrypted, and not in the agent)")
	assert.Contains(t, e.Hint, "ssh-add "+c.key)
	assert.Contains(t, e.Hint, "deploy key without a passphrase")
}

func TestARefusedLoginNamesTheKeysThatWereTried(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.serve(t, "h1")
	write(t, c.authorized, "")
	e := c.refused(t, "h1", host.KindAuth)
	assert.Contains(t, e.Message, "login as "+me(t)+" refused")
	assert.Contains(t, e.Message, c.key)
	assert.Contains(t, e.Message, fingerprint(t, c.key))
	assert.Contains(t, e.Message, "no agent")
	assert.Contains(t, e.Hint, "authorized_keys")
}

func TestALoginWithoutAnyKeySaysWhereItLooked(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.key = filepath.Join(c.dir, "gone")
	s := startSSHD(t, "h1", c.authorized)
	c.know(t, s)
	c.configure(t, reaches(s, "IdentityAgent "+filepath.Join(c.dir, "no-agent")))
	e := c.refused(t, "h1", host.KindAuth)
	assert.Contains(t, e.Message, c.key)
	assert.Contains(t, e.Message, "no-agent")
	assert.Contains(t, e.Hint, "IdentityFile")
}

func TestAFileThatIsNoKeyIsNamed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.key = filepath.Join(c.dir, "junk")
	write(t, c.key, "not a key\n")
	c.serve(t, "h1")
	assert.Contains(t, c.refused(t, "h1", host.KindAuth).Message, c.key+" (ssh: no key found)")
}

func TestTooManyKeysInTheAgent(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	var others []string
	for i := range 4 {
		other := filepath.Join(c.dir, fmt.Sprintf("other%d", i))
		keygen(t, "-t", "ed25519", "-N", "", "-f", other)
		others = append(others, other)
	}
	s := startSSHD(t, "h1", c.authorized, "MaxAuthTries 2")
	c.know(t, s)
	socket := agent(t, others...)

	c.configure(t, reaches(s, "IdentityAgent "+socket))
	c.dial(t, "h1") // what ssh_config names comes first

	key := c.key
	c.key = filepath.Join(c.dir, "gone")
	c.configure(t, reaches(s, "IdentityAgent "+socket))
	e := c.refused(t, "h1", host.KindAuth)
	assert.Contains(t, e.Hint, "IdentitiesOnly")

	c.key = key
	c.configure(t, reaches(s, "IdentityAgent "+socket, "IdentitiesOnly yes"))
	c.dial(t, "h1")
}

func TestAnAgentThatHangsIsNamed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	s := startSSHD(t, "h1", c.authorized)
	c.know(t, s)
	c.configure(t, reaches(s, "IdentityAgent "+deafSocket(t)))
	c.opts.ConnectTimeout = 300 * time.Millisecond
	assert.Contains(t, c.refused(t, "h1", host.KindUnreachable).Message, "ask the agent")
}
