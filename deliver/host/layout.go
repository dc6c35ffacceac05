package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/renameio/v2"

	"deliver/release"
)

// Local is the Server that this process runs on.
type Local struct {
	place Place
	root  string       // place.Root, expanded
	token atomic.Int64 // of the lease that steps carry; 0: none
}

var _ Server = (*Local)(nil)

// NewLocal returns the Server for place on this machine. It touches nothing.
func NewLocal(place Place) (*Local, error) {
	root, err := expandHome(place.Root)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(root) || filepath.Clean(root) == "/" {
		return nil, &Error{
			Kind:    KindFailed,
			Message: fmt.Sprintf("%q is no directory for an app", place.Root),
			Hint:    "DELIVER_TO is an absolute path, or one that starts with ~",
		}
	}
	if err := place.checkSharing(); err != nil {
		return nil, err
	}
	return &Local{place: place, root: filepath.Clean(root)}, nil
}

// Close does nothing: a Local keeps nothing open.
func (l *Local) Close() error { return nil }

// The layout of docs/architecture.md.

func (l *Local) current() string             { return filepath.Join(l.root, "current") }
func (l *Local) releases() string            { return filepath.Join(l.root, "releases") }
func (l *Local) releaseDir(id string) string { return filepath.Join(l.releases(), id) }
func (l *Local) shared() string              { return filepath.Join(l.root, "shared") }
func (l *Local) state(name string) string    { return filepath.Join(l.root, ".deliver", name) }
func (l *Local) incoming() string            { return l.state("incoming") }
func (l *Local) records() string             { return l.state("records") }
func (l *Local) recordFile(id string) string { return filepath.Join(l.records(), id+".json") }

// prepare makes the directories.
func (l *Local) prepare() error {
	for _, dir := range []string{l.releases(), l.incoming(), l.records(), l.keepings()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return l.wrap("prepare "+l.root, err)
		}
	}
	return nil
}

// save writes a file of state, whole or not at all. What is left of one whose
// writer was killed lies where the next Receive clears.
func (l *Local) save(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0o644, renameio.WithTempDir(l.incoming()))
}

// currentID is the release that `current` points to, empty without one.
func (l *Local) currentID() (string, error) {
	target, err := os.Readlink(l.current())
	if os.IsNotExist(err) {
		return "", nil
	}
	if err == nil {
		if id, ok := l.idOf(target); ok {
			return id, nil
		}
		err = fmt.Errorf("it points to %s", target)
	}
	return "", &Error{
		Kind:    KindFailed,
		Message: fmt.Sprintf("%s is not a link to a release: %v", l.current(), err),
		Hint:    "move it away once; deliver makes it anew",
	}
}

// idOf is the release whose directory target, as read from `current`, is.
func (l *Local) idOf(target string) (string, bool) {
	if !filepath.IsAbs(target) {
		target = filepath.Join(l.root, target)
	}
	dir, id := filepath.Split(filepath.Clean(target))
	return id, filepath.Clean(dir) == l.releases() && checkID(id) == nil
}

func checkID(id string) error {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	bad := id == "" || len(id) > 200 || strings.HasPrefix(id, ".") ||
		strings.ContainsRune(id, '/') || strings.ContainsFunc(id, control)
	if !bad {
		return nil
	}
	return &Error{
		Kind:    KindUnsafe,
		Message: fmt.Sprintf("%q is no release id", id),
		Hint:    "an id is one path segment of at most 200 bytes that does not start with a dot",
	}
}

// checkRecord refuses a record that a build could not be held against.
func checkRecord(rec release.Record) error {
	if err := checkID(rec.ID); err != nil {
		return err
	}
	if len(rec.Digest()) != 64 || rec.Size <= 0 {
		return &Error{Kind: KindDigest, Message: fmt.Sprintf("the record of %s has no digest or size of its build", rec.ID)}
	}
	return nil
}

// expandHome does what a shell does with a leading ~ or ~user.
func expandHome(path string) (string, error) {
	if !strings.HasPrefix(path, "~") {
		return path, nil
	}
	name, rest, _ := strings.Cut(path[1:], "/")
	home, err := homeOf(name)
	if err != nil {
		return "", &Error{
			Kind:    KindFailed,
			Message: fmt.Sprintf("%s: no home directory: %v", path, err),
			Hint:    "create the user on the server, or set DELIVER_TO to an absolute path",
		}
	}
	return filepath.Join(home, rest), nil
}

func homeOf(name string) (string, error) {
	if name == "" {
		return os.UserHomeDir()
	}
	u, err := user.Lookup(name)
	if err == nil {
		return u.HomeDir, nil
	}
	// A static binary reads only /etc/passwd; getent also knows LDAP and the like.
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	out, getentErr := exec.CommandContext(ctx, "getent", "passwd", "--", name).Output()
	fields := strings.Split(strings.TrimSpace(string(out)), ":")
	if getentErr != nil || len(fields) < 7 {
		return "", err
	}
	return fields[5], nil
}

// idsOf are the user and the group that processes of a user have.
func idsOf(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("APP_USER: %w", err)
	}
	uid, err = strconv.Atoi(u.Uid)
	if err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}
