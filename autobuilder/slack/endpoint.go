// Package slack speaks with Slack: it answers its slash command and its buttons,
// and tells a channel what becomes of releases. It alone knows Slack's library.
package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"autobuilder/chat"
)

// Endpoint is where Slack sends what people say and which button they press.
type Endpoint struct {
	Secret func() string // that Slack signs with; empty: there is no app
	Answer func(ctx context.Context, s chat.Sentence) chat.Reply
	Log    *slog.Logger

	late sync.WaitGroup // answers that are still on their way
}

const (
	soon     = 2500 * time.Millisecond // Slack waits three seconds
	longest  = time.Minute             // of what is answered later
	mostBody = 1 << 20
	service  = "slack"
)

// Wait returns when every answer has been given.
func (e *Endpoint) Wait() { e.late.Wait() }

// Command answers a slash command.
func (e *Endpoint) Command(w http.ResponseWriter, r *http.Request) {
	form, ok := e.signed(w, r)
	if !ok {
		return
	}
	r.Form, r.PostForm = form, form
	c, err := slack.SlashCommandParse(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.answer(w, chat.Sentence{
		By: chat.Person{Account: c.UserID, Name: c.UserName, Service: service, Room: c.ChannelID}, Text: c.Text, ID: c.TriggerID,
	}, c.ResponseURL)
}

// Interaction does what a button says.
func (e *Endpoint) Interaction(w http.ResponseWriter, r *http.Request) {
	form, ok := e.signed(w, r)
	if !ok {
		return
	}
	var i slack.InteractionCallback
	if err := json.Unmarshal([]byte(form.Get("payload")), &i); err != nil {
		http.Error(w, "the payload is no JSON", http.StatusBadRequest)
		return
	}
	actions := i.ActionCallback.BlockActions
	if i.Type != slack.InteractionTypeBlockActions || len(actions) != 1 || !isButton(actions[0].ActionID) {
		w.WriteHeader(http.StatusOK) // a link is a button, too
		return
	}
	sentence := chat.Sentence{
		By:   chat.Person{Account: i.User.ID, Name: i.User.Name, Service: service, Room: i.Channel.ID},
		Text: actions[0].ActionID + " " + actions[0].Value, ID: i.TriggerID,
	}
	// What is written in answer to a button would replace its message, so that
	// the answer goes its own way.
	w.WriteHeader(http.StatusOK)
	e.late.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), longest)
		defer cancel()
		e.post(ctx, i.ResponseURL, message(e.Answer(ctx, sentence)))
	})
}

// signed reads the form of a request, if Slack signed it, and of late.
func (e *Endpoint) signed(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	secret := e.Secret()
	if secret == "" {
		http.Error(w, "chat.slack is not configured", http.StatusNotFound)
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return nil, false
	}
	verifier, err := slack.NewSecretsVerifier(r.Header, secret)
	if err == nil {
		_, err = verifier.Write(body)
	}
	if err == nil {
		err = verifier.Ensure()
	}
	if err != nil {
		e.Log.Warn("request refused", "path", r.URL.Path, "error", err)
		http.Error(w, "the signature is missing, wrong or too old", http.StatusUnauthorized)
		return nil, false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, "the body is no form", http.StatusBadRequest)
		return nil, false
	}
	return form, true
}

// words is a message as Slack takes it in an answer.
type words struct {
	Kind    string `json:"response_type"`
	Text    string `json:"text"`
	Replace bool   `json:"replace_original"`
}

// message is an answer: to the whole room where it is of interest to it.
func message(r chat.Reply) words {
	kind := slack.ResponseTypeEphemeral
	if r.Public {
		kind = slack.ResponseTypeInChannel
	}
	return words{Kind: kind, Text: escape(r.Text)}
}

// answer answers in the time that Slack gives, or says that the answer comes
// later, by the address that Slack gave for it.
func (e *Endpoint) answer(w http.ResponseWriter, s chat.Sentence, later string) {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	done := make(chan words, 1)
	e.late.Go(func() { done <- message(e.Answer(ctx, s)) })
	timer := time.NewTimer(soon)
	defer timer.Stop()
	var now words
	select {
	case now = <-done:
		cancel()
	case <-timer.C:
		now = words{Kind: slack.ResponseTypeEphemeral, Text: "this takes a moment"}
		e.late.Go(func() {
			defer cancel()
			e.post(ctx, later, <-done)
		})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) // one that went away is no fault of ours
}

func (e *Endpoint) post(ctx context.Context, address string, v words) {
	body, err := json.Marshal(v)
	var request *http.Request
	if err == nil {
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	}
	var response *http.Response
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
		response, err = http.DefaultClient.Do(request)
	}
	if err != nil {
		e.Log.Warn("answer not given", "error", err)
		return
	}
	response.Body.Close() //nolint:errcheck // nothing in it is wanted
	if response.StatusCode != http.StatusOK {
		e.Log.Warn("answer not taken", "status", response.Status)
	}
}
