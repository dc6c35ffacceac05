package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Switch points `current` to the release id; an empty id takes it away.
func (l *Local) Switch(ctx context.Context, id, over string) (Switched, error) {
	if id != "" {
		if err := l.require(id); err != nil {
			return Switched{}, err
		}
	}
	if _, err := os.Stat(l.state("")); errors.Is(err, fs.ErrNotExist) {
		return Switched{}, nil // nothing was ever here, so there is nothing to take away
	}
	done, err := l.step(ctx)
	if err != nil {
		return Switched{}, err
	}
	defer done()
	unlock, err := l.lock(ctx)
	if err != nil {
		return Switched{}, err
	}
	defer unlock()
	return l.pointTo(id, over)
}

func (l *Local) pointTo(id, over string) (Switched, error) {
	previous, err := l.currentID()
	if err != nil {
		return Switched{}, err
	}
	if err := l.keepOrder(id, previous, over); err != nil {
		return Switched{}, err
	}
	if id == previous {
		return Switched{Previous: previous}, nil // so that a full disk keeps no server from going back
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

// keepOrder refuses to put an older build over a newer one.
func (l *Local) keepOrder(id, current, over string) error {
	if id == "" || current == "" || current == over {
		return nil
	}
	next, _ := l.shelved(id)
	now, known := l.shelved(current)
	if !known || !next.OlderThan(now.Record) {
		return nil
	}
	return &Error{
		Kind:    KindOrder,
		Message: fmt.Sprintf("%s runs here, which is newer than %s", now.Describe(), next.Describe()),
		Hint:    OrderHint,
	}
}

// OrderHint says how an older release is delivered all the same.
const OrderHint = "to go back, use deliver rollback; --allow-older delivers it all the same"

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
