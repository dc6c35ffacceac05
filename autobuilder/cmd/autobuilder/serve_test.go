package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
)

// atOnce is anyPorts with a stop that waits for no build.
const atOnce = "listen: 127.0.0.1:0\njenkins: {listen: '127.0.0.1:0', drain: 1ms}"

const anyPorts = "listen: 127.0.0.1:0\njenkins: {listen: '127.0.0.1:0'}"

func TestAReleaseIsBuiltOnceByTheEmbeddedJenkins(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	v := s.serve()
	commit := s.commit("one")
	s.git("-C", s.repo, "tag", "-a", "-m", "x", "v1.2.0")
	assert.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))
	assert.Equal(t, http.StatusAccepted, v.tell("d2", "refs/tags/v1.2.0"))
	assert.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))

	b := s.reaches(0, build.Succeeded)
	assert.Equal(t, "v1.2.0", b.Tag)
	assert.Equal(t, int64(1), b.Number)
	status, console := v.get("/builds/" + b.ID + "/console")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, console, fmt.Sprintf("built %s as v1.2.0", commit))
	_, text := v.get("/api/v1/ledger")
	var fates []build.Fate
	require.NoError(t, json.Unmarshal([]byte(text), &fates))
	pushes := 0
	for _, fate := range fates {
		if fate.Event == "push" {
			pushes++
			assert.Equal(t, b.ID, fate.Build)
		}
	}
	assert.Equal(t, 2, pushes)
	status, page := v.get("/")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, "v1.2.0")
	assert.Zero(t, v.stop())
	assert.NotContains(t, v.log.String(), secret)
	assert.Len(t, s.builds(), 1)
}

func TestAFailedBuildIsTriggeredAgainByHand(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	v := s.serve()
	s.commit("one")
	s.write("shop.stop", "")
	v.tell("d1", "refs/heads/master")
	s.reaches(0, build.Failed)
	require.NoError(t, os.Remove(s.repo+".stop"))
	out, code := s.command("trigger", "shop")
	assert.Zero(t, code)
	assert.Contains(t, out, "the newest commit of shop is to be built")
	assert.Equal(t, 2, s.reaches(1, build.Succeeded).Attempt)
	out, code = s.command("history")
	assert.Zero(t, code)
	assert.Contains(t, out, "triggered by hand")
	assert.Contains(t, out, "succeeded")
}

func TestABuildThatRunsIsStoppedInGoodOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t, atOnce)
	s.write("templates/echo.xml.tmpl", longTemplate())
	v := s.serve()
	s.commit("one")
	v.tell("d1", "refs/heads/master")
	s.reaches(0, build.Running)
	assert.Zero(t, v.stop())

	s.serve() // what the stop did to the build is found at the next start
	b := s.builds()[0]
	require.Eventually(t, func() bool { b = s.builds()[0]; return b.State.Final() }, patient, 20*time.Millisecond)
	assert.NotEqual(t, build.Succeeded, b.State)
	assert.Len(t, s.builds(), 1)
}

func longTemplate() string {
	return replaceOnce(template, `echo "built`, `sleep 600; echo "built`)
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	away := labtest.Free(t, 1)[0]
	s := newStage(t, "listen: 127.0.0.1:0\njobs_sync: true\njenkins: {url: 'http://"+away+"'}")
	v := s.serve()
	status, text := v.get("/healthz")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "ok\n", text)
	status, text = v.get("/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, text, "jenkins: ")
	s.commit("one")
	assert.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"), "what comes in is kept all the same")
	b := s.reaches(0, build.Triggered)
	require.Eventually(t, func() bool { return s.builds()[0].Why != "" }, patient, 20*time.Millisecond)
	assert.Empty(t, b.Number)
	assert.Zero(t, v.stop())
}

func TestWhatServeRefuses(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	address := taken.Addr().String()
	tests := []struct {
		name     string
		settings string
		code     int
		says     string
	}{
		{"a taken port", "listen: " + address, 1, address + ": listen tcp"},
		{"a taken port for Jenkins", "listen: 127.0.0.1:0\njenkins: {listen: '" + address + "'}", 1, "as jenkins.listen"},
		{"a config that is wrong", "lisen: x", 2, "autobuilder.yml:1: unknown field lisen"},
		{"no secret", anyPorts + "\n#", 2, "the environment variable SECRET is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, test.settings)
			cmd := s.prepare("serve")
			if test.name == "no secret" {
				cmd.Env = append(cmd.Env, "SECRET=")
			}
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			assert.Equal(t, test.code, cmd.ProcessState.ExitCode(), string(out))
			assert.Contains(t, string(out), test.says)
		})
	}
}

func TestTwoServersDoNotShareALedger(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	v := s.serve()
	out, err := s.prepare("serve").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "is in use by another autobuilder serve")
	status, _ := v.get("/healthz")
	assert.Equal(t, http.StatusOK, status)
	v.kill()
	assert.Zero(t, s.serve().stop(), "a crash leaves no lock behind")
}

func TestCheckStatusAndJobsOfARunningServer(t *testing.T) {
	t.Parallel()
	s := newStage(t, fmt.Sprintf("listen: %s\njenkins: {listen: '%s'}", labtest.Free(t, 1)[0], labtest.Free(t, 1)[0]))
	s.commit("one")
	v := s.serve()
	out, code := s.command("check")
	assert.Zero(t, code, out)
	assert.NotContains(t, out, "FAIL")
	require.Eventually(t, func() bool {
		_, code := s.command("jobs", "diff")
		return code == 0
	}, patient, 100*time.Millisecond, "the jobs are written at start")
	out, code = s.command("status")
	assert.Zero(t, code)
	assert.Contains(t, out, "server: ready")
	s.write("templates/echo.xml.tmpl", longTemplate())
	out, code = s.command("jobs", "diff")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "sleep 600")
	out, code = s.command("jobs", "sync", "--prune")
	assert.Zero(t, code)
	assert.Contains(t, out, "update   shop")
	_, code = s.command("jobs", "diff")
	assert.Zero(t, code)
	assert.Zero(t, v.stop())
	out, code = s.command("status", "--json")
	assert.Equal(t, 1, code, "a server that does not run is not ready")
	var now standing
	require.NoError(t, json.Unmarshal([]byte(out), &now))
	assert.Contains(t, now.Server, "does not run")
}
