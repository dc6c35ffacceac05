package remote

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"deliver/host"
)

// hostKeys checks one host's key against its known_hosts files.
type hostKeys struct {
	name    string // of the host, for errors
	address string // as known_hosts knows it
	set     *settings
	policy  HostKeyPolicy
	db      *knownhosts.HostKeyDB
}

func newHostKeys(set *settings, policy HostKeyPolicy) (*hostKeys, error) {
	k := &hostKeys{name: set.name, set: set, policy: policy}
	k.address = net.JoinHostPort(set.host, strconv.Itoa(set.port))
	if set.hostKeyAlias != "" {
		k.address = net.JoinHostPort(set.hostKeyAlias, "22")
	}
	if set.checking == "yes" || set.checking == "true" {
		k.policy = Strict
	}
	return k, k.load()
}

func (k *hostKeys) files() []string {
	return slices.Concat(k.set.userKnownHosts, k.set.globalKnownHosts)
}

// load reads the files that are there.
func (k *hostKeys) load() error {
	var err error
	if k.db, err = knownBefore.read(k.files()); err != nil {
		return &host.Error{
			Kind:    host.KindHostKey,
			Message: fmt.Sprintf("%s: read known_hosts: %v", k.name, err),
			Hint:    "correct or remove that line",
		}
	}
	return nil
}

// algorithms asks the server for a key that can be compared with the known
// ones, then for a certificate where an authority is known, whose own type says
// nothing of the certificate's. Other types come last, so that a server without
// the known one shows as changed.
func (k *hostKeys) algorithms() []string {
	var want []string
	authority := false
	for _, known := range k.db.HostKeys(k.address) {
		switch {
		case known.Cert:
			authority = true
		case known.Type() == ssh.KeyAlgoRSA:
			want = append(want, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			want = append(want, known.Type())
		}
	}
	if authority {
		want = append(
			want, ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
			ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
		)
	}
	want = append(
		want, ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	)
	return supportedOnce(want)
}

// supportedOnce drops what the SSH library has not, or thinks unsafe, and repetitions.
func supportedOnce(want []string) []string {
	supported := ssh.SupportedAlgorithms().HostKeys
	var list []string
	for _, algorithm := range want {
		if slices.Contains(supported, algorithm) && !slices.Contains(list, algorithm) {
			list = append(list, algorithm)
		}
	}
	return list
}

// check is the ssh.HostKeyCallback.
func (k *hostKeys) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	if _, _, err := net.SplitHostPort(remote.String()); err != nil {
		remote = &net.TCPAddr{} // a ProxyCommand has no address; the name is what counts
	}
	err := k.db.HostKeyCallback()(k.address, remote, key)
	switch {
	case err == nil:
		return nil
	case k.isUnknown(err) && k.policy == AcceptNew:
		return k.accept(remote, key)
	}
	return k.refuse(err, key)
}

// isUnknown says whether there is no key for the host; an authority for its
// name is none.
func (k *hostKeys) isUnknown(err error) bool {
	var mismatch *xknownhosts.KeyError
	return errors.As(err, &mismatch) && len(k.withoutAuthorities(mismatch.Want)) == 0
}

func (k *hostKeys) withoutAuthorities(known []xknownhosts.KnownKey) []xknownhosts.KnownKey {
	authorities := k.db.HostKeys(k.address)
	return slices.DeleteFunc(slices.Clone(known), func(line xknownhosts.KnownKey) bool {
		return slices.ContainsFunc(authorities, func(key knownhosts.PublicKey) bool {
			return key.Cert && bytes.Equal(key.Marshal(), line.Key.Marshal())
		})
	})
}

func (k *hostKeys) refuse(err error, key ssh.PublicKey) error {
	var revoked *xknownhosts.RevokedError
	var mismatch *xknownhosts.KeyError
	switch {
	case errors.As(err, &revoked):
		return k.revoked(revoked, key)
	case k.isUnknown(err):
		return k.unknown(key)
	case errors.As(err, &mismatch):
		return k.changed(k.withoutAuthorities(mismatch.Want), key)
	default:
		return k.badCertificate(err, key)
	}
}

func (k *hostKeys) revoked(err *xknownhosts.RevokedError, key ssh.PublicKey) error {
	return &host.Error{
		Kind:    host.KindHostKey,
		Message: fmt.Sprintf("%s: the host key %s is revoked in %s line %d", k.name, fingerprint(key), err.Revoked.Filename, err.Revoked.Line),
		Hint:    "whoever has this key may not be the server: find out why it was revoked",
	}
}

func (k *hostKeys) changed(known []xknownhosts.KnownKey, key ssh.PublicKey) error {
	var lines []string
	for _, known := range known {
		lines = append(lines, fmt.Sprintf("%s line %d has %s", known.Filename, known.Line, fingerprint(known.Key)))
	}
	return &host.Error{
		Kind:    host.KindHostKey,
		Message: fmt.Sprintf("%s: the host key changed: the server has %s, %s", k.name, fingerprint(key), strings.Join(lines, ", ")),
		Hint: fmt.Sprintf("if the server was set up anew, check the new fingerprint on it, then: ssh-keygen -R '%s' -f '%s'; otherwise somebody may be in between",
			knownhosts.Normalize(k.address), known[0].Filename),
	}
}

func (k *hostKeys) unknown(key ssh.PublicKey) error {
	e := &host.Error{
		Kind:    host.KindHostKey,
		Message: fmt.Sprintf("%s: the host key is not known: the server has %s, and none of %s names %s", k.name, fingerprint(key), k.fileList(), knownhosts.Normalize(k.address)),
		Hint: fmt.Sprintf("check the fingerprint, then: ssh-keyscan -p %d %s >> %s; or trust it at first sight with --host-key accept-new",
			k.set.port, k.set.host, k.firstUserFile()),
	}
	switch k.set.checking {
	case "no", "off", "false", "accept-new":
		e.Message += fmt.Sprintf(" (StrictHostKeyChecking %s in ssh_config is not followed)", k.set.checking)
	case "yes", "true":
		e.Hint, _, _ = strings.Cut(e.Hint, "; or trust")
	}
	return e
}

func (k *hostKeys) badCertificate(err error, key ssh.PublicKey) error {
	e := &host.Error{
		Kind:    host.KindHostKey,
		Message: fmt.Sprintf("%s: the host key %s is refused: %v", k.name, fingerprint(key), err),
		Hint:    "see the @cert-authority and @revoked lines of " + k.fileList(),
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		e.Message = fmt.Sprintf("%s: the host certificate %q of %s, signed by %s, is refused: %v",
			k.name, cert.KeyId, fingerprint(cert.Key), fingerprint(cert.SignatureKey), err)
	}
	return e
}

func (k *hostKeys) fileList() string {
	return cmp.Or(strings.Join(k.files(), ", "), "no known_hosts file")
}

func (k *hostKeys) firstUserFile() string {
	if len(k.set.userKnownHosts) == 0 {
		return "~/.ssh/known_hosts"
	}
	return k.set.userKnownHosts[0]
}

// fingerprint is how ssh shows a key: ED25519 SHA256:….
func fingerprint(key ssh.PublicKey) string {
	if cert, ok := key.(*ssh.Certificate); ok {
		return fingerprint(cert.Key) + " (certificate)"
	}
	kind := strings.TrimPrefix(key.Type(), "ssh-")
	kind, _, _ = strings.Cut(strings.TrimSuffix(kind, "@openssh.com"), "-sha2")
	return strings.ToUpper(kind) + " " + ssh.FingerprintSHA256(key)
}
