package report_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/release"
	"deliver/report"
	"deliver/rollout"
)

// listener is an autobuilder that keeps what it is told.
func listener(t *testing.T, status int) (url string, told chan report.Message) {
	t.Helper()
	told = make(chan report.Message, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m report.Message
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&m))
		assert.Equal(t, "/ci/api/v1/rollouts", r.URL.Path)
		assert.Equal(t, "Bearer hunter2", r.Header.Get("Authorization"))
		told <- m
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/ci/", told
}

func aMessage() report.Message {
	return report.Message{Run: "r1", Build: "b1", Action: "push", Only: "h1", Release: release.Record{ID: "jenkins-shop-7", Version: "v1.2.0", Commit: "c1"}}
}

func TestAutobuilderIsTold(t *testing.T) {
	t.Parallel()
	url, told := listener(t, http.StatusNoContent)
	p, err := report.NewPost(report.Autobuilder{URL: url, Token: "hunter2"}, aMessage(), report.NewRedactor("s3cret"))
	require.NoError(t, err)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p.Handle(rollout.Event{Kind: rollout.RunStarted, Run: "r1", Time: at})
	p.Handle(rollout.Event{Kind: rollout.StepDone, Run: "r1"})
	h1 := inventory.Host{Name: "h1"}
	require.NoError(t, p.Finish(rollout.Outcome{
		Run: "r1", Result: rollout.Refused, Started: at, Ended: at.Add(time.Second), Err: errors.New("refused"),
		Hosts: []rollout.HostOutcome{{Host: h1, Result: rollout.HostAside, Err: errors.New("it is pinned by s3cret")}},
	}))
	first, last := <-told, <-told
	assert.Empty(t, first.Result)
	assert.Equal(t, at, first.Started)
	assert.Equal(t, rollout.Refused, last.Result)
	assert.Equal(t, "h1: it is pinned by [secret]", last.Error)
	assert.Equal(t, "jenkins-shop-7", last.Release.ID)
	assert.Equal(t, "h1", last.Only)
	assert.Equal(t, at.Add(time.Second), last.Ended)
	assert.Empty(t, told)
}

// While a run goes on autobuilder is told how far each host is, at most once a second.
func TestAutobuilderIsToldHowFarTheHostsAre(t *testing.T) {
	t.Parallel()
	url, told := listener(t, http.StatusNoContent)
	p, err := report.NewPost(report.Autobuilder{URL: url, Token: "hunter2"}, aMessage(), report.NewRedactor("s3cret"))
	require.NoError(t, err)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hosts := []string{"h1", "h2.s3cret"}
	for i, e := range []rollout.Event{
		{Kind: rollout.RunStarted, Hosts: hosts},
		{Kind: rollout.StageStarted, Stage: "ship", Hosts: hosts},
		{Kind: rollout.StepStarted, Stage: "ship", Host: "h1", Step: "receive"},
		{Kind: rollout.HostDone, Stage: "ship", Host: "h1"},
		{Kind: rollout.HostDone, Stage: "ship", Host: "h2.s3cret"},
		{Kind: rollout.StageStarted, Stage: "switch 1/2", Hosts: hosts[:1]},
		{Kind: rollout.StepFailed, Stage: "switch 1/2", Host: "h1", Step: "health"},
		{Kind: rollout.StageStarted, Stage: rollout.StageUndo, Hosts: hosts[:1]},
	} {
		e.Run, e.Time = "r1", at.Add(time.Duration(i)*time.Second)
		p.Handle(e)
	}
	first, middle := <-told, <-told
	assert.Empty(t, first.Hosts)
	assert.Empty(t, middle.Result)
	words := func(m report.Message) string {
		var all []string
		for _, h := range m.Hosts {
			for _, s := range h.Stages {
				all = append(all, fmt.Sprintf("%s %s %s %g", h.Host, s.Name, s.State, s.Took))
			}
		}
		return strings.Join(all, ", ")
	}
	assert.Equal(t, "h1 ship done 2, h1 switch failed 1, h1 rollback doing 0, h2.[secret] ship done 3", words(middle))
	p.Handle(rollout.Event{Kind: rollout.UndoDone, Run: "r1", Time: at.Add(9 * time.Second), Stage: rollout.StageUndo, Host: "h1"})
	require.NoError(t, p.Finish(rollout.Outcome{Run: "r1", Result: rollout.RolledBack, Started: at, Ended: at.Add(9 * time.Second), Hosts: []rollout.HostOutcome{
		{Host: inventory.Host{Name: "h1"}, Result: rollout.HostRolledBack, Err: errors.New("unwell")}, {Host: inventory.Host{Name: "h2.s3cret"}, Result: rollout.HostUntouched},
	}}))
	last := <-told
	assert.Equal(t, rollout.HostRolledBack, last.Hosts[0].Result)
	assert.Equal(t, "unwell", last.Hosts[0].Error)
	assert.Equal(t, "h1 ship done 2, h1 switch failed 1, h1 rollback done 2, h2.[secret] ship done 3", words(last))
}

// An autobuilder that is down, refuses, or never answers holds nothing up.
func TestAnAutobuilderThatIsDownHoldsNothingUp(t *testing.T) {
	t.Parallel()
	refusing, _ := listener(t, http.StatusUnauthorized)
	mute, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { mute.Close() })
	for url, want := range map[string]string{
		refusing:                         "401 Unauthorized",
		"http://127.0.0.1:1/ci/":         "connection refused",
		"http://" + mute.Addr().String(): "no answer within 3s",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			p, err := report.NewPost(report.Autobuilder{URL: url, Token: "hunter2"}, aMessage(), report.Redactor{})
			require.NoError(t, err)
			for range 100 { // more than the queue holds
				p.Handle(rollout.Event{Kind: rollout.RunStarted, Run: "r1"})
			}
			require.ErrorContains(t, p.Finish(rollout.Outcome{Run: "r1", Result: rollout.OK}), want)
		})
	}
	_, err = report.NewPost(report.Autobuilder{URL: "ci.test"}, aMessage(), report.Redactor{})
	require.ErrorContains(t, err, `AUTOBUILDER_URL "ci.test" is no http(s) address`)
}
