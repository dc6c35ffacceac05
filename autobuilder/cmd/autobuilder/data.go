package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"autobuilder/config"
)

// lockData keeps a second autobuilder out of the data directory: two would send
// the same builds. The lock ends with the process, however it ends.
func lockData(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if !lockSoon(file) {
		file.Close() //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("data directory %s is in use by another autobuilder serve", dir)
	}
	return func() { file.Close() }, nil //nolint:errcheck // nothing was written
}

// lockSoon tries for a moment: of a serve that was killed, a child that it was
// about to start may still have the lock.
func lockSoon(file *os.File) bool {
	deadline := time.After(2 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}

func gitDir(cfg *config.Config) string {
	return filepath.Join(cfg.Data, "git")
}
