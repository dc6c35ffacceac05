package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock holds off other processes for the short steps that change more than one
// thing. The kernel lets go of it when the process dies.
func (l *Local) lock(ctx context.Context) (unlock func(), err error) {
	return l.lockFile(ctx, l.state("lock"))
}

func (l *Local) lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, syscall.EROFS) {
		f, err = os.Open(path) // not everything that is done under it writes
	}
	if err != nil {
		return nil, l.wrap("lock", err)
	}
	if err := waitForLock(ctx, f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

func waitForLock(ctx context.Context, f *os.File) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		held, err := tryLock(f)
		if held || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}

// tryLock takes the lock of f unless another process has it.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}
