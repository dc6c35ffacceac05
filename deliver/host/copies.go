package host

import (
	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// copies are the entries with one content, by its key.
type copies map[manifest.Digest][]int

// unsettled are the copies of what is not made or not known whole when they are asked
// for the first time, which in an update that changes little is little.
func (a *assembly) unsettled() copies {
	found := copies{}
	for n := range a.target.Entries {
		if a.target.Entries[n].Kind == manifest.File && (!a.made[n] || !a.target.Whole(n)) {
			found[a.keys[n]] = nil
		}
	}
	for n := range a.target.Entries {
		if a.target.Entries[n].Kind != manifest.File {
			continue
		}
		if all, is := found[a.keys[n]]; is {
			found[a.keys[n]] = append(all, n)
		}
	}
	return found
}

// duplicate makes the files whose content another path of the release has, and
// those without any. Each is a file of its own, as in the archive.
func (a *assembly) duplicate() error {
	sources := map[manifest.Digest]int{}
	for key, entries := range a.copies() {
		for _, n := range entries {
			if a.made[n] {
				sources[key] = n
			}
		}
	}
	return a.each(a.wanted(), func(dir dirFD, f family) error {
		for _, n := range f.children {
			if err := a.duplicateOne(dir, n, sources); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *assembly) duplicateOne(dir dirFD, n int, sources map[manifest.Digest]int) error {
	if a.target.Entries[n].Size == 0 {
		_, err := a.write(dir, n, nil)
		return err
	}
	from, ok := sources[a.keys[n]]
	if !ok {
		return nil // it is lacking
	}
	fd, err := a.top.read(a.target.Entries[from].Path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return a.copyFrom(fd, dir, n)
}

// lacking are the positions, among the contents of the target, of those that
// are to be had from elsewhere.
func (a *assembly) lacking() []Range {
	some := false
	for _, entries := range a.copies() {
		some = some || a.lacksAll(entries)
	}
	if !some {
		return nil // which mostly is so, and takes less to know than where each content stands
	}
	var found []Range
	for at, n := range a.target.Contents() {
		if !a.lacksAll(a.copies()[a.keys[n]]) {
			continue
		}
		if last := len(found) - 1; last >= 0 && found[last][1] == at {
			found[last][1]++
		} else {
			found = append(found, Range{at, at + 1})
		}
	}
	return found
}

// lacksAll says whether nothing was made of a content, of which these are the
// entries as far as they are not settled, and something is to be: a file, or at least its digest.
func (a *assembly) lacksAll(entries []int) bool {
	wanted, known := false, false
	for _, n := range entries {
		if a.made[n] || a.target.Entries[n].Size == 0 {
			return false
		}
		wanted, known = wanted || !a.spared[n], known || a.target.Whole(n)
	}
	return wanted || (!known && len(entries) > 0)
}

// complete fills in the digests of the files that have the content of another one.
func (a *assembly) complete() {
	for _, entries := range a.copies() {
		var d manifest.Digest
		for _, n := range entries {
			if a.target.Whole(n) {
				d = a.target.Entries[n].Digest
			}
		}
		for _, n := range entries {
			a.target.Complete(n, d)
		}
	}
}
