package labtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// PagerDuty stands in for PagerDuty's Events API v2: it takes what that documents,
// and answers 400 to all else.
type PagerDuty struct {
	URL  string
	mu   sync.Mutex
	got  []PagerDutyEvent
	errs []string
}

// PagerDutyEvent is what it is sent.
type PagerDutyEvent struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Client     string `json:"client"`
	ClientURL  string `json:"client_url"`
	Payload    *struct {
		Summary   string         `json:"summary"`
		Source    string         `json:"source"`
		Severity  string         `json:"severity"`
		Timestamp string         `json:"timestamp"`
		Component string         `json:"component"`
		Group     string         `json:"group"`
		Class     string         `json:"class"`
		Details   map[string]any `json:"custom_details"`
	} `json:"payload"`
	Links []struct {
		Href string `json:"href"`
		Text string `json:"text"`
	} `json:"links"`
}

// StartPagerDuty is one for as long as the test goes on. It answers each request
// as the answer says, by how many came before it; without one as PagerDuty does.
func StartPagerDuty(t testing.TB, answer func(before int, w http.ResponseWriter) (answered bool)) *PagerDuty {
	t.Helper()
	p, before := &PagerDuty{}, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		before++
		if answer == nil || !answer(before-1, w) {
			p.take(w, r)
		}
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL
	t.Cleanup(func() { require.Empty(t, p.errs, "what PagerDuty would not take") })
	return p
}

func (p *PagerDuty) take(w http.ResponseWriter, r *http.Request) {
	var e PagerDutyEvent
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
	case r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue":
		err = fmt.Errorf("%s %s is not documented", r.Method, r.URL.Path)
	case r.Header.Get("Content-Type") != "application/json":
		err = fmt.Errorf("the content type is %q", r.Header.Get("Content-Type"))
	default:
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(&e); err == nil {
			err = e.wrong()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		p.errs = append(p.errs, err.Error()+": "+string(body))
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{err.Error()}})
		return
	}
	p.got = append(p.got, e)
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
}

const (
	routingKey = 32 // letters
	mostDedup  = 255
	mostWords  = 1024 // of a summary
)

// wrong says what of the event is not as documented.
func (e PagerDutyEvent) wrong() error {
	switch {
	case len(e.RoutingKey) != routingKey:
		return fmt.Errorf("routing_key has %d letters, not %d", len(e.RoutingKey), routingKey)
	case !slices.Contains([]string{"trigger", "acknowledge", "resolve"}, e.Action):
		return fmt.Errorf("event_action is %q", e.Action)
	case e.DedupKey == "" && e.Action != "trigger", len(e.DedupKey) > mostDedup:
		return fmt.Errorf("dedup_key has %d letters", len(e.DedupKey))
	case e.Action != "trigger":
		return nil
	case e.Payload == nil:
		return errors.New("payload is missing")
	case e.Payload.Summary == "" || utf8.RuneCountInString(e.Payload.Summary) > mostWords:
		return fmt.Errorf("payload.summary has %d letters", utf8.RuneCountInString(e.Payload.Summary))
	case e.Payload.Source == "":
		return errors.New("payload.source is missing")
	case !slices.Contains([]string{"critical", "error", "warning", "info"}, e.Payload.Severity):
		return fmt.Errorf("payload.severity is %q", e.Payload.Severity)
	}
	for _, link := range e.Links {
		if _, err := url.ParseRequestURI(link.Href); err != nil {
			return fmt.Errorf("links: %w", err)
		}
	}
	_, err := time.Parse(time.RFC3339, e.Payload.Timestamp)
	return err
}

// Events are those that it has taken, oldest first.
func (p *PagerDuty) Events() []PagerDutyEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}
