package host

import (
	"context"
	"path"
	"sync"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// retained is the current release while others are removed. A file that it
// shares with them shows a new change time once it has lost a name: what is
// remembered of it would no longer hold, and the next delivery would have to
// read every file.
type retained struct {
	*Local
	id     string
	keep   *keeping
	site   *site
	shared []int // entries of files that are what they were
}

// retain looks at what the current release shares with others, before some of
// these are removed. It is nil where nothing is known of that.
func (l *Local) retain() *retained {
	id, err := l.currentID()
	if err != nil || id == "" {
		return nil
	}
	k, err := l.kept(id)
	if err != nil {
		return nil
	}
	at, err := l.openRelease(id, k)
	if err != nil {
		return nil
	}
	r := &retained{Local: l, id: id, keep: k, site: at}
	r.lookBefore()
	return r
}

// lookBefore finds the files that have other names, too, and still have their
// content.
func (r *retained) lookBefore() {
	known := sync.OnceValue(r.known)
	is := make([]bool, len(r.keep.inodes))
	var files []int
	for n, i := range r.keep.inodes {
		if i.Number != 0 && r.keep.manifest.Entries[n].Kind == manifest.File {
			files = append(files, n)
		}
	}
	r.look(files, func(n int, st *unix.Stat_t) {
		now := inodeOf(st)
		if st.Nlink > 1 && (now == r.keep.inodes[n] || known()[now] == r.keep.manifest.Entries[n].Digest) {
			r.keep.inodes[n], is[n] = now, true
		}
	})
	for _, n := range files {
		if is[n] {
			r.shared = append(r.shared, n)
		}
	}
}

// look calls saw for each of the entries that is there, some at a time.
func (r *retained) look(numbers []int, saw func(n int, st *unix.Stat_t)) {
	_ = eachFamily(r.site.open, r.keep.manifest, numbers, func(dir dirFD, f family) error {
		for _, n := range f.children {
			var st unix.Stat_t
			if dir.stat(path.Base(r.keep.manifest.Entries[n].Path), &st) == nil {
				saw(n, &st)
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
	defer r.site.close()
	if len(r.shared) == 0 {
		return
	}
	r.look(r.shared, func(n int, st *unix.Stat_t) {
		now := inodeOf(st)
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
