package release

import (
	"regexp"
	"strings"

	"golang.org/x/mod/semver"
)

// OlderThan says whether the release comes before other in the order of the
// builds of one job, or of one app's commits where no job is known. Releases
// of which the order is not known are not older.
func (r Record) OlderThan(other Record) bool {
	if r.ID == other.ID || r.Sequence == 0 || other.Sequence == 0 {
		return false
	}
	return r.Job == other.Job && r.App == other.App && r.Sequence < other.Sequence
}

// Describe is what people call the release: its version beside its id.
func (r Record) Describe() string {
	if r.Version == "" || strings.Contains(r.ID, r.Version) {
		return r.ID
	}
	return r.Version + " (" + r.ID + ")"
}

// described is what git describe adds to the last tag.
var described = regexp.MustCompile(`-\d+-g[0-9a-f]{4,}$`)

// Newer says whether version is a tag of a final version that is higher than
// that of other, which may also be what git describe says.
func Newer(version, other string) bool {
	mine, its := canonical(version), canonical(described.ReplaceAllString(other, ""))
	return mine != "" && its != "" && semver.Prerelease(mine) == "" && semver.Compare(mine, its) > 0
}

// canonical is a semantic version as the semver package has it, empty for
// anything else.
func canonical(version string) string {
	v := "v" + strings.TrimPrefix(version, "v")
	if !semver.IsValid(v) {
		return ""
	}
	return semver.Canonical(v)
}
