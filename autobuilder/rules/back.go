package rules

import (
	"fmt"

	"autobuilder/build"
)

// wentBack says whether the branch was pushed back to a commit that was built
// before, and that is not what runs on the servers.
func wentBack(push build.Push, project build.Project, facts Facts) bool {
	earlier := facts.Earlier
	delivered := facts.Stored != "" || earlier.State == build.Succeeded
	return push.Project == "" && push.Branch() == project.Branch && facts.Commit == facts.Head &&
		delivered && (facts.Going || facts.Live.Commit != "" && !isLive(facts))
}

// isLive says whether the servers run the commit, or a release that was
// deployed for it.
func isLive(facts Facts) bool {
	release := facts.Live.Release
	return facts.Live.Commit == facts.Commit ||
		release != "" && (release == facts.Stored || release == facts.Earlier.Release)
}

// goBack is the article's rollback: what was delivered before goes out again as
// it is stored.
func goBack(v Verdict, project build.Project, facts Facts) Verdict {
	v.Do, v.Release = Build, facts.Stored
	if v.Release == "" {
		v.Release = facts.Earlier.Release // it was itself the files of another
	}
	v.Supersede = project.Queue != build.QueueEach
	what := name(v.Tag, facts.Commit)
	if v.Release == "" {
		v.Why = fmt.Sprintf("%s was pushed back to %s, which is built again: deliver told of no release of it", project.Branch, what)
		return v
	}
	v.Why = fmt.Sprintf("%s was pushed back to %s: release %s is deployed again, nothing is built", project.Branch, what, v.Release)
	return v
}

// asked judges a wish to go back to a commit: it has to have been delivered.
func asked(v Verdict, project build.Project, facts Facts) Verdict {
	what := name(v.Tag, facts.Commit)
	earlier := facts.Earlier
	switch {
	case facts.Live.Commit != "" && isThere(facts):
		return ignore("%s is live already", what)
	case earlier != nil && !earlier.State.Final() && earlier.Release != "":
		return Verdict{Do: Join, Why: fmt.Sprintf("%s is on its way already", what)}
	case facts.Stored == "" && (earlier == nil || earlier.State != build.Succeeded):
		return ignore("%s was never delivered: there is nothing of it to go back to", what)
	case earlier == nil:
		facts.Earlier = &build.Build{}
	}
	v.Attempt = facts.Earlier.Attempt + 1
	v = goBack(v, project, facts)
	v.Why = fmt.Sprintf("back to %s, which is built again: deliver told of no release of it", what)
	if v.Release != "" {
		v.Why = fmt.Sprintf("back to %s: release %s is deployed again, nothing is built", what, v.Release)
	}
	return v
}

// isThere says whether the servers run the commit, and nothing else is on its way.
func isThere(facts Facts) bool { return facts.Live.Commit == facts.Commit && !facts.Going }

// reverted says whether the commit's files are those of a release that was
// delivered before.
func reverted(facts Facts) bool {
	return facts.Twin != nil && facts.TwinOf != ""
}

func revert(v Verdict, project build.Project, facts Facts) Verdict {
	v.Do, v.Release, v.Version = Build, facts.TwinOf, facts.Twin.Version
	v.Supersede = project.Queue != build.QueueEach && facts.Commit == facts.Head
	v.Why = fmt.Sprintf("its files are those of %s: release %s is deployed again, nothing is built",
		name(facts.Twin.Tag, facts.Twin.Commit), v.Release)
	return v
}

func name(tag, commit string) string {
	if tag != "" {
		return tag
	}
	return short(commit)
}
