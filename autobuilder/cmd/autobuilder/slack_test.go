package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// channel is Slack's side: a channel that messages are posted to and changed in.
type channel struct {
	mu   sync.Mutex
	text map[string]string // by time
}

func (c *channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	c.mu.Lock()
	defer c.mu.Unlock()
	ts := r.Form.Get("ts")
	if ts == "" {
		ts = fmt.Sprintf("1700000000.%06d", len(c.text)+1)
	}
	c.text[ts] = r.Form.Get("text") + r.Form.Get("blocks")
	_ = json.NewEncoder(w).Encode(map[string]any{"ok": true, "ts": ts, "channel": r.Form.Get("channel")})
}

func (c *channel) says(words string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.text {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// slash is a command as Slack sends it.
func (v *server) slash(path string, form url.Values) (status int, answer string) {
	v.t.Helper()
	body := form.Encode()
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.url+path, strings.NewReader(body))
	require.NoError(v.t, err)
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return exchange(v.t, r)
}

func TestAMajorIsApprovedInSlack(t *testing.T) {
	t.Parallel()
	room := &channel{text: map[string]string{}}
	place := httptest.NewServer(room)
	t.Cleanup(place.Close)
	s := newStage(t, "listen: 127.0.0.1:0\njenkins: {listen: 127.0.0.1:0}\nchat: {slack: {signing_secret_env: SECRET}, people: {U1: ada}}\n"+
		"notify: {slack: {token_env: SECRET, channel: C1, url: '"+place.URL+"'}}")
	s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")
	v := s.serve()
	say := func(id, text string) string {
		status, answer := v.slash("/slack/commands", url.Values{"text": {text}, "user_id": {"U1"}, "user_name": {"x"}, "trigger_id": {id}})
		require.Equal(t, http.StatusOK, status)
		return answer
	}
	say("t1", "deploy shop")
	s.reaches(0, build.Succeeded)
	assert.Contains(t, say("t1", "deploy shop"), "triggered by hand", "the same message once more has the same answer")
	s.commit("two")
	s.git("-C", s.repo, "tag", "v2.0.0")
	require.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))
	s.reaches(1, build.Held)
	require.Eventually(t, func() bool { return room.says(`"action_id":"approve"`) }, patient, 20*time.Millisecond)

	answers := make(chan string, 1)
	later := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var words struct{ Text string }
		_ = json.NewDecoder(r.Body).Decode(&words)
		answers <- words.Text
	}))
	t.Cleanup(later.Close)
	press, err := json.Marshal(map[string]any{
		"type": "block_actions", "trigger_id": "t2", "response_url": later.URL, "user": map[string]string{"id": "U1"},
		"actions": []map[string]string{{"type": "button", "block_id": "b", "action_id": "approve", "value": s.builds()[1].ID}},
	})
	require.NoError(t, err)
	status, _ := v.slash("/slack/interactions", url.Values{"payload": {string(press)}})
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "shop v2.0.0 is approved and goes", <-answers)
	s.reaches(1, build.Succeeded)
	require.Eventually(t, func() bool {
		return room.says("shop v2.0.0 is out") && room.says("shop v2.0.0 was approved by ada") && !room.says(`"action_id":"approve"`)
	}, patient, 20*time.Millisecond)
	assert.Len(t, s.builds(), 2, "what was said twice was done once")
	status, text := v.get("/metrics")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, `autobuilder_builds_total{project="shop",state="succeeded"} 2`)
}
