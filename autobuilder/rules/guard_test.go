package rules_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"autobuilder/build"
	"autobuilder/rules"
)

// What a version leads to, given what is live.
func TestVersionsAgainstWhatIsLive(t *testing.T) {
	t.Parallel()
	const goes, held, not = "goes", "held", "ignored"
	tags := func(names ...string) []string { return names }
	tests := []struct {
		name string
		live string
		tags []string
		want string
		why  string
	}{
		{"the first release of all", "", tags("v1.0.0"), goes, ""},
		{"the first, a major", "", tags("v7.0.0"), goes, ""},
		{"the first, of 0.x", "", tags("v0.1.0"), goes, ""},
		{"the first, a pre-release", "", tags("v1.0.0-rc.1"), not, "v1.0.0-rc.1 is a pre-release"},
		{"a patch", "v1.2.3", tags("v1.2.4"), goes, ""},
		{"a patch of two digits", "v1.2.9", tags("v1.2.10"), goes, ""},
		{"a patch that skips some", "v1.2.3", tags("v1.2.9"), goes, ""},
		{"a minor", "v1.2.3", tags("v1.3.0"), goes, ""},
		{"a minor of two digits", "v1.9.0", tags("v1.10.0"), goes, ""},
		{"a major", "v1.2.3", tags("v2.0.0"), held, "v2.0.0 is a major release: v1.2.3 is live"},
		{"a major and more", "v1.2.3", tags("v2.1.7"), held, "v2.1.7 is a major"},
		{"a major of two digits", "v9.2.3", tags("v10.0.0"), held, "v10.0.0 is a major"},
		{"two majors at once", "v1.2.3", tags("v3.0.0"), held, "v3.0.0 is a major"},
		{"a patch of 0.x", "v0.3.1", tags("v0.3.2"), goes, ""},
		{"a minor of 0.x", "v0.3.1", tags("v0.4.0"), held, "v0.4.0 is a major"},
		{"out of 0.x", "v0.9.9", tags("v1.0.0"), held, "v1.0.0 is a major"},
		{"0.0.x", "v0.0.3", tags("v0.0.4"), goes, ""},
		{"out of 0.0.x", "v0.0.3", tags("v0.1.0"), held, "v0.1.0 is a major"},
		{"a release candidate", "v1.2.3", tags("v1.3.0-rc.1"), not, "v1.3.0-rc.1 is a pre-release"},
		{"an alpha of a major", "v1.2.3", tags("v2.0.0-alpha"), not, "pre-release"},
		{"a pre-release of what is live", "v1.2.3", tags("v1.2.3-rc.2"), not, "pre-release"},
		{"a candidate and the release on one commit", "v1.2.3", tags("v1.3.0-rc.1", "v1.3.0"), goes, ""},
		{"out of a candidate that somebody deployed", "v1.3.0-rc.1", tags("v1.3.0"), goes, ""},
		{"out of a candidate of a major", "v2.0.0-rc.1", tags("v2.0.0"), goes, ""},
		{"build metadata", "v1.2.3", tags("v1.2.4+build.7"), goes, ""},
		{"build metadata only", "v1.2.3", tags("v1.2.3+build.7"), goes, ""},
		{"build metadata of a major", "v1.2.3+a", tags("v2.0.0+b"), held, "v2.0.0+b is a major"},
		{"the version that is live, on another commit", "v1.2.3", tags("v1.2.3"), goes, ""},
		{"a patch back", "v1.2.3", tags("v1.2.2"), not, "v1.2.2 is older than v1.2.3, which is live"},
		{"a minor back", "v1.2.3", tags("v1.1.9"), not, "older"},
		{"a major back", "v2.0.0", tags("v1.9.9"), not, "older"},
		{"numbers, not letters", "v1.10.0", tags("v1.9.0"), not, "older"},
		{"two tags on one commit: the highest", "v1.2.3", tags("v1.2.4", "v1.10.0", "v1.9.0"), goes, ""},
		{"two tags, the highest a major", "v1.2.3", tags("v1.2.4", "v2.0.0"), held, "v2.0.0 is a major"},
		{"two tags, one older", "v1.2.3", tags("v1.0.0", "v1.2.4"), goes, ""},
		{"a name beside a version", "v1.2.3", tags("very-good", "v1.2.4"), goes, ""},
		{"a name that is no version", "v1.2.3", tags("vacation"), goes, ""},
		{"live is no version", "vacation", tags("v9.0.0"), goes, ""},
		{"no tag at all", "v1.2.3", nil, goes, ""},
		{"no tag, nothing live", "", nil, goes, ""},
		{"live is past a tag", "v1.2.3-4-gabcdef0", tags("v1.2.4"), goes, ""},
		{"live is past a tag, a major", "v1.2.3-4-gabcdef0", tags("v2.0.0"), held, "v2.0.0 is a major"},
		{"live is past a tag that comes again", "v1.2.3-4-gabcdef0", tags("v1.2.3"), goes, ""},
		{"live is a commit without any tag", "abcdef0", tags("v2.0.0"), goes, ""},
		{"short versions", "v1.2", tags("v1.3"), goes, ""},
		{"shortest versions", "v1", tags("v2"), held, "v2 is a major"},
		{"a calendar's patch", "v2026.11.1", tags("v2026.11.2"), goes, ""},
		{"a calendar's month", "v2026.11.1", tags("v2026.12.0"), goes, ""},
		{"a calendar's year", "v2026.12.3", tags("v2027.1.0"), held, "v2027.1.0 is a major"},
		{"a calendar with zeros", "v2026.09.01", tags("v2026.10.01"), goes, ""},
		{"a calendar with zeros, back", "v2026.10.01", tags("v2026.09.30"), not, "older"},
		{"four numbers are no version", "v1.2.3.4", tags("v2.0.0.0"), goes, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			facts := rules.Facts{Commit: one, Head: one, OnBranch: true, Tags: test.tags, Live: build.Live{Version: test.live}}
			v := rules.Decide(push("refs/heads/master"), shop(), facts)
			got := goes
			switch {
			case v.Do == rules.Ignore:
				got = not
			case v.Hold != "":
				got = held
			}
			assert.Equal(t, test.want, got, v.Why)
			assert.Contains(t, v.Why, test.why)
		})
	}
}

func TestTagsWithoutAV(t *testing.T) {
	t.Parallel()
	bare := shop(func(p *build.Project) { p.Tags = "[0-9]*" })
	for next, hold := range map[string]bool{"1.2.4": false, "1.3.0": false, "2.0.0": true} {
		for _, live := range []string{"1.2.3", "v1.2.3"} {
			facts := rules.Facts{Commit: one, Head: one, OnBranch: true, Tags: []string{next}, Live: build.Live{Version: live}}
			v := rules.Decide(push("refs/tags/"+next), bare, facts)
			assert.Equal(t, rules.Build, v.Do, next)
			assert.Equal(t, hold, v.Hold != "", "%s after %s", next, live)
			assert.Equal(t, next, v.Version)
		}
	}
}

func TestWhatDoesNotGoByItself(t *testing.T) {
	t.Parallel()
	live := build.Live{Version: "v1.2.3", Commit: two}
	at := func(change func(*rules.Facts), tags ...string) rules.Facts {
		f := rules.Facts{Commit: one, Head: one, OnBranch: true, Tags: tags, Live: live}
		if change != nil {
			change(&f)
		}
		return f
	}
	when := func(kind string) func(*build.Project) { return func(p *build.Project) { p.Hold.When = kind } }
	moved := func(f *rules.Facts) { f.TaggedAt = two }
	within := func(f *rules.Facts) { f.Within = "v2.0.0" }
	approved := func(f *rules.Facts) { f.Approved = true }
	waits := func(f *rules.Facts) { f.Earlier = &build.Build{State: build.Queued, Attempt: 1} }
	waitsMoved := func(f *rules.Facts) { waits(f); moved(f) }
	forced := func(p *build.Push) { p.Forced = true }
	master, tag := push("refs/heads/master"), push("refs/tags/v2.0.0")
	tests := []struct {
		name    string
		push    build.Push
		project build.Project
		facts   rules.Facts
		do      rules.Do
		hold    string
		why     string
	}{
		{"a moved tag", push("refs/tags/v1.3.0"), shop(), at(moved, "v1.3.0"), rules.Ignore, "", "tag v1.3.0 was moved: 2222222222 was built under it"},
		{"a moved tag, by its branch", master, shop(), at(moved, "v1.3.0"), rules.Ignore, "", "`autobuilder trigger shop --ref " + one + "` builds it all the same"},
		{"a moved tag, by hand", push("refs/tags/v1.3.0", byHand), shop(), at(moved, "v1.3.0"), rules.Build, "", "triggered by hand"},
		{"a moved tag on a commit that waits", push("refs/tags/v1.3.0"), shop(), at(waitsMoved, "v1.3.0"), rules.Retag, "was moved", ""},
		{"a pre-release, by hand", push("refs/tags/v1.3.0-rc.1", byHand), shop(), at(nil, "v1.3.0-rc.1"), rules.Build, "", "triggered by hand"},
		{"a downgrade, by hand", push("refs/tags/v1.0.0", byHand), shop(), at(nil, "v1.0.0"), rules.Build, "", "triggered by hand"},
		{"a downgrade, where the branch was forced back", push("refs/heads/master", forced), shop(), at(nil, "v1.0.0"), rules.Build, "", "pushed to master"},
		{"a major, by its tag", tag, shop(), at(nil, "v2.0.0"), rules.Build, "is a major release", "tag v2.0.0 was pushed: v2.0.0 is a major"},
		{"a major, by hand", push("refs/tags/v2.0.0", byHand), shop(), at(nil, "v2.0.0"), rules.Build, "is a major release", ""},
		{"a major that people let go before", tag, shop(), at(approved, "v2.0.0"), rules.Build, "", ""},
		{"a major where majors go", tag, shop(when("never")), at(nil, "v2.0.0"), rules.Build, "", ""},
		{"a tag on a commit that waits", push("refs/tags/v1.3.0"), shop(), at(waits, "v1.3.0"), rules.Retag, "", "gets the tag v1.3.0"},
		{"a major on a commit that waits", tag, shop(), at(waits, "v2.0.0"), rules.Retag, "is a major release", ""},
		{"a patch where all wait", master, shop(when("every")), at(nil, "v1.2.4"), rules.Build, "every release of shop waits", ""},
		{"no tag where all wait", master, shop(when("every")), at(nil), rules.Build, "every release of shop waits", ""},
		{"a commit that brings a major along", master, shop(), at(within), rules.Ignore, "", "it contains the major release v2.0.0, which was not delivered: v1.2.3 is live; tag it"},
		{"a patch that brings a major along", master, shop(), at(within, "v1.2.4"), rules.Build, "it contains the major release v2.0.0", ""},
		{"a commit that brings a major along, where majors go", master, shop(when("never")), at(within), rules.Build, "", ""},
		{"a commit that brings a major along, by hand", push("refs/heads/master", byHand), shop(), at(within), rules.Build, "it contains the major", ""},
		{"a tag off the branch", tag, shop(), rules.Facts{Commit: one, Head: two, Tags: []string{"v2.0.0"}, Live: live}, rules.Ignore, "", "is not on master"},
		{"a held build is joined", master, shop(), at(func(f *rules.Facts) { f.Earlier = &build.Build{State: build.Held, Tag: "v2.0.0", Why: "a major"} }, "v2.0.0"), rules.Join, "", "its build is held: a major"},
		{"a rejected build is not made again", master, shop(), at(func(f *rules.Facts) { f.Earlier = &build.Build{State: build.Rejected, Tag: "v2.0.0"} }, "v2.0.0"), rules.Join, "", "was rejected"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := rules.Decide(test.push, test.project, test.facts)
			assert.Equal(t, test.do, v.Do, v.Why)
			assert.Contains(t, v.Why, test.why)
			if test.hold == "" {
				assert.Empty(t, v.Hold)
				return
			}
			assert.Contains(t, v.Hold, test.hold)
		})
	}
}

func TestTheWayBack(t *testing.T) {
	t.Parallel()
	later := build.Live{Version: "v1.3.0", Commit: two, Release: "jenkins-shop-8"}
	good := &build.Build{State: build.Succeeded, Attempt: 1, Tag: "v1.2.0"}
	back := rules.Facts{Commit: one, Head: one, OnBranch: true, Tags: []string{"v1.2.0"}, Earlier: good, Live: later, Stored: "jenkins-shop-7"}
	with := func(change func(*rules.Facts)) rules.Facts {
		f := back
		change(&f)
		return f
	}
	twin := func(f *rules.Facts) {
		f.Earlier, f.Stored, f.Tags = nil, "", nil
		f.Twin, f.TwinOf = &build.Build{Tag: "v1.2.0", Version: "v1.2.0"}, "jenkins-shop-7"
	}
	master := push("refs/heads/master")
	tests := []struct {
		name    string
		push    build.Push
		facts   rules.Facts
		do      rules.Do
		release string
		why     string
	}{
		{"the branch pushed back", master, back, rules.Build, "jenkins-shop-7", "master was pushed back to v1.2.0: release jenkins-shop-7 is deployed again, nothing is built"},
		{"what is live already", master, with(func(f *rules.Facts) { f.Live.Commit = one }), rules.Join, "", "built before and succeeded"},
		{"what is live, but the later one is on its way", master, with(func(f *rules.Facts) { f.Live.Commit, f.Going = one, true }), rules.Build, "jenkins-shop-7", "pushed back"},
		{"a build that failed at some servers, and was delivered to the others", master, with(func(f *rules.Facts) {
			f.Earlier = &build.Build{State: build.Failed, Attempt: 1}
		}), rules.Build, "jenkins-shop-7", ""},
		{"a build that failed", master, with(func(f *rules.Facts) {
			f.Stored, f.Earlier = "", &build.Build{State: build.Failed, Attempt: 1}
		}), rules.Join, "", "built before and failed"},
		{"deliver told of no release", master, with(func(f *rules.Facts) { f.Stored = "" }), rules.Build, "", "is built again"},
		{"its tag is pushed again", push("refs/tags/v1.2.0"), back, rules.Join, "", "built before"},
		{"the branch has gone on", master, with(func(f *rules.Facts) { f.Head = two }), rules.Join, "", "built before"},
		{"nothing is known of what is live", master, with(func(f *rules.Facts) { f.Live = build.Live{} }), rules.Join, "", "built before"},
		{"a revert that is live", master, with(func(f *rules.Facts) {
			f.Earlier = &build.Build{State: build.Succeeded, Release: "jenkins-shop-8", Attempt: 1}
			f.Stored = ""
		}), rules.Join, "", "built before"},
		{"a revert that is not live any more", master, with(func(f *rules.Facts) {
			f.Earlier = &build.Build{State: build.Succeeded, Release: "jenkins-shop-5", Attempt: 1}
			f.Stored = ""
		}), rules.Build, "jenkins-shop-5", "pushed back"},
		{"a revert commit", master, with(twin), rules.Build, "jenkins-shop-7", "its files are those of v1.2.0: release jenkins-shop-7 is deployed again, nothing is built"},
		{"a revert commit with a tag of its own", master, with(func(f *rules.Facts) { twin(f); f.Tags = []string{"v1.3.1"} }), rules.Build, "", "pushed to master"},
		{"a revert commit by hand", push("refs/heads/master", byHand), with(twin), rules.Build, "", "triggered by hand"},
		{"a revert of what deliver did not tell of", master, with(func(f *rules.Facts) { twin(f); f.TwinOf = "" }), rules.Build, "", "pushed to master"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := rules.Decide(test.push, shop(), test.facts)
			assert.Equal(t, test.do, v.Do, v.Why)
			assert.Equal(t, test.release, v.Release)
			assert.Contains(t, v.Why, test.why)
			assert.Empty(t, v.Hold)
		})
	}
	assert.Equal(t, 2, rules.Decide(master, shop(), back).Attempt)
	assert.True(t, rules.Decide(master, shop(), back).Supersede)
	assert.Equal(t, "v1.2.0", rules.Decide(master, shop(), with(twin)).Version)
}

func TestGates(t *testing.T) {
	t.Parallel()
	live := build.Live{Version: "v1.2.3"}
	all := []string{"v1.0.0", "v1.9.0", "v2.0.0", "v3.0.0-rc.1", "v3.0.0", "nightly", "vacation"}
	assert.Equal(t, []string{"v2.0.0", "v3.0.0"}, rules.Gates(shop(), live, all))
	assert.Empty(t, rules.Gates(shop(), build.Live{}, all))
	assert.Empty(t, rules.Gates(shop(func(p *build.Project) { p.Hold.When = build.HoldNever }), live, all))
}

func TestWhoMayApprove(t *testing.T) {
	t.Parallel()
	hold := build.Hold{State: build.Waiting, By: "ada", Needed: 2}
	once := hold
	once.Acts = []build.Act{{Kind: build.ActHold, By: build.Itself}, {Kind: build.ActApprove, By: "grace"}}
	broken := hold
	broken.Problem = "release.md: line 3: no"
	two := build.Gate{Approvers: []string{"ada", "Grace"}, Approvals: 2}
	tests := []struct {
		name string
		gate build.Gate
		hold build.Hold
		by   string
		why  string // empty: they may
	}{
		{"anybody", build.Gate{}, hold, "joan", ""},
		{"who pushed it", build.Gate{}, hold, "ada", ""},
		{"who pushed it, where another is to", build.Gate{NotPusher: true}, hold, "Ada", "Ada pushed it"},
		{"another, where another is to", build.Gate{NotPusher: true}, hold, "grace", ""},
		{"an approver, in other letters", two, hold, "grace", ""},
		{"somebody else", two, hold, "joan", "joan is none of its approvers: ada, Grace"},
		{"the same again", two, once, "Grace", "Grace has approved it already: it needs 2 people"},
		{"the second", two, once, "ada", ""},
		{"nobody", build.Gate{}, hold, "", "nobody is named"},
		{"a checklist with a mistake", build.Gate{}, broken, "joan", "release.md: line 3: no: mend it"},
		{"under way", build.Gate{}, build.Hold{State: build.Approved}, "joan", "its checklist is under way"},
		{"rejected", build.Gate{}, build.Hold{State: build.Refused}, "joan", "it is refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			why := rules.MayApprove(test.gate, test.hold, test.by)
			if test.why == "" {
				assert.Empty(t, why)
				return
			}
			assert.Contains(t, why, test.why)
		})
	}
	assert.Empty(t, rules.MayReject(hold, "joan"))
	assert.Empty(t, rules.MayReject(build.Hold{State: build.Approved}, "joan"))
	assert.Contains(t, rules.MayReject(build.Hold{State: build.Expired}, "joan"), "it is expired")
	assert.Contains(t, rules.MayReject(hold, ""), "nobody")
}

func TestWhatMayBeTicked(t *testing.T) {
	t.Parallel()
	steps := func(states ...build.ItemState) build.Hold {
		h := build.Hold{State: build.Approved, Needed: 1}
		kinds := []build.ItemKind{build.ItemPerson, build.ItemDeploy, build.ItemPerson}
		for i, state := range states {
			h.Steps = append(h.Steps, build.Item{N: i + 1, Kind: kinds[i], Text: "t", State: state, By: "ada"})
		}
		return h
	}
	tests := []struct {
		name  string
		hold  build.Hold
		n     int
		again bool
		why   string
	}{
		{"the first", steps(build.ItemTodo, build.ItemTodo), 1, false, ""},
		{"out of order", steps(build.ItemTodo, build.ItemTodo, build.ItemTodo), 3, false, "step 1 comes first: t"},
		{"twice", steps(build.ItemDone, build.ItemTodo), 1, false, "step 1 was done by ada"},
		{"none of it", steps(build.ItemTodo), 2, false, "there is no step 2: it has 1"},
		{"number nought", steps(build.ItemTodo), 0, false, "there is no step 0"},
		{"autobuilder's own", steps(build.ItemDone, build.ItemDoing), 2, false, "step 2 is autobuilder's own"},
		{"autobuilder's own that failed", steps(build.ItemDone, build.ItemFailed), 2, false, ""},
		{"once more", steps(build.ItemDone, build.ItemFailed), 2, true, ""},
		{"once more what did not fail", steps(build.ItemTodo), 1, true, "only what failed is done again"},
		{"before it is approved", build.Hold{State: build.Waiting, Needed: 2}, 1, false, "it waits for approval: 0 of 2"},
		{"after all", build.Hold{State: build.Released}, 1, false, "it is released"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			why := rules.MayTick(test.hold, test.n, "ada", test.again)
			if test.why == "" {
				assert.Empty(t, why)
				return
			}
			assert.Contains(t, why, test.why)
		})
	}
	assert.Contains(t, rules.MayTick(steps(build.ItemTodo), 1, "", false), "nobody")
}
