package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"syscall"
)

// wrap gives err the kind that it has for everybody who uses a server.
func (l *Local) wrap(doing string, err error) error {
	var known *Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &Error{
			Kind:    KindSpace,
			Message: fmt.Sprintf("%s: %v", doing, err),
			Hint:    spaceHint,
		}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return l.denied(fmt.Sprintf("%s: %v", doing, err), err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

const spaceHint = "free space on the server, or keep fewer releases (KEEP_RELEASES)"

// denied says what a user who may not write there can do about it.
func (l *Local) denied(message string, err error) *Error {
	e := &Error{
		Kind:    KindDenied,
		Message: message,
		Hint:    fmt.Sprintf("as root on the server: install -d -o %[1]s %[2]s && chown -R %[1]s %[2]s", userName(), l.root),
	}
	if errors.Is(err, syscall.EROFS) {
		e.Hint = "the kernel makes a disk read-only when it fails: see dmesg on the server, then mount it rw again"
	}
	return e
}

func userName() string {
	u, err := user.Current()
	if err != nil {
		return "the user"
	}
	return u.Username
}
