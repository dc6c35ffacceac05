package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"autobuilder/build"
)

// Webhook sends every event to a program of the team's, signed as GitHub signs.
type Webhook struct {
	URL    string
	Secret []byte
	Events []build.EventKind // empty: all
}

// The headers of a webhook. The delivery is the same however often it is sent:
// by it the other side knows what it has already.
const (
	headerEvent     = "X-Autobuilder-Event"
	headerDelivery  = "X-Autobuilder-Delivery"
	headerSignature = "X-Autobuilder-Signature-256"
)

// hook is the body. Fields may be added, none is taken away.
type hook struct {
	Delivery    string          `json:"delivery"`
	Event       build.EventKind `json:"event"`
	At          time.Time       `json:"at"`
	Bad         bool            `json:"bad"`
	Project     string          `json:"project"`
	Repo        string          `json:"repo,omitempty"`
	Environment string          `json:"environment,omitempty"`
	By          string          `json:"by,omitempty"`
	Why         string          `json:"why,omitempty"`
	Text        string          `json:"text"`
	Details     []string        `json:"details,omitempty"`
	URL         string          `json:"url"`
	Build       *build.Build    `json:"build,omitempty"`
	Hold        *build.Hold     `json:"hold,omitempty"`
	Rollout     *build.Rollout  `json:"rollout,omitempty"`
	Before      *build.Live     `json:"before,omitempty"`
	Changes     []build.Commit  `json:"changes,omitempty"`
	MoreChanges int             `json:"more_changes,omitempty"`
	FailedStep  string          `json:"failed_step,omitempty"`
	Tail        []string        `json:"tail,omitempty"`
}

// Order is that of each release.
func (Webhook) Order() build.Order { return build.ByThread }

// Send posts the event.
func (w Webhook) Send(ctx context.Context, m Message) (string, error) {
	if !wanted(w.Events, m.Kind) {
		return "", nil
	}
	body, err := json.Marshal(m.hook())
	if err != nil {
		return "", fmt.Errorf("write event %d as JSON: %w", m.Seq, err)
	}
	header := http.Header{}
	header.Set(headerEvent, string(m.Kind))
	header.Set(headerDelivery, strconv.FormatInt(m.Seq, 10))
	header.Set(headerSignature, signature(w.Secret, body))
	return "", post(ctx, w.URL, body, header)
}

// wanted says whether a place that is told of these events is told of the kind.
func wanted(events []build.EventKind, kind build.EventKind) bool {
	return len(events) == 0 || slices.Contains(events, kind)
}

func signature(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (m Message) hook() hook {
	h := hook{
		Delivery: strconv.FormatInt(m.Seq, 10), Event: m.Kind, At: m.At, Bad: m.Kind.Bad(), Project: m.Project.Name, Repo: m.Project.Repo,
		Environment: m.Project.Environment(), By: m.By, Why: m.Note, Text: m.Headline(), Details: m.Details(), URL: m.Page,
		Hold: m.Hold, Rollout: m.Rollout, Changes: m.Changes, MoreChanges: m.More, FailedStep: m.Step, Tail: m.Tail,
	}
	if m.About.ID != "" {
		h.Build = &m.About
	}
	if m.Live.Commit != "" {
		h.Before = &m.Live
	}
	return h
}
