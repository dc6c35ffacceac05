package jobs_test

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/embedded"
	"autobuilder/jenkins"
	"autobuilder/jobs"
	"autobuilder/labtest"
)

// startEmbedded is an embedded Jenkins; no builds are run on it.
func startEmbedded(t *testing.T) *jenkins.Client {
	t.Helper()
	server, err := embedded.New(embedded.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.Close()
		assert.NoError(t, server.Close())
	})
	return newClient(t, web.URL)
}

// startHudson is a real Hudson, which rewrites every config.xml that it gets.
func startHudson(t *testing.T) *jenkins.Client {
	t.Helper()
	for _, tool := range []string{"java", "javac", "jar", "mvn", "curl"} {
		labtest.Program(t, tool)
	}
	port := strconv.Itoa(20000 + rand.IntN(12000)) // below those that are handed out to who wants any
	lab, state := filepath.Join("..", "..", "lab", "hudson"), t.TempDir()
	output, err := exec.Command(lab, "start", "--port", port, "--state", state).CombinedOutput()
	t.Cleanup(func() { assert.NoError(t, exec.Command(lab, "stop", "--state", state).Run()) })
	require.NoError(t, err, string(output))
	return newClient(t, "http://127.0.0.1:"+port)
}

func newClient(t *testing.T, url string) *jenkins.Client {
	t.Helper()
	client, err := jenkins.New(jenkins.Options{URL: url, Timeout: 20 * time.Second})
	require.NoError(t, err)
	return client
}

func TestSync(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) *jenkins.Client{"embedded": startEmbedded, "hudson": startHudson} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := start(t)
			t.Run("drift", func(t *testing.T) { healsDrift(t, client) })
			t.Run("foreign", func(t *testing.T) { leavesForeign(t, client) })
			t.Run("prune", func(t *testing.T) { prunes(t, client) })
		})
	}
}

func render(t *testing.T, names ...string) []jobs.Config {
	t.Helper()
	var projects []build.Project
	for _, name := range names {
		p := shop()
		p.Name = name
		projects = append(projects, p)
	}
	configs, err := open(t, "testdata").RenderAll(projects)
	require.NoError(t, err)
	return configs
}

func actions(changes []jobs.Change) map[string]jobs.Action {
	list := map[string]jobs.Action{}
	for _, change := range changes {
		list[change.Job] = change.Action
	}
	return list
}

func diff(t *testing.T, client *jenkins.Client, want []jobs.Config) []jobs.Change {
	t.Helper()
	changes, err := jobs.Diff(t.Context(), client, want)
	require.NoError(t, err)
	return changes
}

func sync(t *testing.T, client *jenkins.Client, want []jobs.Config, o jobs.Options) map[string]jobs.Action {
	t.Helper()
	var told []jobs.Change
	require.NoError(t, jobs.Sync(t.Context(), client, want, o, func(c jobs.Change) { told = append(told, c) }))
	return actions(told)
}

func healsDrift(t *testing.T, client *jenkins.Client) {
	want := render(t, "shop")
	changes := diff(t, client, want)
	require.Len(t, changes, 1)
	assert.Equal(t, jobs.Create, changes[0].Action)
	assert.Contains(t, changes[0].Diff, "+++ shop as it should be")

	assert.Equal(t, map[string]jobs.Action{"shop": jobs.Create}, sync(t, client, want, jobs.Options{}))
	changes = diff(t, client, want)
	require.Equal(t, jobs.Keep, changes[0].Action, changes[0].Diff)
	assert.Empty(t, changes[0].Diff)
	assert.Equal(t, map[string]jobs.Action{"shop": jobs.Keep}, sync(t, client, want, jobs.Options{}))

	edit(t, client, "shop", "echo done", "echo by hand &gt; /dev/null")
	changes = diff(t, client, want)
	require.Equal(t, jobs.Update, changes[0].Action)
	assert.Contains(t, changes[0].Diff, "-      <command>echo by hand &gt; /dev/null</command>")
	assert.Contains(t, changes[0].Diff, "+      <command>echo done</command>")

	assert.Equal(t, map[string]jobs.Action{"shop": jobs.Update}, sync(t, client, want, jobs.Options{}))
	changes = diff(t, client, want)
	assert.Equal(t, jobs.Keep, changes[0].Action, changes[0].Diff)
}

func leavesForeign(t *testing.T, client *jenkins.Client) {
	want := render(t, "ours", "theirs")
	foreign := strings.Replace(string(render(t, "theirs")[0].XML), jobs.Mark, "made by hand", 1)
	require.NoError(t, client.CreateJob(t.Context(), "theirs", []byte(foreign)))

	err := jobs.Sync(t.Context(), client, want, jobs.Options{}, func(c jobs.Change) { assert.Fail(t, "changed "+c.Job) })
	require.ErrorContains(t, err, "theirs: made by somebody else")
	assert.Equal(t, jobs.Create, actions(diff(t, client, want))["ours"], "nothing may be half done")

	told := sync(t, client, want, jobs.Options{Adopt: true})
	assert.Equal(t, jobs.Create, told["ours"])
	assert.Equal(t, jobs.Refuse, told["theirs"])
	assert.Equal(t, jobs.Keep, actions(diff(t, client, want))["theirs"])
}

func prunes(t *testing.T, client *jenkins.Client) {
	sync(t, client, render(t, "kept", "gone"), jobs.Options{})
	foreign := strings.Replace(string(render(t, "x")[0].XML), jobs.Mark, "made by hand", 1)
	require.NoError(t, client.CreateJob(t.Context(), "foreign", []byte(foreign)))

	want := render(t, "kept")
	assert.Equal(t, jobs.Delete, actions(diff(t, client, want))["gone"])
	assert.NotContains(t, actions(diff(t, client, want)), "foreign")
	assert.NotContains(t, sync(t, client, want, jobs.Options{}), "gone", "not without being told to")

	err := jobs.Sync(t.Context(), client, nil, jobs.Options{Prune: true}, func(jobs.Change) {})
	require.ErrorContains(t, err, "no projects are configured")

	assert.Equal(t, jobs.Delete, sync(t, client, want, jobs.Options{Prune: true})["gone"])
	names, err := client.Jobs(t.Context())
	require.NoError(t, err)
	assert.Contains(t, names, "foreign")
	assert.Contains(t, names, "kept")
	assert.NotContains(t, names, "gone")
}

func edit(t *testing.T, client *jenkins.Client, job, old, with string) {
	t.Helper()
	config, err := client.JobConfig(t.Context(), job)
	require.NoError(t, err)
	require.Contains(t, string(config), old)
	require.NoError(t, client.UpdateJob(t.Context(), job, []byte(strings.ReplaceAll(string(config), old, with))))
}

// shelf is a Jenkins that holds what a test puts there.
type shelf struct {
	jobs map[string]string
	err  error
}

func (s shelf) Jobs(context.Context) ([]string, error) {
	var names []string
	for name := range s.jobs {
		names = append(names, name)
	}
	return names, s.err
}

func (s shelf) JobConfig(_ context.Context, name string) ([]byte, error) {
	if config, ok := s.jobs[name]; ok {
		return []byte(config), nil
	}
	return nil, build.ErrNoJob
}

func (s shelf) CreateJob(context.Context, string, []byte) error { return s.err }
func (s shelf) UpdateJob(context.Context, string, []byte) error { return s.err }
func (s shelf) DeleteJob(context.Context, string) error         { return s.err }

// What other servers make of a config.xml that was sent to them, and what people do.
func TestDiffSeesWhatMatters(t *testing.T) {
	t.Parallel()
	want := render(t, "shop")
	text := string(want[0].XML)
	_, rotator, _ := strings.Cut(text, "<logRotator")
	rotator, _, _ = strings.Cut(rotator, "</logRotator>")
	rotator = "<logRotator" + rotator + "</logRotator>"
	strategy := strings.NewReplacer("<logRotator", "<jenkins.model.BuildDiscarderProperty><strategy", "</logRotator>", "</strategy></jenkins.model.BuildDiscarderProperty>").Replace(rotator)
	for name, c := range map[string]struct {
		edits []string
		want  jobs.Action
	}{
		"nothing":                {nil, jobs.Keep},
		"xml 1.1":                {[]string{`version="1.0"`, `version='1.1'`}, jobs.Keep},
		"indentation":            {[]string{"\n  <", "\n\t\t<"}, jobs.Keep},
		"long empty elements":    {[]string{"<triggers/>", "<triggers>\n  </triggers>"}, jobs.Keep},
		"a plugin's version":     {[]string{"<hudson.tasks.Shell>", `<hudson.tasks.Shell plugin="core@2.479">`}, jobs.Keep},
		"defaults spelled out":   {[]string{"<project>", "<project><actions/><blockBuildWhenUpstreamBuilding>false</blockBuildWhenUpstreamBuilding>"}, jobs.Keep},
		"another order":          {[]string{"<quietPeriod>0</quietPeriod>", "", "<project>", "<project><quietPeriod>0</quietPeriod>"}, jobs.Keep},
		"quotes written out":     {[]string{`"$COMMIT`, `&quot;$COMMIT`}, jobs.Keep},
		"a comment":              {[]string{"<builders>", "<!-- x --><builders>"}, jobs.Keep},
		"the newer discarder":    {[]string{rotator, "", "<properties>", "<properties>" + strategy}, jobs.Keep},
		"fewer builds kept":      {[]string{">30<", ">3<"}, jobs.Update},
		"a disabled job":         {[]string{"<disabled>false", "<disabled>true"}, jobs.Update},
		"a trigger":              {[]string{"<triggers/>", "<triggers><hudson.triggers.TimerTrigger><spec>@daily</spec></hudson.triggers.TimerTrigger></triggers>"}, jobs.Update},
		"a publisher":            {[]string{"<publishers/>", "<publishers><a.Publisher/></publishers>"}, jobs.Keep}, // it has no settings at all
		"a repository":           {[]string{`<scm class="hudson.scm.NullSCM"/>`, `<scm class="hudson.plugins.git.GitSCM"/>`}, jobs.Update},
		"a step":                 {[]string{"echo done", "echo fine"}, jobs.Update},
		"steps in another order": {[]string{"echo done", "@", "#!/bin/bash", "echo done", "@", "#!/bin/bash"}, jobs.Update},
		"a parameter's default":  {[]string{"<defaultValue></defaultValue>", "<defaultValue>x</defaultValue>"}, jobs.Update},
		"no mark":                {[]string{jobs.Mark, "mine"}, jobs.Refuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			have := text
			for i := 0; i < len(c.edits); i += 2 {
				require.Contains(t, have, c.edits[i])
				have = strings.ReplaceAll(have, c.edits[i], c.edits[i+1])
			}
			changes, err := jobs.Diff(t.Context(), shelf{jobs: map[string]string{"shop": have}}, want)
			require.NoError(t, err)
			require.Len(t, changes, 1)
			assert.Equal(t, c.want, changes[0].Action, changes[0].Diff)
			assert.Equal(t, c.want == jobs.Keep, changes[0].Diff == "")
		})
	}
}

func TestDiffAndSyncTellOfFailures(t *testing.T) {
	t.Parallel()
	want := render(t, "shop")
	_, err := jobs.Diff(t.Context(), shelf{err: assert.AnError}, want)
	require.ErrorIs(t, err, assert.AnError)
	_, err = jobs.Diff(t.Context(), shelf{jobs: map[string]string{"shop": "<project>"}}, want)
	require.ErrorContains(t, err, "job shop: its config.xml in jenkins: not xml")
}

func FuzzDiffIsStable(f *testing.F) {
	config, err := os.ReadFile("testdata/hudson.xml")
	require.NoError(f, err)
	f.Add(string(config))
	f.Add("<project><a class='x'>  <b/> c </a></project>")
	f.Add("<project><project-properties><entry/></project-properties></project>")
	f.Fuzz(func(t *testing.T, config string) {
		changes, err := jobs.Diff(t.Context(), shelf{jobs: map[string]string{"a": config}}, []jobs.Config{{Job: "a", XML: []byte(config)}})
		if err == nil {
			require.Empty(t, changes[0].Diff)
		}
	})
}
