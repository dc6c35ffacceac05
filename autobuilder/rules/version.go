package rules

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Release picks from the tags of a commit the one that names its release: the
// highest version that the glob lets through. A tag that is no semantic version
// is a name but no version.
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

func canonical(tag string) string {
	return "v" + strings.TrimPrefix(tag, "v")
}
