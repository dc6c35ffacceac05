package rules

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Release picks from the tags of a commit the one that names its release: the
// highest version that the glob lets through. A tag that is no version is a name
// only.
func Release(glob string, tags []string) (tag, version string) {
	fitting := slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return !matches(glob, t) })
	if len(fitting) == 0 {
		return "", ""
	}
	tag = slices.MaxFunc(fitting, compare)
	if semver.IsValid(canonical(tag)) {
		version = tag
	}
	return tag, version
}

// compare sorts versions by their meaning, above all that are none.
func compare(a, b string) int {
	return cmp.Or(semver.Compare(canonical(a), canonical(b)), strings.Compare(a, b))
}

var (
	numbers   = regexp.MustCompile(`^[0-9]+(\.[0-9]+){0,2}`)
	zeroes    = regexp.MustCompile(`(^|\.)0+([0-9])`)
	described = regexp.MustCompile(`-[0-9]+-g[0-9a-f]{4,}$`)
)

// canonical is a version as package semver wants it: with the v that a tag may
// lack, and without the zeros that calendars put before a month.
func canonical(tag string) string {
	bare := strings.TrimPrefix(tag, "v")
	return "v" + numbers.ReplaceAllStringFunc(bare, func(n string) string {
		return zeroes.ReplaceAllString(n, "$1$2")
	})
}

// base is the version that a commit stands on: what git describe says, without
// how far the commit is from there.
func base(version string) string {
	bare := canonical(described.ReplaceAllString(version, ""))
	if !semver.IsValid(bare) {
		return ""
	}
	return bare
}

// Change is how far a version is from another.
type Change string

// The kinds of changes.
const (
	NoVersion  Change = "unknown" // one of them is no version
	Same       Change = "same"
	Patch      Change = "patch"
	Minor      Change = "minor"
	Major      Change = "major" // of 0.x also the minor: it promises nothing
	Downgrade  Change = "downgrade"
	PreRelease Change = "pre-release"
)

// Compare says what putting the version next in the place of live changes. A
// pre-release is one whatever it is compared with.
func Compare(live, next string) Change {
	from, to := base(live), base(next)
	switch {
	case to != "" && semver.Prerelease(to) != "":
		return PreRelease
	case from == "" || to == "":
		return NoVersion
	case semver.Compare(to, from) < 0:
		return Downgrade
	case semver.Compare(to, from) == 0:
		return Same
	case semver.Major(from) != semver.Major(to):
		return Major
	case semver.MajorMinor(from) == semver.MajorMinor(to):
		return Patch
	case semver.Major(to) == "v0":
		return Major
	}
	return Minor
}
