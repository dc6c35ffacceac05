package notify_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/notify"
)

// hub is a GitHub that takes what GitHub's own description of its API allows.
type hub struct {
	*httptest.Server
	routes routers.Router

	mu          sync.Mutex
	bodies      []string
	wrong       []error
	deployments []map[string]any
	states      map[int64][]map[string]any
	statuses    []map[string]any
	lose        int // so many answers are lost on their way back
}

func newHub(t *testing.T) *hub {
	t.Helper()
	packed, err := os.ReadFile("testdata/octokit/openapi.json.gz")
	require.NoError(t, err)
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	text, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	h := &hub{states: map[int64][]map[string]any{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	doc.Servers = openapi3.Servers{{URL: h.URL}}
	h.routes, err = gorillamux.NewRouter(doc)
	require.NoError(t, err)
	t.Cleanup(func() { assert.Empty(t, h.wrong, "requests that GitHub's description does not allow") })
	return h
}

func (h *hub) sink(t *testing.T) *notify.GitHub {
	t.Helper()
	sink, err := notify.NewGitHub(h.URL, "a token", true, true)
	require.NoError(t, err)
	return sink
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.bodies = append(h.bodies, r.URL.String()+" "+string(body))
	if err := h.allowed(r); err != nil {
		h.wrong = append(h.wrong, err)
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	answer := h.do(r, body)
	if h.lose > 0 && r.Method == http.MethodPost {
		h.lose--
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (h *hub) allowed(r *http.Request) error {
	route, params, err := h.routes.FindRoute(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL, err)
	}
	body, _ := io.ReadAll(r.Body)
	defer func() { r.Body = io.NopCloser(bytes.NewReader(body)) }()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Header.Get("Authorization") != "Bearer a token" {
		return fmt.Errorf("%s %s: no token", r.Method, r.URL)
	}
	return openapi3filter.ValidateRequest(context.Background(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
}

func (h *hub) do(r *http.Request, body []byte) any {
	var fields map[string]any
	_ = json.Unmarshal(body, &fields)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	post := r.Method == http.MethodPost
	switch {
	case parts[3] == "statuses" && post:
		h.statuses = append([]map[string]any{fields}, h.statuses...)
		return fields
	case parts[3] == "commits":
		return h.statuses
	case len(parts) == 4 && post:
		fields["id"], fields["sha"] = len(h.deployments)+1, fields["ref"]
		h.deployments = append(h.deployments, fields)
		return fields
	case len(parts) == 4:
		return h.deployments
	}
	id, _ := strconv.ParseInt(parts[4], 10, 64)
	if post {
		h.states[id] = append([]map[string]any{fields}, h.states[id]...)
		return fields
	}
	return h.states[id]
}

func (h *hub) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.bodies, "\n")
}

// path is the states of a deployment, oldest first.
func (h *hub) path(id int64) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var states []string
	for _, s := range h.states[id] {
		states = append([]string{s["state"].(string)}, states...)
	}
	return states
}

func TestGitHubShowsTheDeployment(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	s := newStage(t, map[string]notify.Sink{"github": h.sink(t)})
	s.live()
	s.run()
	s.add("b1", newCommit)
	s.move("b1", build.Running, "")
	s.move("b1", build.Failed, strings.Repeat("a long story ", 20))
	s.add("b2", newCommit, func(b *build.Build) { b.Attempt = 2 })
	s.move("b2", build.Running, "")
	s.move("b2", build.Succeeded, "")
	s.tries("b3", build.Succeeded)
	s.told()

	require.Len(t, h.deployments, 2, "what some servers try is none of the environment")
	d := h.deployments[0]
	assert.Equal(t, newCommit, d["ref"])
	assert.Equal(t, "production", d["environment"])
	assert.Equal(t, false, d["auto_merge"])
	assert.Equal(t, []any{}, d["required_contexts"])
	assert.Equal(t, map[string]any{
		"autobuilder": "b1", "version": "v1.2.0", "release_notes": "https://github.test/acme/shop/releases/tag/v1.2.0",
	}, d["payload"])
	assert.Equal(t, []string{"queued", "in_progress", "failure"}, h.path(1))
	assert.Equal(t, []string{"queued", "in_progress", "success"}, h.path(2))
	last := h.states[2][0]
	assert.Equal(t, "https://ci.test/builds/b2", last["log_url"])
	assert.Equal(t, "https://shop.test", last["environment_url"])
	var states []string
	for _, one := range h.statuses {
		states = append([]string{one["state"].(string)}, states...)
		assert.Equal(t, "autobuilder/shop/production", one["context"])
	}
	assert.Equal(t, []string{"pending", "pending", "failure", "pending", "pending", "success"}, states)
}

func TestGitHubIsNotToldTwiceWhenItsAnswerIsLost(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.lose = 3
	s := newStage(t, map[string]notify.Sink{"github": h.sink(t)})
	s.run()
	s.add("b1", newCommit)
	s.move("b1", build.Running, "")
	s.told()
	assert.Len(t, h.statuses, 2)
	assert.Len(t, h.deployments, 1, "it is found by the build in its payload")
	assert.Equal(t, []string{"queued", "in_progress"}, h.path(1))
}

func TestGitHubMayShowStatusesOnly(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	sink, err := notify.NewGitHub(h.URL+"/", "a token", true, false)
	require.NoError(t, err)
	s := newStage(t, map[string]notify.Sink{"github": sink})
	s.run()
	s.add("b1", newCommit)
	s.told()
	assert.Len(t, h.statuses, 1)
	assert.Empty(t, h.deployments)
	assert.Contains(t, h.statuses[0]["description"], "waits to be built")
}

func TestTheHubRefusesWhatGitHubWould(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for name, body := range map[string]string{
		"a state that there is not": `{"state":"going","context":"x"}`, "no state": `{"context":"x"}`, "no JSON": `state=success`,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+"/repos/acme/shop/statuses/"+newCommit, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer a token")
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		assert.Equal(t, http.StatusUnprocessableEntity, response.StatusCode, name)
		response.Body.Close()
		cancel()
	}
	h.wrong = nil
}
