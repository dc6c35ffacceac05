package rules

import (
	"fmt"

	"autobuilder/build"
)

// guard keeps from going by itself what people should decide on: the version
// says which.
func guard(v Verdict, push build.Push, project build.Project, facts Facts) Verdict {
	if v.Do != Build && v.Do != Retag || v.Release != "" || facts.Earlier != nil && wentBack(push, project, facts) {
		return v
	}
	why, hint := unready(v, push, project, facts)
	if why != "" && push.Project == "" {
		if v.Do == Retag {
			v.Hold = why
			return v
		}
		return ignore("%s; %s", why, hint)
	}
	v.Hold = held(v, project, facts)
	if v.Hold != "" && push.Only != "" {
		v.Hold += "; it is to go " + build.ToOnly(push.Only)
	}
	if v.Hold != "" {
		v.Why += ": " + v.Hold
	}
	return v
}

// unready says why a version does not go by itself, and what to do if it shall.
func unready(v Verdict, push build.Push, project build.Project, facts Facts) (why, hint string) {
	hint = fmt.Sprintf("`autobuilder trigger %s --ref %s` builds it all the same", project.Name, facts.Commit)
	if v.Tag == "" {
		return contains(facts, project), "tag it to have it released, or `autobuilder trigger` it"
	}
	if facts.TaggedAt != "" {
		return fmt.Sprintf("tag %s was moved: %s was built under it", v.Tag, short(facts.TaggedAt)), hint
	}
	switch Compare(facts.Live.Version, v.Version) {
	case PreRelease:
		return fmt.Sprintf("%s is a pre-release", v.Tag), hint
	case Downgrade:
		if pushedBack(push, project, facts) {
			return "", ""
		}
		return fmt.Sprintf("%s is older than %s, which is live", v.Tag, facts.Live.Version), hint
	}
	return "", ""
}

// held says why a build waits for people; empty: it goes.
func held(v Verdict, project build.Project, facts Facts) string {
	switch {
	case facts.Approved || project.Hold.When == build.HoldNever:
		return ""
	case project.Hold.When == build.HoldEvery:
		return "every release of " + project.Name + " waits for people"
	case Compare(facts.Live.Version, v.Version) == Major:
		return fmt.Sprintf("%s is a major release: %s is live", v.Tag, facts.Live.Version)
	}
	return contains(facts, project)
}

func contains(facts Facts, project build.Project) string {
	if facts.Within == "" || project.Hold.When != build.HoldMajor {
		return ""
	}
	return fmt.Sprintf("it contains the major release %s, which was not delivered: %s is live", facts.Within, facts.Live.Version)
}

// pushedBack says whether the branch was put back to where it stood before.
func pushedBack(push build.Push, project build.Project, facts Facts) bool {
	return push.Forced && push.Branch() == project.Branch && facts.Commit == facts.Head
}

// Gates are the tags whose release would be held if it followed what is live.
// A commit that has one of them below it brings it along.
func Gates(project build.Project, live build.Live, tags []string) []string {
	var gates []string
	for _, tag := range tags {
		if project.Hold.When == build.HoldMajor && matches(project.Tags, tag) && Compare(live.Version, tag) == Major {
			gates = append(gates, tag)
		}
	}
	return gates
}
