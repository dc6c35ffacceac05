package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"deliver/release"
	"deliver/rollout"
)

// Message is what autobuilder is told of a run: when it begins, while its hosts get
// on, and when it has ended.
type Message struct {
	Run         string         `json:"run"`
	Build       string         `json:"build,omitempty"` // AUTOBUILDER_ID
	Job         string         `json:"job,omitempty"`
	Environment string         `json:"environment,omitempty"`
	Action      string         `json:"action"`
	Release     release.Record `json:"release"`
	By          string         `json:"by,omitempty"`
	Only        string         `json:"only,omitempty"` // the servers that were asked for; empty: all
	Started     time.Time      `json:"started"`
	Ended       time.Time      `json:"ended,omitzero"`
	Result      rollout.Result `json:"result,omitempty"` // empty: it runs
	Error       string         `json:"error,omitempty"`
	Hosts       []HostHeadway  `json:"hosts,omitempty"`
}

// Post tells autobuilder of a run. It never holds the run up: what can't be sent
// at once waits in a short queue, and what does not fit into it is dropped.
type Post struct {
	first  Message
	redact Redactor
	queue  chan Message
	done   chan error

	mu      sync.Mutex
	headway *headway
	news    bool // of the hosts, that was not sent
}

const (
	postPath    = "api/v1/rollouts"
	postQueue   = 8
	postTimeout = 5 * time.Second  // of one message
	postPace    = time.Second      // between two messages on how far the hosts are
	postBrief   = 2 * time.Second  // of such a message: the next one says all that it says
	postPause   = 15 * time.Second // after one that was not taken
	postFlush   = 3 * time.Second  // for what is left when the run has ended
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
	p := &Post{first: first, redact: redact, queue: make(chan Message, postQueue), done: make(chan error, 1), headway: newHeadway()}
	go p.run(address.JoinPath(postPath).String(), to.Token)
	return p, nil
}

// Handle tells that the run has begun, and notes how far its hosts are. It is a
// listener of a Rollout.
func (p *Post) Handle(e rollout.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.headway.take(e) && e.Kind != rollout.RunStarted {
		p.news = true
	}
	if e.Kind == rollout.RunStarted {
		p.first.Started = e.Time
		p.put(p.first)
	}
}

// middle is how far the hosts are, if that is news.
func (p *Post) middle() (m Message, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, news, p.news = p.first, p.news, false
	m.Hosts = p.headway.all(p.redact)
	return m, news
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
	p.mu.Lock()
	end, s := p.first, Summarize(o, p.redact)
	end.Hosts, p.news = p.headway.ended(s, p.redact), false
	p.mu.Unlock()
	end.Started, end.Ended, end.Result, end.Error = o.Started, o.Ended, s.Result, s.Error
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

// run sends what is put into the queue until it is closed, and meanwhile how far
// the hosts are. What is in the queue comes first.
func (p *Post) run(address, token string) {
	var last error
	pace := time.NewTicker(postPace)
	defer pace.Stop()
	for open := true; open; {
		var m Message
		select {
		case m, open = <-p.queue:
			if open {
				last = send(address, token, m, postTimeout)
			}
		case <-pace.C:
			pace.Reset(p.tellOn(address, token))
		}
	}
	if last != nil {
		last = fmt.Errorf("autobuilder was not told how the run ended: %s", p.redact.Text(last.Error()))
	}
	p.done <- last
}

// tellOn tells how far the hosts are, and says when to do so again.
func (p *Post) tellOn(address, token string) time.Duration {
	if m, news := p.middle(); news && send(address, token, m, postBrief) != nil {
		return postPause
	}
	return postPace
}

func send(address, token string, m Message, within time.Duration) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
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
