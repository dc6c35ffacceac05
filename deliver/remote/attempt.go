package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"deliver/host"
)

// attempt is one handshake; it knows how far it came.
type attempt struct {
	set      *settings
	hostKeys *hostKeys
	keys     *keyring

	// The host key is checked in a goroutine of the SSH library.
	mu      sync.Mutex
	stage   string
	refused error // what the host key check said
}

const loggingIn = "log in"

func (a *attempt) prepare(ctx context.Context, policy HostKeyPolicy) error {
	var err error
	if a.hostKeys, err = newHostKeys(a.set, policy); err != nil {
		return err
	}
	a.keys = openKeys(ctx, a.set)
	return nil
}

func (a *attempt) config() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              a.set.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(a.keys.signers...)},
		HostKeyCallback:   a.checkHostKey,
		HostKeyAlgorithms: a.hostKeys.algorithms(),
		ClientVersion:     "SSH-2.0-deliver", // so that sshd's log tells who it was
	}
}

func (a *attempt) reach(stage string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage = stage
}

func (a *attempt) checkHostKey(name string, remote net.Addr, key ssh.PublicKey) error {
	err := a.hostKeys.check(name, remote, key)
	a.reach(loggingIn)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = err
	return err
}

// failed says at which stage the attempt failed, and of which kind that is.
func (a *attempt) failed(ctx, limited context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		<-limited.Done() // a dialer's clock may be a moment ahead of it
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %s: %w", a.set.name, a.stage, context.Cause(ctx))
	case limited.Err() != nil:
		return a.unreachable(context.Cause(limited))
	case a.refused != nil:
		return a.refused
	case a.stage == loggingIn && !broken(err):
		return a.keys.loginFailed(a.set, err)
	case a.stage == "shake hands" && broken(err):
		return turnedAway{err}
	}
	return a.unreachable(err)
}

func (a *attempt) unreachable(err error) error {
	e := &host.Error{Kind: host.KindUnreachable, Message: fmt.Sprintf("%s: %s (%s): %s", a.set.name, a.stage, a.set.address(), reason(err))}
	var lookup *net.DNSError
	switch {
	case errors.As(err, &lookup):
		e.Hint = "is the name right? See HostName in ssh_config, and DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Hint = "does sshd run there, on this port?"
	}
	return e
}

// reason is the words of err that are not said elsewhere in the message.
func reason(err error) string {
	var errno syscall.Errno
	var op *net.OpError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	case broken(err):
		return "the connection ended: " + err.Error()
	}
	return err.Error()
}

// broken tells a line that ended from a server that spoke.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
