package embedded_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

func TestEnvironmentOfABuild(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Env: []string{"PATH=" + os.Getenv("PATH"), "SET=by the server", "CI=false"}})
	out := filepath.Join(t.TempDir(), "env")
	f.create(t, "my job", strs("SET=by a parameter")+shells("env -0 > "+out+"; pwd"))
	require.Equal(t, "SUCCESS", f.run(t, "my job", url.Values{}).Result)

	text, err := os.ReadFile(out)
	require.NoError(t, err)
	got := strings.Split(string(text), "\x00")
	workspace := filepath.Join(f.dir, "workspace", "my job")
	for _, want := range []string{
		"CI=true", "BUILD_NUMBER=1", "BUILD_ID=1", "BUILD_DISPLAY_NAME=#1", "BUILD_TAG=jenkins-my job-1",
		"JOB_NAME=my job", "JOB_BASE_NAME=my job", "EXECUTOR_NUMBER=0", "NODE_NAME=built-in", "NODE_LABELS=built-in",
		"WORKSPACE=" + workspace, "JENKINS_HOME=" + f.dir, "HUDSON_HOME=" + f.dir,
		"JENKINS_URL=" + f.url + "/", "HUDSON_URL=" + f.url + "/",
		"JOB_URL=" + f.url + "/job/my%20job/", "BUILD_URL=" + f.url + "/job/my%20job/1/", "SET=by a parameter",
	} {
		assert.Contains(t, got, want)
	}
	assert.NotContains(t, string(text), "HOME=/root\x00USER", "only what the server was given")
	assert.Contains(t, f.console(t, "my job", 1), "\n"+workspace+"\n")
}

// What autobuilder is given in its environment (the webhook's secret, tokens)
// is not for the builds.
func TestSecretsOfTheServerStayWithIt(t *testing.T) {
	t.Setenv("GITHUB_WEBHOOK_SECRET", "hush")
	t.Setenv("LC_TEST", "kept")
	f := start(t, embedded.Options{})
	f.create(t, "job", shells("#!/bin/sh\nenv"))
	f.run(t, "job", nil)
	console := f.console(t, "job", 1)
	assert.NotContains(t, console, "hush")
	assert.Contains(t, console, "LC_TEST=kept")
	assert.Contains(t, console, "PATH=")
}

func TestSteps(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	for name, c := range map[string]struct {
		steps    []string
		result   string
		says     []string
		saysNone string
	}{
		"none":                   {nil, "SUCCESS", []string{"Finished: SUCCESS"}, "Build step"},
		"sh -xe":                 {[]string{"echo $((1+1)); false; echo after"}, "FAILURE", []string{"+ echo 2\n2\n", "+ false", "step 1 of 1 failed: exit status 1"}, "+ echo after"},
		"its own shell":          {[]string{"#!/bin/bash -eu\necho ${BASH_VERSION:+bash} $-"}, "SUCCESS", []string{"bash ehuB", "$ /bin/bash -eu "}, "+ "},
		"not set -e":             {[]string{"#!/bin/sh\nfalse\necho after"}, "SUCCESS", []string{"after"}, ""},
		"another language":       {[]string{"#!/usr/bin/awk -f\nBEGIN { print \"awk\" 3*4 }"}, "SUCCESS", []string{"awk12"}, ""},
		"no such shell":          {[]string{"#!/no/such/shell\nx"}, "FAILURE", []string{"/no/such/shell", "step 1 of 1 failed"}, ""},
		"the exit status":        {[]string{"exit 42"}, "FAILURE", []string{"exit status 42"}, ""},
		"a killed shell":         {[]string{"kill -9 $$"}, "FAILURE", []string{"signal: killed"}, ""},
		"the first bad one":      {[]string{"echo one", "exit 3", "echo three"}, "FAILURE", []string{"one", "step 2 of 3 failed"}, "three"},
		"line ends of windows":   {[]string{"echo one\r\necho two\r\n"}, "SUCCESS", []string{"one\n", "two\n"}, "\r"},
		"both outputs, in order": {[]string{"#!/bin/sh\necho 1; echo 2 >&2; echo 3"}, "SUCCESS", []string{"1\n2\n3\n"}, ""},
		"no input":               {[]string{"#!/bin/sh\ncat; echo end"}, "SUCCESS", []string{"end"}, ""},
		"an empty step":          {[]string{""}, "SUCCESS", nil, ""},
		"bytes that are no text": {[]string{`printf '\377\n'`}, "SUCCESS", []string{"\xff\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := strings.ReplaceAll(name, " ", "-")
			f.create(t, job, shells(c.steps...))
			build := f.run(t, job, nil)
			console := f.console(t, job, build.Number)
			assert.Equal(t, c.result, build.Result, console)
			for _, want := range c.says {
				assert.Contains(t, console, want)
			}
			if c.saysNone != "" {
				assert.NotContains(t, console, c.saysNone)
			}
			assert.True(t, strings.HasSuffix(console, "Finished: "+c.result+"\n"), console)
		})
	}
}

func TestStepsLeaveNothingBesideTheConsole(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", shells("ls -A", "true"))
	f.run(t, "job", nil)
	files, err := filepath.Glob(filepath.Join(f.dir, "jobs/job/builds/1/*"))
	require.NoError(t, err)
	assert.Len(t, files, 2, files)
	entries, err := os.ReadDir(filepath.Join(f.dir, "workspace/job"))
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestWorkspaces(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Executors: 3})
	own := filepath.Join(t.TempDir(), "own")
	f.create(t, "own", "<customWorkspace>"+own+"</customWorkspace>"+shells("pwd > here"))
	f.run(t, "own", nil)
	assert.FileExists(t, own+"/here")
	f.create(t, "relative", "<customWorkspace>some/where</customWorkspace>"+shells("pwd > here"))
	f.run(t, "relative", nil)
	assert.FileExists(t, f.dir+"/some/where/here")

	gate := newGate(t)
	f.create(t, "twice", "<concurrentBuild>true</concurrentBuild>"+strs("N")+shells(waiting(gate), "echo $EXECUTOR_NUMBER > executor"))
	first := f.number(t, f.trigger(t, "twice", url.Values{"N": {"1"}}))
	second := f.number(t, f.trigger(t, "twice", url.Values{"N": {"2"}}))
	open(t, gate)
	f.over(t, "twice", first)
	f.over(t, "twice", second)
	one, err := os.ReadFile(f.dir + "/workspace/twice/executor")
	require.NoError(t, err)
	two, err := os.ReadFile(f.dir + "/workspace/twice@2/executor")
	require.NoError(t, err)
	assert.Equal(t, "0\n1\n", string(one)+string(two))
}

func TestQueue(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Executors: 1})
	gate := newGate(t)
	f.create(t, "busy", strs("N")+shells(waiting(gate)))
	f.create(t, "other", strs("N")+shells("true"))
	first := f.number(t, f.trigger(t, "busy", url.Values{"N": {"1"}}))

	waits := f.trigger(t, "busy", url.Values{"N": {"2"}})
	assert.Equal(t, waits, f.trigger(t, "busy", url.Values{"N": {"2"}}), "the same again is the same item")
	different := f.trigger(t, "busy", url.Values{"N": {"3"}})
	assert.NotEqual(t, waits, different)
	other := f.trigger(t, "other", url.Values{"N": {"2"}})

	type queued struct {
		ID        int64
		Why       string
		Cancelled bool
		Task      struct{ Name string }
	}
	eventually(t, func() bool {
		var it queued
		f.decode(t, waits, &it)
		return it.Why == "Build #1 is already in progress" && it.Task.Name == "busy"
	})
	eventually(t, func() bool {
		var it queued
		f.decode(t, other, &it)
		return it.Why == "Waiting for next available executor"
	})
	var it queued
	f.decode(t, different, &it)
	assert.Equal(t, 204, f.post(t, "/queue/cancelItem?id="+strconv.FormatInt(it.ID, 10), nil).code)
	f.decode(t, different, &it)
	assert.True(t, it.Cancelled)

	open(t, gate)
	assert.Equal(t, "SUCCESS", f.over(t, "busy", first).Result)
	assert.Equal(t, int64(2), f.number(t, waits))
	assert.Equal(t, int64(1), f.number(t, other))
	assert.Equal(t, "SUCCESS", f.over(t, "busy", 2).Result)
	assert.Equal(t, 404, f.get(t, "/job/busy/3/api/json").code)
}

func TestQuietPeriod(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ config, query string }{
		"of the server":  {"", ""},
		"of the job":     {"<quietPeriod>600</quietPeriod>", ""},
		"of the request": {"<quietPeriod>0</quietPeriod>", "?delay=600sec"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, embedded.Options{QuietPeriod: time.Hour})
			f.create(t, "job", c.config)
			f.create(t, "now", "<quietPeriod>0</quietPeriod>")
			answer := f.post(t, "/job/job/build"+c.query, nil)
			require.Equal(t, 201, answer.code)
			assert.Equal(t, "SUCCESS", f.run(t, "now", nil).Result, "what came later and is not to wait")
			assert.Contains(t, f.get(t, "/queue/api/json").body, "quiet period")
			assert.Contains(t, f.get(t, "/job/job/api/json").body, `"inQueue":true`)
		})
	}
}

func TestShortQuietPeriodEnds(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{QuietPeriod: 50 * time.Millisecond})
	f.create(t, "job", "")
	assert.Equal(t, "SUCCESS", f.run(t, "job", nil).Result)
}

func TestStopGivesTheBuildTimeToCleanUp(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Grace: time.Minute})
	dir := t.TempDir()
	// As deliver does under a shell: the shell dies at once, the tool ends its work first.
	tool := `#!/bin/bash
trap 'echo cleaning; for i in 1 2 3; do sleep 0.1; done; touch ` + dir + `/cleaned; exit 143' TERM
touch ` + dir + `/started
while :; do sleep 0.1; done`
	require.NoError(t, os.WriteFile(dir+"/tool", []byte(tool), 0o700))
	f.create(t, "job", shells(dir+"/tool", "touch "+dir+"/second"))
	number := f.number(t, f.trigger(t, "job", nil))
	eventually(t, func() bool { return exists(dir + "/started") })

	assert.Equal(t, 302, f.post(t, "/job/job/1/stop", nil).code)
	assert.Equal(t, "ABORTED", f.over(t, "job", number).Result)
	assert.FileExists(t, dir+"/cleaned")
	assert.NoFileExists(t, dir+"/second")
	console := f.console(t, "job", number)
	assert.Contains(t, console, "cleaning")
	assert.Contains(t, console, "Aborted by ci\nFinished: ABORTED\n")
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Grace: 100 * time.Millisecond})
	dir := t.TempDir()
	deaf := "trap '' TERM; while :; do sleep 0.1; done"
	f.create(t, "job", shells("(echo $BASHPID) 2>/dev/null; sh -c \"echo \\$\\$ > "+dir+"/pid; "+deaf+"\" & setsid sh -c \"echo \\$\\$ > "+dir+"/away; "+deaf+"\" & "+deaf))
	number := f.number(t, f.trigger(t, "job", nil))
	eventually(t, func() bool { return pidIn(dir+"/pid") > 0 && pidIn(dir+"/away") > 0 })

	f.post(t, "/job/job/1/stop", nil)
	assert.Equal(t, "ABORTED", f.over(t, "job", number).Result)
	assert.True(t, gone(pidIn(dir+"/pid")))
	assert.True(t, gone(pidIn(dir+"/away")), "also what made a session of its own")
}

func TestLeftoversEndWithTheBuild(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Grace: 100 * time.Millisecond})
	dir := t.TempDir()
	f.create(t, "job", shells(
		"sleep 600 & echo $! > "+dir+"/left; BUILD_ID=dontKillMe setsid sleep 600 & echo $! > "+dir+"/stays",
		"kill -0 $(cat "+dir+"/left)"))
	assert.Equal(t, "SUCCESS", f.run(t, "job", nil).Result, "the next step still has it")
	assert.True(t, gone(pidIn(dir+"/left")))
	assert.False(t, gone(pidIn(dir+"/stays")), "it said that it is to stay")
	require.NoError(t, syscall.Kill(pidIn(dir+"/stays"), syscall.SIGKILL))
}

func TestDeleteEndsTheBuildsOfAJob(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Grace: 100 * time.Millisecond})
	dir := t.TempDir()
	gate := newGate(t)
	f.create(t, "job", strs("N")+shells("echo $$ > "+dir+"/pid\n"+waiting(gate)))
	f.number(t, f.trigger(t, "job", url.Values{"N": {"1"}}))
	queued := f.trigger(t, "job", url.Values{"N": {"2"}})
	eventually(t, func() bool { return pidIn(dir+"/pid") > 0 })

	require.Equal(t, 302, f.post(t, "/job/job/doDelete", nil).code)
	assert.Equal(t, 404, f.get(t, "/job/job/api/json").code)
	assert.Equal(t, 404, f.get(t, queued).code)
	eventually(t, func() bool { return gone(pidIn(dir + "/pid")) })
	eventually(t, func() bool {
		left, err := os.ReadDir(f.dir + "/jobs")
		return err == nil && len(left) == 0
	})
	f.create(t, "job", "")
	assert.Equal(t, int64(1), f.run(t, "job", nil).Number)
}

func TestOldBuildsAreRemoved(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "<logRotator><daysToKeep>-1</daysToKeep><numToKeep>2</numToKeep></logRotator>"+strs("OK")+shells("$OK"))
	for i, ok := range []string{"true", "true", "false", "false", "false"} {
		require.Equal(t, int64(i+1), f.run(t, "job", url.Values{"OK": {ok}}).Number)
	}
	var job struct{ Builds []buildJSON }
	f.decode(t, "/job/job/api/json", &job)
	var numbers []int64
	for _, b := range job.Builds {
		numbers = append(numbers, b.Number)
	}
	assert.Equal(t, []int64{5, 4, 2}, numbers, "the last good one is kept beside the newest two")
	entries, err := os.ReadDir(f.dir + "/jobs/job/builds")
	require.NoError(t, err)
	assert.Len(t, entries, 3)
}
