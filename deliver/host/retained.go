package host

import (
	"context"
	"path"

	"golang.org/x/sys/unix"
)

// retained is the current release while others are removed. A file that it
// shares with them shows a new change time once it has lost a name: what is
// remembered of it would no longer hold, and the next delivery would have to
// read every file.
type retained struct {
	*Local
	id     string
	keep   *keeping
	top    dirFD
	shared []int // entries of files that are what they were
}

// retain looks at what the current release shares with those of ids. It is nil
// where that is nothing.
func (l *Local) retain(ids []string) *retained {
	id, err := l.currentID()
	if err != nil || id == "" {
		return nil
	}
	k, err := l.kept(id)
	if err != nil {
		return nil
	}
	shared := l.sharedWith(k, ids)
	if len(shared) == 0 {
		return nil
	}
	top, err := openTop(l.releaseDir(id))
	if err != nil {
		return nil
	}
	r := &retained{Local: l, id: id, keep: k, top: top}
	r.shared = r.genuine(shared)
	return r
}

// sharedWith are the entries of k whose file one of the releases has, too.
func (l *Local) sharedWith(k *keeping, ids []string) []int {
	theirs := map[uint64]bool{}
	for _, id := range ids {
		if other, err := l.kept(id); err == nil {
			for _, i := range other.inodes {
				theirs[i.Number] = i.Number != 0
			}
		}
	}
	var shared []int
	for n, i := range k.inodes {
		if theirs[i.Number] {
			shared = append(shared, n)
		}
	}
	return shared
}

// genuine are those of the entries whose files still have their content.
func (r *retained) genuine(numbers []int) []int {
	known := r.known()
	is := make([]bool, len(r.keep.inodes))
	r.look(numbers, func(n int, now inode) {
		if known[now] == r.keep.manifest.Entries[n].Digest {
			r.keep.inodes[n], is[n] = now, true
		}
	})
	var found []int
	for _, n := range numbers {
		if is[n] {
			found = append(found, n)
		}
	}
	return found
}

// look calls saw for each of the entries that is there, some at a time.
func (r *retained) look(numbers []int, saw func(n int, now inode)) {
	_ = eachFamily(r.top, r.keep.manifest, numbers, func(dir dirFD, f family) error {
		for _, n := range f.children {
			var st unix.Stat_t
			if dir.stat(path.Base(r.keep.manifest.Entries[n].Path), &st) == nil {
				saw(n, inodeOf(&st))
			}
		}
		return nil
	})
}

// refresh takes down the new change times. What fails here costs the next
// delivery time and nothing else. A file that was written meanwhile shows it
// by its modification time, and is left to be read.
func (r *retained) refresh(ctx context.Context) {
	if r == nil {
		return
	}
	defer r.top.close()
	r.look(r.shared, func(n int, now inode) {
		if was := r.keep.inodes[n]; now.Number == was.Number && now.Modified == was.Modified {
			r.keep.inodes[n] = now
		}
	})
	unlock, err := r.lock(ctx)
	if err != nil {
		return
	}
	defer unlock()
	if _, there := r.shelved(r.id); there {
		_ = r.Local.keep(r.id, r.keep)
	}
}
