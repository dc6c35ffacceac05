package build_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

func TestAProjectNeedsOnlyItsNameAndRepository(t *testing.T) {
	t.Parallel()
	p := build.Project{Name: "shop", Repo: "acme/shop"}
	p.Defaults()
	require.NoError(t, p.Validate())
	assert.Equal(t, build.Project{
		Name: "shop", Repo: "acme/shop", CloneURL: "https://github.com/acme/shop.git",
		Job: "shop", Branch: "master", Tags: "v*", Queue: build.QueueNewest, Template: "node",
		Hold: build.Gate{When: build.HoldMajor, Approvals: 1},
	}, p)
}

func TestWhatIsWrongWithAProject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*build.Project)
		field  string
	}{
		{"no name", func(p *build.Project) { p.Name = "" }, "name"},
		{"a name that walks", func(p *build.Project) { p.Name = "../shop" }, "name"},
		{"a name with a space", func(p *build.Project) { p.Name = "my shop" }, "name"},
		{"no repository", func(p *build.Project) { p.Repo = "" }, "repo"},
		{"an address for a repository", func(p *build.Project) { p.Repo = "https://github.com/acme/shop" }, "repo"},
		{"a clone URL that is an option", func(p *build.Project) { p.CloneURL = "--upload-pack=evil" }, "clone_url"},
		{"a clone URL with a password", func(p *build.Project) { p.CloneURL = "https://ada:secret@git.test/shop.git" }, "clone_url"},
		{"a job in a folder", func(p *build.Project) { p.Job = "a/b" }, "job"},
		{"a branch that is an option", func(p *build.Project) { p.Branch = "-D" }, "branch"},
		{"a branch that is a pattern", func(p *build.Project) { p.Branch = "release/*" }, "branch"},
		{"a broken glob", func(p *build.Project) { p.Tags = "v[" }, "tags"},
		{"a queue of no kind", func(p *build.Project) { p.Queue = "latest" }, "queue"},
		{"a parameter that is none", func(p *build.Project) { p.Parameters = map[string]string{"A B": "1"} }, "parameters"},
		{"a parameter of autobuilder's", func(p *build.Project) { p.Parameters = map[string]string{"COMMIT": "1"} }, "parameters"},
		{"a step without a script", func(p *build.Project) { p.Steps = []build.Step{{After: "setup", Run: " "}} }, "steps"},
		{"a step without a place", func(p *build.Project) { p.Steps = []build.Step{{Run: "true"}} }, "steps"},
		{"a timeout in the past", func(p *build.Project) { p.Timeout = -1 }, "timeout"},
		{"a variable that is none", func(p *build.Project) { p.Env = map[string]string{"A B": "1"} }, "env"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := build.Project{Name: "shop", Repo: "acme/shop"}
			p.Defaults()
			test.change(&p)
			var wrong *build.FieldError
			require.ErrorAs(t, p.Validate(), &wrong)
			assert.Equal(t, test.field, wrong.Field)
			assert.NotContains(t, wrong.Error(), "secret")
		})
	}
}

func TestCloneURLsOfAllKinds(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"https://git.test/acme/shop.git", "https://ada@git.test/acme/shop.git", "git@git.test:acme/shop.git",
		"ssh://git@git.test:2222/acme/shop.git", "/srv/git/shop.git", "file:///srv/git/shop.git",
	} {
		p := build.Project{Name: "shop", Repo: "acme/shop", CloneURL: url}
		p.Defaults()
		assert.NoError(t, p.Validate(), url)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	for _, s := range []build.State{build.Queued, build.Triggered, build.Running} {
		assert.False(t, s.Final(), s)
	}
	for _, s := range []build.State{build.Succeeded, build.Failed, build.Aborted, build.Lost, build.Superseded} {
		assert.True(t, s.Final(), s)
	}
}

func TestWhatARunOfJenkinsMeans(t *testing.T) {
	t.Parallel()
	tests := []struct {
		run   build.Run
		state build.State
	}{
		{build.Run{Queued: true}, build.Triggered},
		{build.Run{Number: 1, Building: true}, build.Running},
		{build.Run{Number: 1, Building: true, Result: "FAILURE"}, build.Running},
		{build.Run{Number: 1}, build.Running},
		{build.Run{Number: 1, Result: "SUCCESS"}, build.Succeeded},
		{build.Run{Number: 1, Result: "FAILURE"}, build.Failed},
		{build.Run{Number: 1, Result: "UNSTABLE"}, build.Failed},
		{build.Run{Number: 1, Result: "ABORTED"}, build.Aborted},
		{build.Run{Number: 1, Result: "NOT_BUILT"}, build.Aborted},
		{build.Run{Number: 1, Result: "FAILURE", Lost: true}, build.Lost},
	}
	for _, test := range tests {
		assert.Equal(t, test.state, test.run.State(), "%+v", test.run)
		assert.Equal(t, test.state.Final(), test.run.Over(), "%+v", test.run)
	}
}

func TestIDsAreNeverTheSame(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for range 1000 {
		id := build.NewID(now)
		assert.Regexp(t, `^20261123T120000-[a-z2-7]{10}$`, id)
		assert.False(t, seen[id])
		seen[id] = true
	}
}

func TestTheJobIsStartedWith(t *testing.T) {
	t.Parallel()
	b := build.Build{ID: "b1", Commit: "c1", Branch: "master", Tag: "v1.2.0", Version: "v1.2.0"}
	assert.Equal(t, map[string]string{
		"COMMIT": "c1", "BRANCH": "master", "TAG": "v1.2.0", "VERSION": "v1.2.0", "AUTOBUILDER_ID": "b1",
	}, b.Params())
}

func TestErrorsOfAFieldAreJoined(t *testing.T) {
	t.Parallel()
	p := build.Project{}
	err := p.Validate()
	var all interface{ Unwrap() []error }
	require.ErrorAs(t, err, &all)
	assert.Greater(t, len(all.Unwrap()), 3)
}

func TestWhatIsWrongWithAWatch(t *testing.T) {
	t.Parallel()
	limit := 5.0
	good := build.Watch{For: 10 * time.Minute, Prometheus: "http://p.test", Query: "errors > 1"}
	tests := []struct {
		name   string
		change func(*build.Watch)
		wants  string
	}{
		{"no time", func(w *build.Watch) { w.For = 0 }, "for is missing"},
		{"asked too seldom", func(w *build.Watch) { w.Every = time.Hour }, "must be more than nothing and fit into for"},
		{"more failures than answers", func(w *build.Watch) { w.Failures = 1000 }, "failures 1000"},
		{"two monitors", func(w *build.Watch) { w.Graphite = "http://g.test" }, "needs prometheus or graphite, one of them"},
		{"no monitor", func(w *build.Watch) { w.Prometheus = "" }, "needs prometheus or graphite, one of them"},
		{"no address", func(w *build.Watch) { w.Prometheus = "p.test" }, `"p.test" is no http(s) address`},
		{"no query", func(w *build.Watch) { w.Query = "" }, "query is missing"},
		{"a limit for Prometheus", func(w *build.Watch) { w.Above = &limit }, "above goes with graphite"},
		{"no limit for Graphite", func(w *build.Watch) { w.Prometheus, w.Graphite = "", "http://g.test" }, "above goes with graphite"},
	}
	for _, test := range tests {
		p := build.Project{Name: "shop", Repo: "acme/shop", Watch: good}
		test.change(&p.Watch)
		p.Defaults()
		require.ErrorContains(t, p.Validate(), test.wants, test.name)
	}
	p := build.Project{Name: "shop", Repo: "acme/shop", Watch: good}
	p.Defaults()
	require.NoError(t, p.Validate())
	assert.Equal(t, 15*time.Second, p.Watch.Every)
	assert.Equal(t, 3, p.Watch.Failures)
}
