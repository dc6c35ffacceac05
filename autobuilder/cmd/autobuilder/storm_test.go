package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

func TestNoAcknowledgedDeliveryIsLostInAStormOfCrashes(t *testing.T) {
	t.Parallel()
	jenkins := startJenkins(t)
	s := newStage(t, "listen: 127.0.0.1:0\njobs_sync: true\njenkins: {url: '"+jenkins.String()+"'}")
	commit := s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")
	var kept []string
	for round := range 3 {
		v := s.serve()
		kept = append(kept, v.storm(round)...)
	}
	require.NotEmpty(t, kept)

	s.serve()
	b := s.reaches(0, build.Succeeded)
	assert.Equal(t, commit, b.Commit)
	book, err := ledger.Open(context.Background(), filepath.Join(s.dir, "data", "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, book.Close()) })
	for _, id := range kept {
		require.Eventually(t, func() bool {
			fate, err := book.Fate(context.Background(), id)
			return err == nil && fate.Verdict != ledger.Pending
		}, patient, 20*time.Millisecond, "delivery %s, which was acknowledged, has its fate", id)
		fate, err := book.Fate(context.Background(), id)
		require.NoError(t, err)
		assert.Equal(t, b.ID, fate.Build)
	}
	assert.Len(t, s.builds(), 1, "%d deliveries of one commit are one build", len(kept))
	assert.Equal(t, 1, buildsIn(t, jenkins))
}

// storm sends deliveries from several senders, kills the server in the middle
// of them, and gives the IDs of those that were acknowledged.
func (v *server) storm(round int) []string {
	v.t.Helper()
	const senders, each, enough = 4, 50, 30
	var (
		mu   sync.Mutex
		kept []string
		all  sync.WaitGroup
	)
	body := v.payload("refs/heads/master")
	for sender := range senders {
		all.Go(func() {
			for n := range each {
				id := fmt.Sprintf("d-%d-%d-%d", round, sender, n)
				response, err := http.DefaultClient.Do(v.delivery(id, body))
				if err != nil {
					return // the server is gone
				}
				response.Body.Close()
				mu.Lock()
				if response.StatusCode == http.StatusAccepted {
					kept = append(kept, id)
				}
				if len(kept) == enough {
					assert.NoError(v.t, v.cmd.Process.Kill())
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	v.wait()
	return kept
}

func TestWhoMayReachWhat(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	s.commit("one")
	v := s.serve()
	body := v.payload("refs/heads/master")
	forged := v.delivery("d1", body)
	forged.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
	status, _ := exchange(t, forged)
	assert.Equal(t, http.StatusUnauthorized, status)
	status, _ = v.get("/webhooks/github")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
	status, _ = v.get("/none")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Empty(t, s.builds())

	// The embedded Jenkins shows itself to everybody on this machine, but
	// builds only for autobuilder.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.ci+"/job/shop/build", http.NoBody)
	require.NoError(t, err)
	status, _ = exchange(t, request)
	assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, status)
}

func TestASecretIsChangedWithoutLosingAPush(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	s.write("old", secret+"\n")
	s.write("autobuilder.yml", fmt.Sprintf(`%s
templates: templates
github: {secret_file: new, previous_secret_file: old}
projects: [{name: shop, repo: acme/shop, clone_url: %s, template: echo}]
`, anyPorts, s.repo))
	s.write("new", "the next secret\n")
	s.commit("one")
	v := s.serve()
	assert.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"), "GitHub still signs with the old one")
	assert.Zero(t, v.stop())
	for _, hidden := range []string{secret, "the next secret"} {
		assert.NotContains(t, v.log.String(), hidden)
	}
}

func TestAnOpenPageHoldsTheStopNotUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, atOnce)
	s.write("templates/echo.xml.tmpl", longTemplate())
	v := s.serve()
	s.commit("one")
	v.tell("d1", "refs/heads/master")
	b := s.reaches(0, build.Running)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.url+"/builds/"+b.ID+"/console/events", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	first := make([]byte, 1)
	_, err = response.Body.Read(first)
	require.NoError(t, err, "somebody watches the console")
	assert.Zero(t, v.stop())
	assert.Contains(t, v.log.String(), "msg=stopped")
}

func TestTheLogIsJSONIfWanted(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	v := s.serveWith("--log-json", "serve")
	assert.Zero(t, v.stop())
	for line := range strings.Lines(v.log.String()) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
}
