package rules_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"autobuilder/build"
	"autobuilder/rules"
)

const (
	zero = "0000000000000000000000000000000000000000"
	one  = "1111111111111111111111111111111111111111"
	two  = "2222222222222222222222222222222222222222"
)

func shop(change ...func(*build.Project)) build.Project {
	p := build.Project{Name: "shop", Repo: "acme/shop"}
	p.Defaults()
	for _, c := range change {
		c(&p)
	}
	return p
}

func push(ref string, change ...func(*build.Push)) build.Push {
	p := build.Push{Repo: "acme/shop", Ref: ref, Before: two, After: one, Commit: one, Message: "add a till"}
	for _, c := range change {
		c(&p)
	}
	return p
}

func saying(message string) func(*build.Push) {
	return func(p *build.Push) { p.Message = message }
}

func deleted(p *build.Push) { p.Deleted, p.After, p.Commit = true, zero, "" }

func byHand(p *build.Push) { p.Project = "shop" }

func once(p *build.Push) { p.Project, p.Again = "shop", true }

func requireTag(p *build.Project) { p.RequireTag = true }

func each(p *build.Project) { p.Queue = build.QueueEach }

func TestAsks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		push    build.Push
		project build.Project
		why     string // empty: it may concern the project
	}{
		{"the branch", push("refs/heads/master"), shop(), ""},
		{"a tag", push("refs/tags/v1.2.0"), shop(), ""},
		{"the repository's name in other letters", push("refs/heads/master", func(p *build.Push) { p.Repo = "Acme/Shop" }), shop(), ""},
		{"another repository", push("refs/heads/master", func(p *build.Push) { p.Repo = "acme/till" }), shop(), "repository acme/till is not acme/shop"},
		{"a fork of the same name", push("refs/heads/master", func(p *build.Push) { p.Repo = "evil/shop" }), shop(), "repository evil/shop is not acme/shop"},
		{"another branch", push("refs/heads/topic"), shop(), "branch topic is not master"},
		{"a branch whose name begins alike", push("refs/heads/master2"), shop(), "branch master2 is not master"},
		{"a branch with the name in it", push("refs/heads/fix/master"), shop(), "branch fix/master is not master"},
		{"a branch is case sensitive", push("refs/heads/Master"), shop(), "branch Master is not master"},
		{"the project's own branch", push("refs/heads/main"), shop(func(p *build.Project) { p.Branch = "main" }), ""},
		{"master where the branch is main", push("refs/heads/master"), shop(func(p *build.Project) { p.Branch = "main" }), "branch master is not main"},
		{"the branch deleted", push("refs/heads/master", deleted), shop(), "branch master was deleted"},
		{"another branch deleted", push("refs/heads/topic", deleted), shop(), "branch topic was deleted"},
		{"a tag deleted", push("refs/tags/v1.2.0", deleted), shop(), "tag v1.2.0 was deleted"},
		{"a tag that is no release", push("refs/tags/build-7"), shop(), "tag build-7 does not match v*"},
		{"a tag by the project's own glob", push("refs/tags/release-7"), shop(func(p *build.Project) { p.Tags = "release-*" }), ""},
		{"a tag with a slash does not match", push("refs/tags/v1/x"), shop(), "tag v1/x does not match v*"},
		{"notes", push("refs/notes/commits"), shop(), "refs/notes/commits is neither a branch nor a tag"},
		{"a pull request's ref", push("refs/pull/7/head"), shop(), "refs/pull/7/head is neither a branch nor a tag"},
		{"[skip ci]", push("refs/heads/master", saying("typo [skip ci]")), shop(), "the commit says [skip ci]"},
		{"[ci skip]", push("refs/heads/master", saying("[ci skip] typo")), shop(), "the commit says [ci skip]"},
		{"[Skip CI] in other letters", push("refs/heads/master", saying("x [Skip CI]")), shop(), "the commit says [skip ci]"},
		{"[skip ci] in the body", push("refs/heads/master", saying("typo\n\nlong story\n[skip ci]\n")), shop(), "the commit says [skip ci]"},
		{"[skip ci] on a tag", push("refs/tags/v1.2.0", saying("typo [skip ci]")), shop(), "the commit says [skip ci]"},
		{"skip ci without brackets is prose", push("refs/heads/master", saying("we skip ci no more")), shop(), ""},
		{"no message", push("refs/heads/master", saying("")), shop(), ""},
		{"triggered for it", push("refs/heads/topic", byHand), shop(), ""},
		{"triggered for another project", push("refs/heads/master", func(p *build.Push) { p.Project = "till" }), shop(), "it was triggered for project till"},
		{"triggered with [skip ci]", push("refs/heads/master", byHand, saying("[skip ci]")), shop(), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			why, ok := rules.Asks(test.push, test.project)
			assert.Equal(t, test.why == "", ok)
			if !ok {
				assert.Equal(t, test.why, why)
			}
		})
	}
}

func TestDecideOnTheFirstPushOfACommit(t *testing.T) {
	t.Parallel()
	atHead := rules.Facts{Commit: one, Head: one, OnBranch: true}
	behind := rules.Facts{Commit: one, Head: two, OnBranch: true}
	tagged := func(f rules.Facts, tags ...string) rules.Facts {
		f.Tags = tags
		return f
	}
	headBuilt := func(f rules.Facts) rules.Facts {
		f.HeadBuilt = true
		return f
	}
	tests := []struct {
		name    string
		push    build.Push
		project build.Project
		facts   rules.Facts
		want    rules.Verdict
	}{
		{
			"a push", push("refs/heads/master"), shop(), atHead,
			rules.Verdict{Do: rules.Build, Why: "pushed to master", Attempt: 1, Supersede: true},
		},
		{
			"a push of a commit that is tagged already", push("refs/heads/master"), shop(), tagged(atHead, "v1.2.0"),
			rules.Verdict{Do: rules.Build, Why: "pushed to master", Tag: "v1.2.0", Version: "v1.2.0", Attempt: 1, Supersede: true},
		},
		{
			"the tag's push comes first", push("refs/tags/v1.2.0"), shop(), tagged(atHead, "v1.2.0"),
			rules.Verdict{Do: rules.Build, Why: "tag v1.2.0 was pushed", Tag: "v1.2.0", Version: "v1.2.0", Attempt: 1, Supersede: true},
		},
		{
			"two tags: the highest counts", push("refs/tags/v1.2.0"), shop(), tagged(atHead, "v1.2.0", "v1.10.0"),
			rules.Verdict{Do: rules.Build, Why: "tag v1.2.0 was pushed", Tag: "v1.10.0", Version: "v1.10.0", Attempt: 1, Supersede: true},
		},
		{
			"a tag that no glob lets through is none", push("refs/heads/master"), shop(), tagged(atHead, "nightly"),
			rules.Verdict{Do: rules.Build, Why: "pushed to master", Attempt: 1, Supersede: true},
		},
		{
			"require_tag without one", push("refs/heads/master"), shop(requireTag), atHead,
			rules.Verdict{Do: rules.Ignore, Why: "commit 1111111111 has no tag that matches v*, and require_tag is set"},
		},
		{
			"require_tag with a tag of another kind", push("refs/heads/master"), shop(requireTag), tagged(atHead, "nightly"),
			rules.Verdict{Do: rules.Ignore, Why: "commit 1111111111 has no tag that matches v*, and require_tag is set"},
		},
		{
			"require_tag with one", push("refs/heads/master"), shop(requireTag), tagged(atHead, "v1.0.0"),
			rules.Verdict{Do: rules.Build, Why: "pushed to master", Tag: "v1.0.0", Version: "v1.0.0", Attempt: 1, Supersede: true},
		},
		{
			"a tag that is gone", push("refs/tags/v1.2.0"), shop(), atHead,
			rules.Verdict{Do: rules.Ignore, Why: "tag v1.2.0 does not point to 1111111111 any more"},
		},
		{
			"a tag that is not on the branch", push("refs/tags/v1.2.0"), shop(), tagged(rules.Facts{Commit: one, Head: two}, "v1.2.0"),
			rules.Verdict{Do: rules.Ignore, Why: "commit 1111111111 is not on master"},
		},
		{
			"the branch was forced away", push("refs/heads/master"), shop(),
			rules.Facts{Commit: one, Head: two},
			rules.Verdict{Do: rules.Ignore, Why: "commit 1111111111 is not on master"},
		},
		{
			"the branch is gone", push("refs/heads/master"), shop(),
			rules.Facts{Commit: one},
			rules.Verdict{Do: rules.Ignore, Why: "commit 1111111111 is not on master"},
		},
		{
			"the branch went on, but its head has no build", push("refs/heads/master"), shop(), behind,
			rules.Verdict{Do: rules.Build, Why: "pushed to master", Attempt: 1},
		},
		{
			"the branch went on to a commit that builds", push("refs/heads/master"), shop(), headBuilt(behind),
			rules.Verdict{Do: rules.Ignore, Why: "master is already at 2222222222, which is built instead; `autobuilder trigger shop --ref " + one + "` builds this all the same"},
		},
		{
			"a tag on an older commit comes too late", push("refs/tags/v1.2.0"), shop(), tagged(headBuilt(behind), "v1.2.0"),
			rules.Verdict{Do: rules.Ignore, Why: "master is already at 2222222222, which is built instead; `autobuilder trigger shop --ref " + one + "` builds this all the same"},
		},
		{
			"each builds what the branch went on from", push("refs/heads/master"), shop(each), headBuilt(behind),
			rules.Verdict{Do: rules.Build, Why: "pushed to master", Attempt: 1},
		},
		{
			"each supersedes nothing", push("refs/heads/master"), shop(each), atHead,
			rules.Verdict{Do: rules.Build, Why: "pushed to master", Attempt: 1},
		},
		{
			"by hand, an older commit", push("refs/tags/v1.2.0", byHand), shop(), tagged(headBuilt(behind), "v1.2.0"),
			rules.Verdict{Do: rules.Build, Why: "triggered by hand", Tag: "v1.2.0", Version: "v1.2.0", Attempt: 1},
		},
		{
			"by hand, another branch", push("refs/heads/topic", byHand), shop(requireTag),
			rules.Facts{Commit: one, Head: two},
			rules.Verdict{Do: rules.Build, Why: "triggered by hand", Attempt: 1},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, rules.Decide(test.push, test.project, test.facts))
		})
	}
}

func TestDecideOnACommitThatHasABuild(t *testing.T) {
	t.Parallel()
	master, tag := push("refs/heads/master"), push("refs/tags/v1.2.0")
	hand, again := push("refs/heads/master", byHand), push("refs/heads/master", once)
	tests := []struct {
		name  string
		push  build.Push
		state build.State
		tag   string   // of the build
		tags  []string // of the commit
		head  string
		do    rules.Do
		why   string // a part of it
	}{
		{"the master push of the tag's build", master, build.Queued, "v1.2.0", []string{"v1.2.0"}, one, rules.Join, "already queued"},
		{"the tag of a build that waits", tag, build.Queued, "", []string{"v1.2.0"}, one, rules.Retag, "gets the tag v1.2.0"},
		{"a higher tag of a build that waits", push("refs/tags/v1.3.0"), build.Queued, "v1.2.0", []string{"v1.2.0", "v1.3.0"}, one, rules.Retag, "gets the tag v1.3.0"},
		{"a lower tag changes nothing", push("refs/tags/v1.1.0"), build.Queued, "v1.2.0", []string{"v1.2.0", "v1.1.0"}, one, rules.Join, "already queued"},
		{"the tag of a build that was sent", tag, build.Triggered, "", []string{"v1.2.0"}, one, rules.Join, "already triggered, without the tag v1.2.0, which came later"},
		{"the tag of a build that runs", tag, build.Running, "", []string{"v1.2.0"}, one, rules.Join, "already running, without the tag v1.2.0, which came later"},
		{"the tag that the build has", tag, build.Running, "v1.2.0", []string{"v1.2.0"}, one, rules.Join, "already running"},
		{"built with success", master, build.Succeeded, "", nil, one, rules.Join, "built before and succeeded"},
		{"built and failed", master, build.Failed, "", nil, one, rules.Join, "built before and failed; `autobuilder trigger shop --ref " + one + " --again`"},
		{"was lost", master, build.Lost, "", nil, one, rules.Join, "was lost"},
		{"was aborted", master, build.Aborted, "", nil, one, rules.Join, "was aborted"},
		{"the branch was pushed back to it", master, build.Succeeded, "v1.0.0", []string{"v1.0.0"}, one, rules.Join, "built before and succeeded"},
		{"was superseded, and the branch is somewhere else", tag, build.Superseded, "", []string{"v1.2.0"}, two, rules.Join, "was superseded"},
		{"was superseded, and the branch was pushed back to it", master, build.Superseded, "", nil, one, rules.Build, "pushed to master"},
		{"by hand while it runs", hand, build.Running, "", nil, one, rules.Join, "already running"},
		{"by hand after a failure", hand, build.Failed, "", nil, one, rules.Build, "triggered by hand"},
		{"by hand after it was lost", hand, build.Lost, "", nil, one, rules.Build, "triggered by hand"},
		{"by hand after success", hand, build.Succeeded, "", nil, one, rules.Join, "--again"},
		{"again by hand after success", again, build.Succeeded, "", nil, one, rules.Build, "triggered by hand"},
		{"again by hand while it runs", again, build.Running, "", nil, one, rules.Join, "already running"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			facts := rules.Facts{
				Commit: one, Head: test.head, OnBranch: true, Tags: test.tags,
				Earlier: &build.Build{ID: "b1", Attempt: 1, State: test.state, Tag: test.tag},
			}
			got := rules.Decide(test.push, shop(), facts)
			assert.Equal(t, test.do, got.Do)
			assert.Contains(t, got.Why, test.why)
			if test.do == rules.Build {
				assert.Equal(t, 2, got.Attempt)
			}
			if test.do == rules.Retag {
				assert.NotEmpty(t, got.Tag)
				assert.Equal(t, got.Tag, got.Version)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		glob    string
		tags    []string
		tag     string
		version string
	}{
		{"none", "v*", nil, "", ""},
		{"one", "v*", []string{"v1.2.0"}, "v1.2.0", "v1.2.0"},
		{"numbers, not letters", "v*", []string{"v1.9.0", "v1.10.0", "v1.2.0"}, "v1.10.0", "v1.10.0"},
		{"a release is above its candidates", "v*", []string{"v1.2.0-rc.1", "v1.2.0", "v1.2.0-rc.2"}, "v1.2.0", "v1.2.0"},
		{"a version is above a name", "v*", []string{"very-new", "v0.0.1"}, "v0.0.1", "v0.0.1"},
		{"a name is no version", "v*", []string{"very-new"}, "very-new", ""},
		{"without v", "[0-9]*", []string{"1.2.0", "1.10.0", "v2.0.0"}, "1.10.0", "1.10.0"},
		{"what the glob keeps out", "v1.*", []string{"v1.2.0", "v2.0.0"}, "v1.2.0", "v1.2.0"},
		{"two names of one version", "*", []string{"1.2.0", "v1.2.0"}, "v1.2.0", "v1.2.0"},
		{"a broken glob matches nothing", "v[", []string{"v1.2.0"}, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tag, version := rules.Release(test.glob, test.tags)
			assert.Equal(t, test.tag, tag)
			assert.Equal(t, test.version, version)
		})
	}
}

func TestTheRestHasWordsToo(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "no project has the repository acme/till", rules.Unknown("acme/till"))
	assert.Equal(t, "the webhook is set up", rules.NoPush("ping"))
	assert.Equal(t, "event issues asks for no build: only pushes do", rules.NoPush("issues"))
}
