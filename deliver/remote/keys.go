package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"deliver/host"
)

// keyring is what a login can be tried with, and what it cannot and why.
type keyring struct {
	signers   []ssh.Signer
	offered   []string // the signers, for errors
	unusable  []string // files that are there, and what is wrong with them
	missing   []string
	encrypted []string // of the unusable ones: files that want a passphrase
	agent     string   // what became of the agent
	conn      net.Conn
}

// openKeys gathers certificates, identity files and the agent's keys, in the
// order in which they are offered: what ssh_config names comes first, since a
// server takes only a few tries.
func openKeys(ctx context.Context, set *settings) *keyring {
	k := &keyring{}
	inAgent := k.askAgent(ctx, set.agent)
	var named []candidate
	for _, path := range set.identities {
		if signer := k.identity(path, inAgent); signer != nil {
			named = append(named, candidate{signer, path})
		}
	}
	all := named
	if !set.identitiesOnly {
		all = append(slices.Clone(named), inAgent...)
	}
	for _, path := range certificateFiles(set) {
		k.certificate(path, append(slices.Clone(all), inAgent...))
	}
	for _, c := range all {
		k.offer(c)
	}
	return k
}

// candidate is a key and where it is from.
type candidate struct {
	ssh.Signer
	from string
}

func (k *keyring) offer(c candidate) {
	for _, have := range k.signers {
		if bytes.Equal(have.PublicKey().Marshal(), c.PublicKey().Marshal()) {
			return
		}
	}
	k.signers = append(k.signers, c.Signer)
	k.offered = append(k.offered, fingerprint(c.PublicKey())+" "+c.from)
}

func (k *keyring) askAgent(ctx context.Context, socket string) []candidate {
	if socket == "" {
		k.agent = "no agent (SSH_AUTH_SOCK is not set)"
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		k.agent = fmt.Sprintf("no agent (%v)", err)
		return nil
	}
	k.conn = conn
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		k.agent = fmt.Sprintf("the agent at %s fails (%v)", socket, err)
		return nil
	}
	k.agent = fmt.Sprintf("the agent has %d keys", len(signers))
	var keys []candidate
	for _, signer := range signers {
		keys = append(keys, candidate{signer, "in the agent"})
	}
	return keys
}

// identity is the key of an identity file, the agent's where the file alone
// is not enough: it is encrypted, or only the public half.
func (k *keyring) identity(path string, inAgent []candidate) ssh.Signer {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		k.missing = append(k.missing, path)
		return nil
	}
	if err != nil {
		k.unusable = append(k.unusable, err.Error())
		return nil
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err == nil {
		return signer
	}
	public := publicHalf(path, text, err)
	for _, c := range inAgent {
		if public != nil && bytes.Equal(public.Marshal(), c.PublicKey().Marshal()) {
			return c.Signer
		}
	}
	k.refuse(path, err)
	return nil
}

func (k *keyring) refuse(path string, err error) {
	var wantsPassphrase *ssh.PassphraseMissingError
	if !errors.As(err, &wantsPassphrase) {
		k.unusable = append(k.unusable, fmt.Sprintf("%s (%v)", path, err))
		return
	}
	k.encrypted = append(k.encrypted, path)
	k.unusable = append(k.unusable, path+" (encrypted, and not in the agent)")
}

// publicHalf finds the public key that belongs to a file which is not a usable
// private key; nil: nothing says it.
func publicHalf(path string, text []byte, err error) ssh.PublicKey {
	var wantsPassphrase *ssh.PassphraseMissingError
	if errors.As(err, &wantsPassphrase) && wantsPassphrase.PublicKey != nil {
		return wantsPassphrase.PublicKey
	}
	if key, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
		return key
	}
	beside, err := os.ReadFile(path + ".pub")
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(beside)
	if err != nil {
		return nil
	}
	return key
}

// certificateFiles are the named ones, then those beside the identity files.
func certificateFiles(set *settings) []string {
	files := slices.Clone(set.certificates)
	for _, path := range set.identities {
		beside := path + "-cert.pub"
		if _, err := os.Stat(beside); err == nil {
			files = append(files, beside)
		}
	}
	return files
}

// certificate offers the certificate together with the key it is for.
func (k *keyring) certificate(path string, keys []candidate) {
	cert, err := readCertificate(path)
	if err != nil {
		k.unusable = append(k.unusable, err.Error())
		return
	}
	for _, key := range keys {
		signer, err := ssh.NewCertSigner(cert, key.Signer)
		if err == nil {
			k.offer(candidate{signer, path})
			return
		}
	}
	k.unusable = append(k.unusable, path+" (a certificate without its private key)")
}

func readCertificate(path string) (*ssh.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s (%w)", path, err)
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, fmt.Errorf("%s (no certificate)", path)
	}
	return cert, nil
}

func (k *keyring) close() {
	if k.conn != nil {
		k.conn.Close()
	}
}

// loginFailed says which keys were tried and which could not be.
func (k *keyring) loginFailed(set *settings, err error) error {
	e := &host.Error{Kind: host.KindAuth, Hint: "put one of these public keys into ~/.ssh/authorized_keys of " + set.user + " there"}
	var parts []string
	if len(k.offered) > 0 {
		parts = append(parts, "tried "+strings.Join(k.offered, ", "))
	} else {
		parts = append(parts, "there was no key to try")
		e.Hint = "name a key with IdentityFile in ssh_config, or ssh-add one"
	}
	if len(k.unusable) > 0 {
		parts = append(parts, "could not use "+strings.Join(k.unusable, ", "))
	}
	if len(k.offered) == 0 && len(k.missing) > 0 {
		parts = append(parts, "not there: "+strings.Join(k.missing, ", "))
	}
	parts = append(parts, k.agent)
	if len(k.encrypted) > 0 {
		e.Hint = fmt.Sprintf("ssh-add %s; in CI use a deploy key without a passphrase", k.encrypted[0])
	}
	if strings.Contains(err.Error(), "Too many authentication failures") {
		e.Hint = "the server stopped after a few keys: set IdentityFile and IdentitiesOnly yes for this host in ssh_config"
	}
	e.Message = fmt.Sprintf("%s: login as %s refused: %s (%v)", set.name, set.user, strings.Join(parts, "; "), err)
	return e
}
