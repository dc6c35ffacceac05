package slack_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/chat"
	"autobuilder/slack"
)

const signing = "the signing secret"

// signed is a request as Slack sends it.
func signed(t *testing.T, path string, form url.Values, at time.Time, secret string) *http.Request {
	t.Helper()
	body := form.Encode()
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func command(text, later string) url.Values {
	return url.Values{
		"command": {"/deploy"}, "text": {text}, "user_id": {"U1"}, "user_name": {"ada"}, "channel_id": {"C1"}, "team_id": {"T1"},
		"trigger_id": {"13345224609.738474920"}, "response_url": {later},
	}
}

func endpoint(answer func(context.Context, chat.Sentence) chat.Reply) *slack.Endpoint {
	return &slack.Endpoint{Secret: func() string { return signing }, Answer: answer, Log: slog.New(slog.DiscardHandler)}
}

func fields(t *testing.T, text string) map[string]any {
	t.Helper()
	var f map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &f), text)
	return f
}

func TestASlashCommandIsAnswered(t *testing.T) {
	t.Parallel()
	var heard chat.Sentence
	e := endpoint(func(_ context.Context, s chat.Sentence) chat.Reply {
		heard = s
		return chat.Reply{Text: "shop goes to <!channel> & all", Public: true}
	})
	w := httptest.NewRecorder()
	e.Command(w, signed(t, "/slack/commands", command("deploy shop to production", ""), time.Now(), signing))
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, map[string]any{
		"response_type": "in_channel", "text": "shop goes to &lt;!channel&gt; &amp; all", "replace_original": false,
	}, fields(t, w.Body.String()))
	assert.Equal(t, chat.Sentence{
		By:   chat.Person{Account: "U1", Name: "ada", Service: "slack", Room: "C1"},
		Text: "deploy shop to production", ID: "13345224609.738474920",
	}, heard)
	e.Wait()
}

func TestOnlySlackIsListenedTo(t *testing.T) {
	t.Parallel()
	e := endpoint(func(context.Context, chat.Sentence) chat.Reply {
		t.Error("somebody else was listened to")
		return chat.Reply{}
	})
	now := time.Now()
	forged := signed(t, "/", command("deploy shop", ""), now, signing)
	forged.Body = io.NopCloser(strings.NewReader(command("deploy till", "").Encode()))
	naked := signed(t, "/", command("deploy shop", ""), now, signing)
	naked.Header.Del("X-Slack-Signature")
	for name, r := range map[string]*http.Request{
		"another secret": signed(t, "/", command("deploy shop", ""), now, "another"),
		"another body":   forged,
		"no signature":   naked,
		"an old request": signed(t, "/", command("deploy shop", ""), now.Add(-6*time.Minute), signing),
		"one of later":   signed(t, "/", command("deploy shop", ""), now.Add(6*time.Minute), signing),
	} {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		for _, handle := range []http.HandlerFunc{e.Command, e.Interaction} {
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			w := httptest.NewRecorder()
			handle(w, r)
			assert.Equal(t, http.StatusUnauthorized, w.Code, name)
		}
	}
	e.Secret = func() string { return "" }
	w := httptest.NewRecorder()
	e.Command(w, signed(t, "/", command("deploy shop", ""), now, ""))
	assert.Equal(t, http.StatusNotFound, w.Code, "an empty secret is none")
}

func TestWhatTakesLongIsAnsweredLater(t *testing.T) {
	t.Parallel()
	got := make(chan map[string]any, 1)
	later := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var f map[string]any
		_ = json.NewDecoder(r.Body).Decode(&f)
		got <- f
	}))
	t.Cleanup(later.Close)
	end := make(chan struct{})
	e := endpoint(func(context.Context, chat.Sentence) chat.Reply {
		<-end
		return chat.Reply{Text: "done at last"}
	})
	w := httptest.NewRecorder()
	begun := time.Now()
	e.Command(w, signed(t, "/", command("status", later.URL), begun, signing))
	assert.Less(t, time.Since(begun), time.Minute, "it did not wait for the answer")
	assert.Equal(t, "this takes a moment", fields(t, w.Body.String())["text"])
	close(end)
	assert.Equal(t, map[string]any{"response_type": "ephemeral", "text": "done at last", "replace_original": false}, <-got)
	e.Wait()
}

func TestAButtonIsPressed(t *testing.T) {
	t.Parallel()
	got := make(chan map[string]any, 1)
	later := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var f map[string]any
		_ = json.NewDecoder(r.Body).Decode(&f)
		got <- f
	}))
	t.Cleanup(later.Close)
	var heard chat.Sentence
	e := endpoint(func(_ context.Context, s chat.Sentence) chat.Reply {
		heard = s
		return chat.Reply{Text: "shop v2.0.0 is approved and goes", Public: true}
	})
	press := func(payload string) int {
		w := httptest.NewRecorder()
		e.Interaction(w, signed(t, "/", url.Values{"payload": {payload}}, time.Now(), signing))
		e.Wait()
		return w.Code
	}
	assert.Equal(t, http.StatusOK, press(`{"type":"block_actions","trigger_id":"1.2","response_url":"`+later.URL+`","user":{"id":"U1","name":"ada"},
		"channel":{"id":"C1"},"actions":[{"type":"button","action_id":"approve","block_id":"b","value":"20261123T120000-x"}]}`))
	assert.Equal(t, "approve 20261123T120000-x", heard.Text)
	assert.Equal(t, "U1", heard.By.Account)
	assert.Equal(t, "shop v2.0.0 is approved and goes", (<-got)["text"])

	heard = chat.Sentence{}
	assert.Equal(t, http.StatusOK, press(`{"type":"block_actions","actions":[{"type":"button","action_id":"deploy","block_id":"b","value":"shop"}]}`))
	assert.Equal(t, http.StatusOK, press(`{"type":"view_submission"}`))
	assert.Equal(t, http.StatusBadRequest, press(`{`))
	assert.Zero(t, heard, "a button has no other verbs")
}
