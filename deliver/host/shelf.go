package host

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"deliver/release"
)

// shelved is a complete release and when it came here.
type shelved struct {
	release.Record
	received time.Time
}

// shelf lists the complete releases, oldest first.
func (l *Local) shelf() ([]shelved, error) {
	entries, err := os.ReadDir(l.releases())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, l.wrap("list the releases", err)
	}
	var found []shelved
	for _, e := range entries {
		if s, ok := l.shelved(e.Name()); ok {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b shelved) int {
		return cmp.Or(a.received.Compare(b.received), a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// shelved is the complete release id. A release is complete when its directory
// and its record are there: the directory is the last to come and the first to go.
func (l *Local) shelved(id string) (shelved, bool) {
	var s shelved
	if checkID(id) != nil {
		return s, false
	}
	tree, err := os.Lstat(l.releaseDir(id))
	if err != nil || !tree.IsDir() {
		return s, false
	}
	line, err := os.ReadFile(l.recordFile(id))
	if err != nil || json.Unmarshal(line, &s.Record) != nil || s.ID != id {
		return s, false
	}
	if info, err := os.Stat(l.recordFile(id)); err == nil {
		s.received = info.ModTime()
	}
	return s, true
}

// require is shelved for those who cannot do without the release.
func (l *Local) require(id string) error {
	if _, ok := l.shelved(id); ok {
		return nil
	}
	return &Error{
		Kind:    KindMissing,
		Message: fmt.Sprintf("release %s is not complete in %s", id, l.releases()),
		Hint:    "send it again",
	}
}

func encodeRecord(rec release.Record) ([]byte, error) {
	line, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the record: %w", err)
	}
	return append(line, '\n'), nil
}

// syncDir makes a directory's names last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}
