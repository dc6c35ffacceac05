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
		return l.denied(fmt.Sprintf("%s: %v", doing, err))
	}
	return fmt.Errorf("%s: %w", doing, err)
}

const spaceHint = "free space on the server, or keep fewer releases (KEEP_RELEASES)"

func (l *Local) denied(message string) *Error {
	return &Error{
		Kind:    KindDenied,
		Message: message,
		Hint:    fmt.Sprintf("as root on the server: install -d -o %[1]s %[2]s && chown -R %[1]s %[2]s", userName(), l.root),
	}
}

func userName() string {
	u, err := user.Current()
	if err != nil {
		return "the user"
	}
	return u.Username
}
