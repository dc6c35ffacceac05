package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"autobuilder/build"
)

// remote is access by a server's API.
type remote struct {
	base   *url.URL
	token  string
	client *http.Client
}

const (
	remoteTime   = time.Minute // of one question; the server may ask a repository
	mostOfAnswer = 64 << 20
	mostOfList   = 1000 // that the API gives
)

func newRemote(address, token string) (*remote, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, wrongUsage("--server %q is no http(s) address", address)
	}
	return &remote{base: base, token: token, client: &http.Client{Timeout: remoteTime}}, nil
}

// refusal is what the server answered instead.
type refusal struct {
	status int
	words  string
}

// Error is what the server said.
func (e *refusal) Error() string { return e.words }

// Is makes of the status the error that it stands for.
func (e *refusal) Is(target error) bool {
	return target == build.ErrNotAllowed && e.status == http.StatusConflict || target == build.ErrUnknown && e.status == http.StatusNotFound
}

// question is a request to the API.
type question struct {
	method, path string
	query        url.Values
	body         []byte
}

// ask sends a question, and reads its answer.
func (r *remote) ask(ctx context.Context, q question, answer any) error {
	address := r.base.JoinPath("api/v1", q.path)
	address.RawQuery = q.query.Encode()
	request, err := http.NewRequestWithContext(ctx, q.method, address.String(), bytes.NewReader(q.body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.base, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(response.Body, mostOfAnswer))
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.base, err)
	}
	if response.StatusCode/100 != 2 {
		return r.refused(response, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("ask %s: its answer is not autobuilder's: %w", r.base, err)
	}
	return nil
}

func (r *remote) refused(response *http.Response, text []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		return fmt.Errorf("ask %s: it answers %s: is it an autobuilder?", r.base, response.Status)
	}
	switch response.StatusCode {
	case http.StatusUnauthorized:
		said.Error += " (AUTOBUILDER_TOKEN or --token-file gives it)"
	case http.StatusBadRequest:
		return usageError{errors.New(said.Error)}
	}
	return &refusal{response.StatusCode, said.Error}
}

func (r *remote) get(ctx context.Context, path string, query url.Values, answer any) error {
	return r.ask(ctx, question{method: http.MethodGet, path: path, query: query}, answer)
}

func (r *remote) post(ctx context.Context, path string, wish, answer any) error {
	body, err := json.Marshal(wish)
	if err != nil {
		return err
	}
	return r.ask(ctx, question{method: http.MethodPost, path: path, body: body}, answer)
}

// Close ends the access.
func (r *remote) Close() { r.client.CloseIdleConnections() }

// Status is how far the projects of the server are.
func (r *remote) Status(ctx context.Context) (standing, error) {
	var told struct {
		Pending  int             `json:"pending"`
		Outbox   []build.Backlog `json:"outbox"`
		Projects []struct {
			Project struct{ Name string } `json:"project"`
			Last    *build.Build          `json:"last"`
			Good    *build.Build          `json:"good"`
			Lock    *build.Lock           `json:"lock"`
		} `json:"projects"`
	}
	if err := r.get(ctx, "status", nil, &told); err != nil {
		return standing{}, err
	}
	now := standing{Pending: told.Pending, Outbox: told.Outbox, address: r.base.Host}
	for _, p := range told.Projects {
		now.Projects = append(now.Projects, project{Name: p.Project.Name, Last: p.Last, Good: p.Good, Lock: p.Lock})
	}
	now.Server, now.Ready = askReady(ctx, r.base.JoinPath("/").String())
	return now, nil
}

// History is what the server's ledger has.
func (r *remote) History(ctx context.Context, name string, n int) (past, error) {
	query := url.Values{"limit": {strconv.Itoa(min(n, mostOfList))}}
	found := past{Builds: []build.Build{}, Deliveries: []build.Fate{}}
	if name != "" {
		repo, err := r.repo(ctx, name)
		if err != nil {
			return found, err
		}
		query.Set("project", name)
		query.Set("q", repo)
	}
	err := errors.Join(r.get(ctx, "builds", query, &found.Builds), r.get(ctx, "ledger", query, &found.Deliveries))
	return pastOf(found.Builds, err)(found.Deliveries, nil)
}

// repo is the repository of a project.
func (r *remote) repo(ctx context.Context, name string) (string, error) {
	var projects []struct {
		Project struct{ Name, Repo string } `json:"project"`
	}
	if err := r.get(ctx, "projects", nil, &projects); err != nil {
		return "", err
	}
	for _, p := range projects {
		if p.Project.Name == name {
			return p.Project.Repo, nil
		}
	}
	return "", wrongUsage("there is no project %q at %s", name, r.base)
}

// Hold is one of the server's.
func (r *remote) Hold(ctx context.Context, name string) (h build.Hold, err error) {
	err = r.get(ctx, "holds/"+url.PathEscape(name), nil, &h)
	return h, err
}

// Holds are the server's.
func (r *remote) Holds(ctx context.Context, all bool) (found []build.Hold, err error) {
	query := url.Values{}
	if all {
		query.Set("all", "")
	}
	err = r.get(ctx, "holds", query, &found)
	return found, err
}

// deed is the body of what is done about a hold.
type deed struct {
	Note  string `json:"note,omitempty"`
	Step  int    `json:"step,omitempty"`
	Again bool   `json:"again,omitempty"`
}

func (r *remote) act(ctx context.Context, name, what string, d deed) (h build.Hold, err error) {
	err = r.post(ctx, "holds/"+url.PathEscape(name)+"/"+what, d, &h)
	return h, err
}

// Approve says yes in the name of the token.
func (r *remote) Approve(ctx context.Context, name, note string) (build.Hold, error) {
	return r.act(ctx, name, "approve", deed{Note: note})
}

// Reject says no in the name of the token.
func (r *remote) Reject(ctx context.Context, name, note string) (build.Hold, error) {
	return r.act(ctx, name, "reject", deed{Note: note})
}

// Tick ticks in the name of the token.
func (r *remote) Tick(ctx context.Context, name string, t build.Tick) (build.Hold, error) {
	return r.act(ctx, name, "tick", deed{Note: t.Note, Step: t.Step, Again: t.Again})
}

// Lock locks in the name of the token.
func (r *remote) Lock(ctx context.Context, project string, w build.LockWish) (l build.Lock, err error) {
	err = r.post(ctx, "projects/"+url.PathEscape(project)+"/lock", w, &l)
	return l, err
}

// Unlock unlocks in the name of the token.
func (r *remote) Unlock(ctx context.Context, project, note string) error {
	var done map[string]string
	return r.post(ctx, "projects/"+url.PathEscape(project)+"/unlock", deed{Note: note}, &done)
}

// Trigger asks in the name of the token.
func (r *remote) Trigger(ctx context.Context, w build.Wish) (string, error) {
	return r.wish(ctx, "triggers", w)
}

// Replay asks in the name of the token.
func (r *remote) Replay(ctx context.Context, delivery string) (string, error) {
	return r.wish(ctx, "replays", map[string]string{"delivery": delivery})
}

func (r *remote) wish(ctx context.Context, path string, wish any) (string, error) {
	var made struct {
		Delivery string `json:"delivery"`
	}
	err := r.post(ctx, path, wish, &made)
	return made.Delivery, err
}

// Explain lets the server ask the repository.
func (r *remote) Explain(ctx context.Context, event string, payload []byte) (would build.Prospect, err error) {
	err = r.ask(ctx, question{http.MethodPost, "explain", url.Values{"event": {event}}, payload}, &would)
	return would, err
}
