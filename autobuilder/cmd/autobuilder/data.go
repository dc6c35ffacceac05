package main

import (
	"fmt"
	"os"
	"path/filepath"

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
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close() //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("data directory %s is in use by another autobuilder serve", dir)
	}
	return func() { file.Close() }, nil //nolint:errcheck // nothing was written
}

func gitDir(cfg *config.Config) string {
	return filepath.Join(cfg.Data, "git")
}
