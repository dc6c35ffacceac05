package build

import (
	"fmt"
	"slices"
	"strings"
)

// Chat says who may steer a project, by the names that approvers have, and from
// which rooms. Empty lists are everybody, and every room.
type Chat struct {
	Deploy   []string `yaml:"deploy"`
	Rollback []string `yaml:"rollback"`
	Lock     []string `yaml:"lock"`
	Rooms    []string `yaml:"rooms"`
}

// MayNot says why a list keeps somebody from doing something with a project;
// empty: it does not.
func MayNot(list []string, by, do, project string) string {
	if len(list) == 0 || slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(one, by) }) {
		return ""
	}
	return fmt.Sprintf("%s may not %s %s: %s may", by, do, project, strings.Join(list, ", "))
}
