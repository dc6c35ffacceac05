package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"deliver/release"
	"deliver/rollout"
)

// Message is what autobuilder is told of a run: once when it begins, once when it ended.
type Message struct {
	Run         string         `json:"run"`
	Build       string         `json:"build,omitempty"` // AUTOBUILDER_ID
	Job         string         `json:"job,omitempty"`
	Environment string         `json:"environment,omitempty"`
	Action      string         `json:"action"`
	Release     release.Record `json:"release"`
	By          string         `json:"by,omitempty"`
	Started     time.Time      `json:"started"`
	Ended       time.Time      `json:"ended,omitzero"`
	Result      rollout.Result `json:"result,omitempty"` // empty: it runs
	Error       string         `json:"error,omitempty"`
	Hosts       []HostSummary  `json:"hosts,omitempty"` // of an ended run
}

// Post tells autobuilder of a run. It never holds the run up: what can't be sent
// at once waits in a short queue, and what does not fit into it is dropped.
type Post struct {
	first  Message
	redact Redactor
	queue  chan Message
	done   chan error
}

const (
	postPath    = "api/v1/rollouts"
	postQueue   = 8
	postTimeout = 5 * time.Second // of one message
	postFlush   = 3 * time.Second // for what is left when the run has ended
)

// Autobuilder is where a Post goes to.
type Autobuilder struct {
	URL   string
	Token string
}

// NewPost begins to tell of a run, of which first says what is known at its start.
// Finish must be called.
func NewPost(to Autobuilder, first Message, redact Redactor) (*Post, error) {
	address, err := url.Parse(to.URL)
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return nil, fmt.Errorf("AUTOBUILDER_URL %q is no http(s) address", redact.Text(to.URL))
	}
	p := &Post{first: first, redact: redact, queue: make(chan Message, postQueue), done: make(chan error, 1)}
	go p.run(address.JoinPath(postPath).String(), to.Token)
	return p, nil
}

// Handle tells that the run has begun. It is a listener of a Rollout.
func (p *Post) Handle(e rollout.Event) {
	if e.Kind != rollout.RunStarted {
		return
	}
	p.first.Started = e.Time
	p.put(p.first)
}

// put drops what the queue has no room for.
func (p *Post) put(m Message) {
	select {
	case p.queue <- m:
	default:
	}
}

// Finish tells how the run ended, and waits a moment until that is sent. The
// error says that autobuilder was not told, which is no fault of the run.
func (p *Post) Finish(o rollout.Outcome) error {
	end, s := p.first, Summarize(o, p.redact)
	end.Started, end.Ended, end.Result, end.Error, end.Hosts = o.Started, o.Ended, s.Result, s.Error, s.Hosts
	if end.Error == "" || o.Result == rollout.Refused {
		end.Error = firstError(s)
	}
	p.put(end)
	close(p.queue)
	late := time.NewTimer(postFlush)
	defer late.Stop()
	select {
	case err := <-p.done:
		return err
	case <-late.C:
		return fmt.Errorf("autobuilder was not told how the run ended: no answer within %s", postFlush)
	}
}

// firstError is why the run ended as it did: what it says itself, or else what
// the first host says that is not right.
func firstError(s Summary) string {
	for _, h := range s.Hosts {
		if h.Error != "" {
			return h.Host + ": " + h.Error
		}
	}
	return s.Error
}

// run sends what is put into the queue until it is closed.
func (p *Post) run(address, token string) {
	var last error
	for m := range p.queue {
		last = send(address, token, m)
	}
	if last != nil {
		last = fmt.Errorf("autobuilder was not told how the run ended: %s", p.redact.Text(last.Error()))
	}
	p.done <- last
}

func send(address, token string, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 500))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(answer))
	}
	return nil
}
