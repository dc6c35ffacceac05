package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
)

// listener is a program of the team's that is told of everything.
type listener struct {
	mu     sync.Mutex
	bodies []map[string]any
	wrong  int // signatures
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Header.Get("X-Autobuilder-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		l.wrong++
	}
	var fields map[string]any
	_ = json.Unmarshal(body, &fields)
	l.bodies = append(l.bodies, fields)
	w.WriteHeader(http.StatusNoContent)
}

// of is what came of an event: that of one release may come after another's.
func (l *listener) of(event string) map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range l.bodies {
		if body["event"] == event {
			return body
		}
	}
	return nil
}

func (l *listener) told() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.bodies)
}

func TestATeamsProgramIsToldOfABuild(t *testing.T) {
	t.Parallel()
	l := &listener{}
	place := httptest.NewServer(l)
	t.Cleanup(place.Close)
	s := newStage(t, "listen: 127.0.0.1:0\njenkins: {listen: 127.0.0.1:0}\n"+
		"notify: {webhooks: [{name: ops, url: '"+place.URL+"', secret_env: SECRET}]}")
	v := s.serve()
	s.commit("one")
	require.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))
	s.reaches(0, build.Succeeded)
	s.write("shop.stop", "")
	s.commit("print " + secret)
	require.Equal(t, http.StatusAccepted, v.tell("d2", "refs/heads/master"))
	s.reaches(1, build.Failed)

	var got map[string]any
	require.Eventually(t, func() bool {
		got = l.of("failed")
		return got != nil
	}, patient, 20*time.Millisecond)
	assert.Zero(t, l.wrong)
	assert.Contains(t, got["text"], "failed")
	assert.Contains(t, got["tail"], "Finished: FAILURE")
	changes := got["changes"].([]any)
	require.Len(t, changes, 1, "since what is live")
	assert.Equal(t, "print [secret]", changes[0].(map[string]any)["subject"])

	require.Equal(t, 0, v.stop())
	told := l.told()
	s.serve()
	assert.Equal(t, told, l.told(), "what was told is not told again")
}

func TestStatusSaysWhoHasNotBeenTold(t *testing.T) {
	t.Parallel()
	gone := labtest.Free(t, 1)[0]
	s := newStage(t, anyPorts+"\nnotify: {webhooks: [{name: ops, url: 'http://"+gone+"/in', secret_env: SECRET}]}")
	v := s.serve()
	s.commit("one")
	v.tell("d1", "refs/heads/master")
	s.reaches(0, build.Succeeded)
	var now standing
	require.Eventually(t, func() bool {
		out, _ := s.command("status", "--json")
		return json.Unmarshal([]byte(out), &now) == nil && len(now.Outbox) == 1 && now.Outbox[0].Letters > 1 && now.Outbox[0].Error != ""
	}, patient, 100*time.Millisecond)
	assert.Contains(t, now.Outbox[0].Error, "reach "+gone)
	out, _ := s.command("status")
	assert.Contains(t, out, "NOT TOLD YET")
	assert.Contains(t, out, "webhook ops")
	out, _, _ = v.far("", "status")
	assert.Contains(t, out, "webhook ops")
	assert.NotContains(t, out, gone, "why is not for everybody")
}
