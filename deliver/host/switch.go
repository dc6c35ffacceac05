package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Switch points `current` to the release id; an empty id takes it away.
func (l *Local) Switch(ctx context.Context, id string) (Switched, error) {
	if id != "" {
		if err := l.require(id); err != nil {
			return Switched{}, err
		}
	}
	if _, err := os.Stat(l.state("")); errors.Is(err, fs.ErrNotExist) {
		return Switched{}, nil // nothing was ever here, so there is nothing to take away
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return Switched{}, err
	}
	defer unlock()
	return l.pointTo(id)
}

func (l *Local) pointTo(id string) (Switched, error) {
	previous, err := l.currentID()
	if err != nil {
		return Switched{}, err
	}
	if id == "" {
		err = l.takeAway()
	} else {
		err = l.link(id)
	}
	if err == nil {
		err = syncDir(l.root)
	}
	return Switched{Previous: previous}, l.wrap("switch to "+id, err)
}

// link replaces `current` in one step: there is no moment without it.
func (l *Local) link(id string) error {
	if err := l.require(id); err != nil { // again, now that nobody prunes
		return err
	}
	next := l.state("current.next")
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(filepath.Join("releases", id), next); err != nil {
		return err
	}
	return os.Rename(next, l.current())
}

func (l *Local) takeAway() error {
	err := os.Remove(l.current())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
