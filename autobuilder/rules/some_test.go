package rules_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"autobuilder/build"
	"autobuilder/rules"
)

// A wish for some servers: it is always built, but held as one for all would be.
func TestSomeServers(t *testing.T) {
	t.Parallel()
	wish := push("refs/heads/topic", byHand, func(p *build.Push) { p.Only = "h1,h2" })
	again := push("refs/heads/topic", once, func(p *build.Push) { p.Only = "h1,h2" })
	live := build.Live{Version: "v1.2.3", Commit: two}
	at := func(earlier *build.Build, tags ...string) rules.Facts {
		return rules.Facts{Commit: one, Head: one, OnBranch: true, Tags: tags, Live: live, Earlier: earlier}
	}
	was := func(state build.State) *build.Build { return &build.Build{State: state, Attempt: 3, Only: "h1,h2"} }
	tests := []struct {
		name    string
		facts   rules.Facts
		do      rules.Do
		attempt int
		hold    string
		why     string
	}{
		{"the first", at(nil), rules.Build, 1, "", "triggered by hand to h1, h2 only"},
		{"one that went there before", at(was(build.Succeeded)), rules.Build, 4, "", "triggered by hand"},
		{"one that failed there before", at(was(build.Failed)), rules.Build, 4, "", "triggered by hand"},
		{"one that waits already", at(was(build.Queued)), rules.Join, 0, "", "its build to h1, h2 only is already queued"},
		{"one that is on its way", at(was(build.Running)), rules.Join, 0, "", "already running"},
		{"one that is held", at(was(build.Held)), rules.Join, 0, "", "already held"},
		{"a tag on one that waits", at(was(build.Queued), "v1.3.0"), rules.Join, 0, "", "already queued"},
		{"a major", at(nil, "v2.0.0"), rules.Build, 1, "v2.0.0 is a major release: v1.2.3 is live; it is to go to h1, h2 only", "a major"},
		{"a downgrade", at(nil, "v1.0.0"), rules.Build, 1, "", "triggered by hand"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := rules.Decide(wish, shop(), test.facts)
			assert.Equal(t, test.do, v.Do)
			assert.Equal(t, test.attempt, v.Attempt)
			assert.Equal(t, test.hold, v.Hold)
			assert.Contains(t, v.Why, test.why)
			assert.False(t, v.Supersede, "what waits for all servers goes on")
			assert.Empty(t, v.Release)
		})
	}
	stored := at(was(build.Succeeded), "v2.0.0")
	stored.Stored = "jenkins-shop-1"
	v := rules.Decide(wish, shop(), stored)
	assert.Equal(t, "release jenkins-shop-1 is deployed again to h1, h2 only, nothing is built", v.Why)
	assert.Equal(t, "jenkins-shop-1", v.Release)
	assert.Empty(t, v.Hold, "all servers had it")
	v = rules.Decide(again, shop(), stored)
	assert.Empty(t, v.Release, "where a build is asked for, it is built")
	assert.NotEmpty(t, v.Hold)
}
