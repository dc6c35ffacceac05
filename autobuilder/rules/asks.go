// Package rules decides what a push asks for. It touches nothing: what it needs
// to know of the repository and of earlier builds it is told.
package rules

import (
	"fmt"
	"path"
	"strings"

	"autobuilder/build"
)

// Asks says whether a push may concern the project, as far as the push alone
// can tell, and if not, why.
func Asks(push build.Push, project build.Project) (why string, ok bool) {
	if push.Project != "" {
		return fmt.Sprintf("it was triggered for project %s", push.Project), push.Project == project.Name
	}
	switch {
	case !strings.EqualFold(push.Repo, project.Repo):
		return fmt.Sprintf("repository %s is not %s", push.Repo, project.Repo), false
	case push.Deleted:
		return fmt.Sprintf("%s was deleted", shortRef(push.Ref)), false
	case push.Tag() == "" && push.Branch() == "":
		return fmt.Sprintf("%s is neither a branch nor a tag", push.Ref), false
	case push.Branch() != "" && push.Branch() != project.Branch:
		return fmt.Sprintf("branch %s is not %s", push.Branch(), project.Branch), false
	case push.Tag() != "" && !matches(project.Tags, push.Tag()):
		return fmt.Sprintf("tag %s does not match %s", push.Tag(), project.Tags), false
	}
	if marker := skipMarker(push.Message); marker != "" {
		return fmt.Sprintf("the commit says %s", marker), false
	}
	return "", true
}

// Unknown is why a push that no project's repository fits is ignored.
func Unknown(repo string) string {
	return fmt.Sprintf("no project has the repository %s", repo)
}

// NoPush is why an event that is no push is ignored.
func NoPush(event string) string {
	if event == "ping" {
		return "the webhook is set up"
	}
	return fmt.Sprintf("event %s asks for no build: only pushes do", event)
}

func skipMarker(message string) string {
	lower := strings.ToLower(message)
	for _, marker := range []string{"[skip ci]", "[ci skip]"} {
		if strings.Contains(lower, marker) {
			return marker
		}
	}
	return ""
}

func matches(glob, tag string) bool {
	ok, err := path.Match(glob, tag)
	return err == nil && ok
}

func shortRef(ref string) string {
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		return "tag " + tag
	}
	if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		return "branch " + branch
	}
	return ref
}
