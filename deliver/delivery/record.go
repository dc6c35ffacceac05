package delivery

import (
	"regexp"
	"strings"
	"time"

	"deliver/release"
)

// fill completes what is known of a release with what the build shows.
func fill(known, measured release.Record, from origin) release.Record {
	rec := known
	rec.SHA256, rec.Tree, rec.Size, rec.Files = measured.SHA256, measured.Tree, measured.Size, measured.Files
	rec.Once = measured.Once
	if rec.Commit == "" {
		rec.Commit = from.commit
	}
	if rec.Version == "" {
		rec.Version = from.version
	}
	if rec.Sequence == 0 && !from.when.IsZero() {
		rec.Sequence = from.when.Unix()
	}
	if rec.Created.IsZero() {
		rec.Created = time.Now().UTC().Truncate(time.Second)
	}
	if rec.ID == "" {
		rec.ID = name(rec) + "-" + rec.Tree[:8]
	}
	rec.ID = SafeID(rec.ID)
	return rec
}

// name is what people call the release, as far as it is known.
func name(rec release.Record) string {
	for _, s := range []string{rec.Version, rec.App} {
		if s != "" {
			return s
		}
	}
	return "release"
}

var unsafeInID = regexp.MustCompile(`[^A-Za-z0-9._+-]+`)

// SafeID makes of any text an id that is one path segment on every server and
// in every store.
func SafeID(s string) string {
	const longest = 100
	s = strings.TrimLeft(unsafeInID.ReplaceAllString(s, "-"), ".-")
	if len(s) > longest {
		s = s[:longest]
	}
	if s == "" {
		return "release"
	}
	return s
}
