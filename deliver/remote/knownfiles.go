package remote

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/skeema/knownhosts"
	"golang.org/x/sys/unix"
)

// knownFiles are known_hosts files as they were when they were last read. Most
// servers of a fleet have the same ones, with a line for each server: they are read
// once for all, and again when they change.
type knownFiles struct {
	mu    sync.Mutex
	lists map[string]knownList
}

// knownList is what some files say.
type knownList struct {
	state string // of the files
	db    *knownhosts.HostKeyDB
}

var knownBefore = knownFiles{lists: map[string]knownList{}}

// read reads those of the files that are there.
func (k *knownFiles) read(files []string) (*knownhosts.HostKeyDB, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	there, state := present(files)
	name := strings.Join(there, "\x00")
	if list := k.lists[name]; list.db != nil && list.state == state {
		return list.db, nil
	}
	db, err := knownhosts.NewDB(there...)
	if err != nil {
		return nil, err
	}
	k.lists[name] = knownList{state, db}
	return db, nil
}

// present are the files that are there, or cannot be looked at, and what tells
// them from what they are after a change.
func present(files []string) (there []string, state string) {
	var all strings.Builder
	for _, file := range files {
		var st unix.Stat_t
		err := unix.Stat(file, &st)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		there = append(there, file)
		fmt.Fprintln(&all, err, st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim)
	}
	return there, all.String()
}
