package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"autobuilder/build"
)

// PagerDuty tells of releases that went wrong, and that the next one went well,
// by its Events API v2. There is one incident at a time for a project: PagerDuty
// knows by the key what it was told before.
type PagerDuty struct {
	URL string // of the API; empty: PagerDuty's
	Key string // of the integration
}

const pagerDutyURL = "https://events.pagerduty.com"

// pageEvent is the body.
type pageEvent struct {
	RoutingKey string       `json:"routing_key"`
	Action     string       `json:"event_action"`
	DedupKey   string       `json:"dedup_key"`
	Client     string       `json:"client,omitempty"`
	ClientURL  string       `json:"client_url,omitempty"`
	Payload    *pagePayload `json:"payload,omitempty"`
	Links      []pageLink   `json:"links,omitempty"`
}

type pagePayload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class"`
	Details   map[string]any `json:"custom_details,omitempty"`
}

type pageLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// mostSummary is what PagerDuty takes, letters.
const mostSummary = 1024

// Order is that of the project: an incident that is resolved before it is opened stays open.
func (PagerDuty) Order() build.Order { return build.ByProject }

// Send triggers the project's incident, or resolves it. What was tried on some
// servers does neither: it mends nothing for the others, and who tries it looks.
func (p PagerDuty) Send(ctx context.Context, m Message) (string, error) {
	if m.only() != "" {
		return "", nil
	}
	e := pageEvent{RoutingKey: p.Key, DedupKey: m.incident(), Client: "autobuilder", ClientURL: m.Page}
	switch m.Kind {
	case build.EventFailed, build.EventLost, build.EventWithdrawn, build.EventBad, build.EventStepFailed:
		e.Action, e.Payload = "trigger", m.payload()
		e.Links = []pageLink{{Href: m.Page, Text: "build"}}
	case build.EventSucceeded:
		if m.About.By == build.Itself {
			return "", nil // what was taken back is not mended by that
		}
		e.Action = "resolve"
	case build.EventUndone:
		if m.Build != "" {
			return "", nil // its build tells of it
		}
		e.Action, e.Payload = "trigger", m.payload()
	case build.EventDelivered:
		if m.Build != "" {
			return "", nil
		}
		e.Action = "resolve"
	default:
		return "", nil
	}
	body, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("write event %d as JSON: %w", m.Seq, err)
	}
	base := p.URL
	if base == "" {
		base = pagerDutyURL
	}
	return "", post(ctx, strings.TrimRight(base, "/")+"/v2/enqueue", body, http.Header{})
}

// incident is one for a project and environment.
func (m Message) incident() string {
	return strings.TrimSuffix("autobuilder/"+m.Project.Name+"/"+m.Project.Environment(), "/")
}

func (m Message) payload() *pagePayload {
	summary := []rune(m.Headline())
	details := map[string]any{"details": strings.Join(m.Details(), "\n")}
	for name, value := range map[string]string{
		"commit": m.About.Commit, "version": m.About.Version, "by": m.About.By, "why": m.Note, "step": m.Step, "live": m.Live.Version,
	} {
		if value != "" {
			details[name] = value
		}
	}
	return &pagePayload{
		Summary: string(summary[:min(len(summary), mostSummary)]), Source: "autobuilder", Severity: "error",
		Timestamp: m.At.UTC().Format(time.RFC3339), Component: m.Project.Name, Group: m.Project.Environment(),
		Class: "deploy " + string(m.Kind), Details: details,
	}
}
