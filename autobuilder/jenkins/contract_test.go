package jenkins_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/jenkins"
)

// server is a Jenkins of some kind, started for one run of the contract. It
// has two executors.
type server struct {
	url, user, token string

	forgets bool // a restart may lose the queue
	modern  bool // a trigger is answered with its place in the queue

	down  func(t *testing.T) // ends it in good order
	crash func(t *testing.T) // ends it with SIGKILL; nil: it is a part of this process
	up    func(t *testing.T) // starts it again, on the same address and state
}

func (s *server) client(t *testing.T) *jenkins.Client {
	t.Helper()
	return s.clientAs(t, s.user, s.token)
}

func (s *server) clientAs(t *testing.T, user, token string) *jenkins.Client {
	t.Helper()
	client, err := jenkins.New(jenkins.Options{URL: s.url, User: user, Token: token, Timeout: 20 * time.Second})
	require.NoError(t, err)
	return client
}

// contract is what every Jenkins must do for the client, and the client with
// every Jenkins. The stories of the first half run side by side.
func contract(t *testing.T, s *server) {
	t.Run("stories", func(t *testing.T) {
		for name, story := range map[string]func(*testing.T, *server){
			"answers a ping":                       answersPing,
			"keeps a job's config":                 keepsConfig,
			"is not sent what is no xml":           isNotSentBadXML,
			"passes parameters to the letter":      passesParameters,
			"ends a build at its first bad step":   endsAtFirstBadStep,
			"shows the console while a build runs": showsConsole,
			"stops a build and all it started":     stopsBuild,
			"queues, finds and cancels":            queuesAndCancels,
			"has no job of that name":              missesJob,
			"has no build of that number":          missesBuild,
			"starts nothing of a disabled job":     refusesDisabled,
			"starts nothing without its parameter": refusesUndefined,
			"takes names with spaces":              takesSpaces,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				story(t, s)
			})
		}
	})
	if s.token != "" {
		t.Run("refuses a wrong token", func(t *testing.T) { refusesWrongToken(t, s) })
	}
	// Hudson's page of this error shows the executors, and fails when one of
	// them ends its build at that moment.
	t.Run("refuses a second job of one name", func(t *testing.T) { refusesDuplicate(t, s) })
	t.Run("runs two builds at a time", func(t *testing.T) { runsTwo(t, s) })
	t.Run("goes on after a restart", func(t *testing.T) { restarts(t, s) })
	if s.crash != nil {
		t.Run("knows what it ran when it was killed", func(t *testing.T) { isKilled(t, s) })
	}
}

func answersPing(t *testing.T, s *server) {
	require.NoError(t, s.client(t).Ping(t.Context()))
	version, err := s.client(t).Version(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, version)
}

func refusesWrongToken(t *testing.T, s *server) {
	err := s.clientAs(t, s.user, "wrong").Ping(t.Context())
	require.ErrorIs(t, err, build.ErrRefused)
	assert.ErrorContains(t, err, "user "+s.user)

	err = s.clientAs(t, "", "").CreateJob(t.Context(), "anonymous", jobSpec{}.xml())
	require.ErrorIs(t, err, build.ErrRefused)
}

func keepsConfig(t *testing.T, s *server) {
	client, name := s.client(t), newJob(t, s, jobSpec{steps: []string{"echo 'a < b' && echo \"ü\""}})

	config, err := client.JobConfig(t.Context(), name)
	require.NoError(t, err)
	assert.Equal(t, "of the contract test", description(t, config))
	names, err := client.Jobs(t.Context())
	require.NoError(t, err)
	assert.Contains(t, names, name)

	changed := strings.Replace(string(config), "of the contract test", "changed & kept", 1)
	require.ErrorContains(t, client.UpdateJob(t.Context(), name, []byte(changed)), "no xml")
	changed = strings.Replace(changed, "&", "&amp;", 1)
	changed = strings.Replace(changed, "version='1.0'", "version='1.1'", 1) // as a newer Jenkins writes it
	require.NoError(t, client.UpdateJob(t.Context(), name, []byte(changed)))
	config, err = client.JobConfig(t.Context(), name)
	require.NoError(t, err)
	assert.Equal(t, "changed & kept", description(t, config))

	require.NoError(t, client.DeleteJob(t.Context(), name))
	_, err = client.JobConfig(t.Context(), name)
	require.ErrorIs(t, err, build.ErrNoJob)
}

func refusesDuplicate(t *testing.T, s *server) {
	name := newJob(t, s, jobSpec{})
	err := s.client(t).CreateJob(t.Context(), name, jobSpec{}.xml())
	require.ErrorIs(t, err, build.ErrRefused)
	assert.ErrorContains(t, err, "already exists")
}

func isNotSentBadXML(t *testing.T, s *server) {
	sent := 0
	client, err := jenkins.New(jenkins.Options{
		URL: s.url, User: s.user, Token: s.token,
		Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			sent++
			return nil, assert.AnError
		}),
	})
	require.NoError(t, err)
	for _, bad := range []string{"", "<project>", "project", "<project><a></project>", "<a>\x01</a>", "<a/><b/>", "<a/>b"} {
		err := client.CreateJob(t.Context(), "bad", []byte(bad))
		require.ErrorContains(t, err, "nothing was sent", bad)
	}
	assert.Zero(t, sent)
}

func passesParameters(t *testing.T, s *server) {
	out := filepath.Join(t.TempDir(), "out")
	name := newJob(t, s, jobSpec{steps: []string{`printf '%s|%s|%s' "$COMMIT" "$TAG" "$VERSION" > ` + out}})
	params := params("p1")
	params["COMMIT"] = `with  'single' "double" $5 ${x ` + "`id`" + ` \ & = + % ; üñ€😀`
	params["TAG"] = "two\nlines"
	params["VERSION"] = ""

	run := buildOf(t, s, name, params)
	assert.Equal(t, "SUCCESS", run.Result)
	assert.Equal(t, build.Succeeded, run.State())
	assert.Positive(t, run.Duration)
	assert.WithinDuration(t, time.Now(), run.Started, 5*time.Minute)
	assert.Contains(t, run.URL, "/job/"+name+"/"+strconv.FormatInt(run.Number, 10))
	written, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, params["COMMIT"]+"|"+params["TAG"]+"|", strings.ReplaceAll(string(written), "\r\n", "\n"))
}

func endsAtFirstBadStep(t *testing.T, s *server) {
	name := newJob(t, s, jobSpec{steps: []string{"#!/bin/bash\necho one \"${BASH_VERSION:+by bash}\"", "false\necho two", "echo three"}})
	run := buildOf(t, s, name, params("f1"))
	assert.Equal(t, build.Failed, run.State())
	assert.True(t, run.Over())

	text := console(t, s.client(t), name, run.Number)
	assert.Contains(t, text, "one by bash")
	assert.Contains(t, text, "+ false")
	assert.NotContains(t, text, "two")
	assert.NotContains(t, text, "three")
	assert.Contains(t, text, "Finished: FAILURE")
	assert.NotContains(t, text, "\r")
}

func showsConsole(t *testing.T, s *server) {
	client, gate := s.client(t), newGate(t)
	name := newJob(t, s, jobSpec{steps: []string{"echo first ; " + gate.wait() + "; echo last"}})
	number := running(t, s, name, "c1")

	var text string
	var offset int64
	read := func() bool {
		piece, next, more, err := client.Console(t.Context(), name, number, offset)
		require.NoError(t, err)
		text, offset = text+string(piece), next
		return more
	}
	eventually(t, func() bool { return read() && strings.Contains(text, "\nfirst\n") })
	assert.NotContains(t, text, "\nlast\n")
	gate.open(t)
	eventually(t, func() bool { return !read() })
	assert.Contains(t, text, "\nlast\n")
	assert.True(t, strings.HasSuffix(text, "Finished: SUCCESS\n"), text)
	assert.Equal(t, 1, strings.Count(text, "\nfirst\n"), text)

	piece, next, more, err := client.Console(t.Context(), name, number, offset)
	require.NoError(t, err)
	assert.Empty(t, piece)
	assert.Equal(t, offset, next)
	assert.False(t, more)
}

func stopsBuild(t *testing.T, s *server) {
	dir := t.TempDir()
	name := newJob(t, s, jobSpec{steps: []string{
		"sleep 600 & echo $! > " + dir + "/child; echo $$ > " + dir + "/shell; wait", "touch " + dir + "/second",
	}})
	number := running(t, s, name, "s1")
	eventually(t, func() bool { return pidIn(dir+"/shell") > 0 })

	require.NoError(t, s.client(t).Stop(t.Context(), name, number))
	run := over(t, s, name, number)
	assert.Equal(t, "ABORTED", run.Result)
	assert.Equal(t, build.Aborted, run.State())
	for _, process := range []string{"shell", "child"} {
		eventually(t, func() bool { return gone(pidIn(dir + "/" + process)) })
	}
	assert.NoFileExists(t, dir+"/second")
}

func queuesAndCancels(t *testing.T, s *server) {
	client, gate := s.client(t), newGate(t)
	name := newJob(t, s, jobSpec{steps: []string{gate.wait()}})
	first := running(t, s, name, "q1")

	require.NoError(t, client.Trigger(t.Context(), name, params("q2")))
	run, err := client.Find(t.Context(), name, "q2")
	require.NoError(t, err)
	assert.True(t, run.Queued)
	assert.Zero(t, run.Number)
	assert.Equal(t, build.Triggered, run.State())

	require.NoError(t, client.Cancel(t.Context(), name, "q2"))
	run, err = client.Find(t.Context(), name, "q2")
	if s.modern {
		require.NoError(t, err)
		assert.Equal(t, build.Aborted, run.State())
		assert.Equal(t, "cancelled in jenkins' queue", run.Why)
	} else {
		require.ErrorIs(t, err, build.ErrNoRun)
	}
	_, err = s.client(t).Find(t.Context(), name, "q2")
	require.ErrorIs(t, err, build.ErrNoRun, "a client that was not told the place")
	require.ErrorIs(t, client.Cancel(t.Context(), name, "q2"), build.ErrNoRun)

	gate.open(t)
	assert.Equal(t, build.Succeeded, over(t, s, name, first).State())
	found, err := client.Find(t.Context(), name, "q1")
	require.NoError(t, err)
	assert.Equal(t, first, found.Number)
}

func missesJob(t *testing.T, s *server) {
	client := s.client(t)
	require.ErrorIs(t, client.Trigger(t.Context(), "nosuch", params("m1")), build.ErrNoJob)
	_, err := client.Find(t.Context(), "nosuch", "m1")
	require.ErrorIs(t, err, build.ErrNoJob)
	_, err = client.JobConfig(t.Context(), "nosuch")
	require.ErrorIs(t, err, build.ErrNoJob)
	require.ErrorIs(t, client.UpdateJob(t.Context(), "nosuch", jobSpec{}.xml()), build.ErrNoJob)
	require.ErrorIs(t, client.DeleteJob(t.Context(), "nosuch"), build.ErrNoJob)
	assert.NotContains(t, err.Error(), "invalid character")
}

func missesBuild(t *testing.T, s *server) {
	client, name := s.client(t), newJob(t, s, jobSpec{})
	_, err := client.Build(t.Context(), name, 77)
	require.ErrorIs(t, err, build.ErrNoRun)
	require.ErrorIs(t, client.Stop(t.Context(), name, 77), build.ErrNoRun)
	_, _, _, err = client.Console(t.Context(), name, 77, 0)
	require.ErrorIs(t, err, build.ErrNoRun)
	_, err = client.Find(t.Context(), name, "never sent")
	require.ErrorIs(t, err, build.ErrNoRun)
}

func refusesDisabled(t *testing.T, s *server) {
	name := newJob(t, s, jobSpec{disabled: true})
	err := s.client(t).Trigger(t.Context(), name, params("d1"))
	require.ErrorIs(t, err, build.ErrRefused)
	assert.ErrorContains(t, err, "disabled")
}

func refusesUndefined(t *testing.T, s *server) {
	name := newJob(t, s, jobSpec{params: []string{"COMMIT", "BRANCH", "TAG", "VERSION"}})
	err := s.client(t).Trigger(t.Context(), name, params("u1"))
	require.ErrorIs(t, err, build.ErrRefused)
	assert.ErrorContains(t, err, "no parameter AUTOBUILDER_ID")
}

func takesSpaces(t *testing.T, s *server) {
	client, name := s.client(t), "a b+c, dé"
	require.NoError(t, client.CreateJob(t.Context(), name, jobSpec{steps: []string{"echo $JOB_NAME"}}.xml()))
	require.NoError(t, client.Trigger(t.Context(), name, params("n1")))
	var run build.Run
	eventually(t, func() bool {
		var err error
		run, err = client.Find(t.Context(), name, "n1")
		require.NoError(t, err)
		return run.Over()
	})
	assert.Equal(t, build.Succeeded, run.State())
	require.NoError(t, client.DeleteJob(t.Context(), name))
}

func runsTwo(t *testing.T, s *server) {
	client, gate := s.client(t), newGate(t)
	name := newJob(t, s, jobSpec{concurrent: true, steps: []string{gate.wait()}})
	first, second := running(t, s, name, "e1"), running(t, s, name, "e2")
	require.NoError(t, client.Trigger(t.Context(), name, params("e3")))
	eventually(t, func() bool {
		run, err := client.Find(t.Context(), name, "e3")
		require.NoError(t, err)
		return run.Queued && strings.Contains(run.Why, "xecutor")
	})
	gate.open(t)
	assert.Equal(t, build.Succeeded, over(t, s, name, first).State())
	assert.Equal(t, build.Succeeded, over(t, s, name, second).State())
	assert.Equal(t, build.Succeeded, over(t, s, name, number(t, s, name, "e3")).State())
}

func restarts(t *testing.T, s *server) {
	client, gate := s.client(t), newGate(t)
	name := newJob(t, s, jobSpec{steps: []string{gate.wait()}})
	first := running(t, s, name, "r1")
	require.NoError(t, client.Trigger(t.Context(), name, params("r2")))
	require.NoError(t, client.Trigger(t.Context(), name, params("r3")))

	s.down(t)
	err := client.Ping(t.Context())
	require.ErrorContains(t, err, "nothing listens")
	require.NotErrorIs(t, err, build.ErrRefused)
	err = client.Trigger(t.Context(), name, params("r4"))
	require.Error(t, err)
	require.NotErrorIs(t, err, build.ErrNoJob)
	gate.open(t)
	s.up(t)

	lost := over(t, s, name, first)
	assert.Contains(t, []build.State{build.Failed, build.Aborted, build.Lost}, lost.State())
	for _, id := range []string{"r2", "r3"} {
		if _, err := client.Find(t.Context(), name, id); s.forgets && errors.Is(err, build.ErrNoRun) {
			require.NoError(t, client.Trigger(t.Context(), name, params(id)))
		}
		run := over(t, s, name, number(t, s, name, id))
		assert.Equal(t, build.Succeeded, run.State(), id)
		assert.Greater(t, run.Number, first)
	}
	require.NoError(t, client.Trigger(t.Context(), name, params("r5")), "with the client from before the restart")
	assert.Equal(t, build.Succeeded, over(t, s, name, number(t, s, name, "r5")).State())
}

// isKilled is the crash in which nobody was told the build's number yet.
func isKilled(t *testing.T, s *server) {
	client, gate := s.client(t), newGate(t)
	name := newJob(t, s, jobSpec{steps: []string{"#!/bin/sh\necho AUTOBUILDER_ID=$AUTOBUILDER_ID\n" + gate.wait()}})
	first := running(t, s, name, "k1")
	eventually(t, func() bool {
		text, _, _, err := client.Console(t.Context(), name, first, 0)
		require.NoError(t, err)
		return strings.Contains(string(text), "AUTOBUILDER_ID=k1")
	})
	s.crash(t)
	gate.open(t)
	s.up(t)
	run, err := client.Find(t.Context(), name, "k1")
	require.NoError(t, err, "a second build of it would be one too many")
	assert.Equal(t, first, run.Number)
	assert.Equal(t, build.Lost, over(t, s, name, first).State())
	_, err = client.Find(t.Context(), name, "k2")
	require.ErrorIs(t, err, build.ErrNoRun)
}

// ---- jobs

type jobSpec struct {
	steps      []string
	params     []string // default: those that autobuilder sends
	disabled   bool
	concurrent bool
}

func (j jobSpec) xml() []byte {
	if j.params == nil {
		j.params = []string{"COMMIT", "BRANCH", "TAG", "VERSION", "AUTOBUILDER_ID"}
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "<?xml version='1.0' encoding='UTF-8'?>\n<project><description>of the contract test</description><properties>"+
		"<hudson.model.ParametersDefinitionProperty><parameterDefinitions>")
	for _, name := range j.params {
		fmt.Fprintf(b, "<hudson.model.StringParameterDefinition><name>%s</name><defaultValue></defaultValue></hudson.model.StringParameterDefinition>", name)
	}
	fmt.Fprintf(b, "</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>"+
		"<disabled>%t</disabled><concurrentBuild>%t</concurrentBuild><quietPeriod>0</quietPeriod><builders>", j.disabled, j.concurrent)
	for _, step := range j.steps {
		b.WriteString("<hudson.tasks.Shell><command>")
		_ = xml.EscapeText(b, []byte(step))
		b.WriteString("</command></hudson.tasks.Shell>")
	}
	b.WriteString("</builders></project>\n")
	return []byte(b.String())
}

func newJob(t *testing.T, s *server, spec jobSpec) string {
	t.Helper()
	name := "job-" + strings.Trim(strings.Map(plain, t.Name()), "-")
	require.NoError(t, s.client(t).CreateJob(t.Context(), name, spec.xml()))
	return name
}

func plain(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

func params(id string) map[string]string {
	return build.Build{ID: id, Commit: "c0ffee", Branch: "master"}.Params()
}

func description(t *testing.T, config []byte) string {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromString(strings.Replace(string(config), "version='1.1'", "version='1.0'", 1)))
	return doc.FindElement("/project/description").Text()
}

// ---- builds

// buildOf triggers a build and follows it to its end.
func buildOf(t *testing.T, s *server, job string, params map[string]string) build.Run {
	t.Helper()
	require.NoError(t, s.client(t).Trigger(t.Context(), job, params))
	return over(t, s, job, number(t, s, job, params["AUTOBUILDER_ID"]))
}

// running triggers a build and waits until it runs.
func running(t *testing.T, s *server, job, id string) int64 {
	t.Helper()
	require.NoError(t, s.client(t).Trigger(t.Context(), job, params(id)))
	return number(t, s, job, id)
}

// number waits until the build has left the queue.
func number(t *testing.T, s *server, job, id string) int64 {
	t.Helper()
	var run build.Run
	eventually(t, func() bool {
		var err error
		run, err = s.client(t).Find(t.Context(), job, id)
		require.NoError(t, err)
		return run.Number > 0
	})
	return run.Number
}

func over(t *testing.T, s *server, job string, number int64) build.Run {
	t.Helper()
	var run build.Run
	eventually(t, func() bool {
		var err error
		run, err = s.client(t).Build(t.Context(), job, number)
		require.NoError(t, err)
		return run.Over()
	})
	return run
}

// console is the whole of it. A build may be over before its last lines are there.
func console(t *testing.T, client *jenkins.Client, job string, number int64) string {
	t.Helper()
	var all []byte
	offset := int64(0)
	eventually(t, func() bool {
		text, next, more, err := client.Console(t.Context(), job, number, offset)
		require.NoError(t, err)
		all, offset = append(all, text...), next
		return !more
	})
	return string(all)
}

// gate is a file that a build waits for.
type gate string

func newGate(t *testing.T) gate {
	g := gate(filepath.Join(t.TempDir(), "gate"))
	t.Cleanup(func() { g.open(t) }) // no build of a failed test is left waiting
	return g
}

func (g gate) wait() string {
	return "i=0; while [ ! -e '" + string(g) + "' ] && [ $i -lt 1200 ]; do sleep 0.1; i=$((i+1)); done"
}

func (g gate) open(t *testing.T) {
	t.Helper()
	require.NoError(t, os.WriteFile(string(g), nil, 0o600))
}

func pidIn(file string) int {
	text, _ := os.ReadFile(file)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// gone says whether a process has ended, reaped or not.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(pid, 0) != nil
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			require.FailNow(t, "it did not come to pass")
		case <-time.After(30 * time.Millisecond):
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
