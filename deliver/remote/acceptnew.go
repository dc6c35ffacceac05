package remote

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"

	"deliver/host"
)

// accept remembers the key of an unknown host in the first of the user's
// known_hosts files. Under the file's lock it looks again: of two dials that
// see two different keys, one is refused.
func (k *hostKeys) accept(remote net.Addr, key ssh.PublicKey) error {
	if len(k.set.userKnownHosts) == 0 {
		return k.unknown(key)
	}
	file, err := openKnownHosts(k.set.userKnownHosts[0])
	if err != nil {
		return k.notRemembered(err)
	}
	defer file.Close()
	if err := k.load(); err != nil {
		return err
	}
	err = k.db.HostKeyCallback()(k.address, remote, key)
	if err == nil {
		return nil
	}
	if !k.isUnknown(err) {
		return k.refuse(err, key)
	}
	if err := appendLine(file, k.line(key)); err != nil {
		return k.notRemembered(err)
	}
	return nil
}

// openKnownHosts makes the file where there is none; closing it unlocks it.
func openKnownHosts(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

func (k *hostKeys) line(key ssh.PublicKey) string {
	name := knownhosts.Normalize(k.address)
	if k.set.hashKnownHosts {
		name = xknownhosts.HashHostname(name)
	}
	return name + " " + string(ssh.MarshalAuthorizedKey(key))
}

// appendLine writes the line at once and to the disk, after a line that
// somebody left without its end too.
func appendLine(file *os.File, line string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if info.Mode().IsRegular() && info.Size() > 0 {
		if _, err := file.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' {
		line = "\n" + line
	}
	if _, err := file.WriteString(line); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	return file.Sync()
}

func (k *hostKeys) notRemembered(err error) error {
	return &host.Error{
		Kind:    host.KindHostKey,
		Message: fmt.Sprintf("%s: the new host key cannot be remembered: %v", k.name, err),
		Hint:    "make the known_hosts file writable, or name another with UserKnownHostsFile in ssh_config",
	}
}
