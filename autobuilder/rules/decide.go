package rules

import (
	"fmt"
	"slices"

	"autobuilder/build"
)

// Facts are what the repository and the ledger say of a push's commit.
type Facts struct {
	Commit    string       // that is pushed
	Head      string       // commit of the project's branch now; empty: there is no such branch
	Tree      string       // its files; empty: not known
	OnBranch  bool         // the commit is the head or one of its ancestors
	Tags      []string     // that point to the commit now
	Earlier   *build.Build // the last attempt to build the commit, for the servers that are asked for
	HeadBuilt bool         // the head has a build, waiting, running or over
	Live      build.Live   // what runs on the servers
	Going     bool         // a build of another commit is on its way to them
	Stored    string       // release that the commit was delivered as
	Twin      *build.Build // of other commits with the same files, the last that was delivered
	TwinOf    string       // release that the twin was delivered as
	TaggedAt  string       // commit that was built under the tag, if it is another one
	Within    string       // highest tag below the commit that would have been held, and was never delivered
	Approved  bool         // people have let the commit go before, to all servers or to these
}

// Do is what a push leads to.
type Do string

// What a push can lead to.
const (
	Ignore Do = "ignore"
	Build  Do = "build" // a new build, or one that waits for people if Hold is set
	Join   Do = "join"  // the build that is there is its
	Retag  Do = "retag" // join, and the build gets the tag, as it still waits
)

// Verdict is what is done about a push, and why.
type Verdict struct {
	Do        Do
	Why       string
	Tag       string // of a new or retagged build
	Version   string
	Attempt   int    // of a new build
	Supersede bool   // builds of the project that still wait are dropped
	Hold      string // why the build waits for people; empty: it goes
	Release   string // stored release that is deployed again instead of a build
}

func ignore(format string, args ...any) Verdict {
	return Verdict{Do: Ignore, Why: fmt.Sprintf(format, args...)}
}

// Decide judges a push that Asks let through.
func Decide(push build.Push, project build.Project, facts Facts) Verdict {
	if push.Project == "" {
		if why := unfit(push, project, facts); why != "" {
			return ignore("%s", why)
		}
	}
	v := Verdict{Attempt: 1}
	v.Tag, v.Version = Release(project.Tags, facts.Tags)
	if push.Only != "" {
		return guard(some(v, push, facts), push, project, facts)
	}
	if push.Back {
		return asked(v, project, facts)
	}
	if facts.Earlier != nil {
		return guard(again(v, push, project, facts), push, project, facts)
	}
	if push.Project == "" && outrun(project, facts) {
		return ignore("%s is already at %s, which is built instead; `autobuilder trigger %s --ref %s` builds this all the same",
			project.Branch, short(facts.Head), project.Name, facts.Commit)
	}
	if v.Tag == "" && push.Project == "" && reverted(facts) {
		return revert(v, project, facts)
	}
	return guard(newBuild(v, push, project, facts), push, project, facts)
}

// unfit says why a push from GitHub is no release, now that the repository was
// asked.
func unfit(push build.Push, project build.Project, facts Facts) string {
	tag, _ := Release(project.Tags, facts.Tags)
	switch {
	case push.Tag() != "" && !slices.Contains(facts.Tags, push.Tag()):
		return fmt.Sprintf("tag %s does not point to %s any more", push.Tag(), short(facts.Commit))
	case !facts.OnBranch:
		return fmt.Sprintf("commit %s is not on %s", short(facts.Commit), project.Branch)
	case project.RequireTag && tag == "":
		return fmt.Sprintf("commit %s has no tag that matches %s, and require_tag is set", short(facts.Commit), project.Tags)
	}
	return ""
}

// outrun says whether the branch has gone on to a commit that is built: the
// older one would come after the newer.
func outrun(project build.Project, facts Facts) bool {
	return project.Queue != build.QueueEach && facts.Commit != facts.Head && facts.HeadBuilt
}

func newBuild(v Verdict, push build.Push, project build.Project, facts Facts) Verdict {
	v.Do = Build
	v.Supersede = project.Queue != build.QueueEach && facts.Commit == facts.Head
	v.Why = "pushed to " + project.Branch
	if push.Tag() != "" {
		v.Why = "tag " + push.Tag() + " was pushed"
	}
	if push.Project != "" {
		v.Why = "triggered by hand"
	}
	return v
}

// again judges a push whose commit has a build.
func again(v Verdict, push build.Push, project build.Project, facts Facts) Verdict {
	earlier := *facts.Earlier
	v.Attempt = earlier.Attempt + 1
	switch {
	case earlier.State == build.Queued && v.Tag != "" && v.Tag != earlier.Tag:
		return Verdict{Do: Retag, Tag: v.Tag, Version: v.Version, Why: "its build still waits and gets the tag " + v.Tag}
	case earlier.State == build.Held:
		return Verdict{Do: Join, Why: "its build is held: " + earlier.Why}
	case !earlier.State.Final():
		return Verdict{Do: Join, Why: "its build is already " + string(earlier.State) + untold(v.Tag, earlier)}
	case earlier.State == build.Superseded && facts.Commit == facts.Head:
		return newBuild(v, push, project, facts)
	case wentBack(push, project, facts):
		return goBack(v, project, facts)
	case push.Again || push.Project != "" && earlier.State != build.Succeeded:
		return newBuild(v, push, project, facts)
	}
	// A branch that was forced back to what is live leaves nothing to be done but
	// to forget what was to follow.
	forget := pushedBack(push, project, facts) && project.Queue != build.QueueEach
	return Verdict{Do: Join, Supersede: forget, Why: fmt.Sprintf("the commit was built before and %s%s; `autobuilder trigger %s --ref %s --again` builds it again",
		ended(earlier.State), untold(v.Tag, earlier), project.Name, facts.Commit)}
}

// untold tells of a tag that came too late for its build.
func untold(tag string, b build.Build) string {
	if tag == "" || tag == b.Tag {
		return ""
	}
	return fmt.Sprintf(", without the tag %s, which came later", tag)
}

func ended(state build.State) string {
	switch state {
	case build.Succeeded, build.Failed:
		return string(state)
	}
	return "was " + string(state)
}

func short(commit string) string {
	return commit[:min(len(commit), 10)]
}
