package host

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"deliver/manifest"
)

// Forgotten are the files of release id that would have to be read again,
// since they show something else than any release remembers of them.
func (l *Local) Forgotten(id string) ([]string, error) {
	k, err := l.kept(id)
	if err != nil {
		return nil, err
	}
	known := l.known()
	var forgotten []string
	for _, e := range k.manifest.Entries {
		var st unix.Stat_t
		if e.Kind != manifest.File {
			continue
		}
		if unix.Lstat(filepath.Join(l.releaseDir(id), e.Path), &st) != nil || known[inodeOf(&st)] != e.Digest {
			forgotten = append(forgotten, e.Path)
		}
	}
	return forgotten, nil
}
