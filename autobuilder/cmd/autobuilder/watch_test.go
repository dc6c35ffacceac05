package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
)

func TestTheWatchTakesABadReleaseBack(t *testing.T) {
	t.Parallel()
	var errorsPerSecond atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "shop_errors %d\n", errorsPerSecond.Load())
	}))
	t.Cleanup(app.Close)
	l := &listener{}
	place := httptest.NewServer(l)
	t.Cleanup(place.Close)
	prometheus := labtest.StartPrometheus(t, app.Listener.Addr().String())
	s := newStage(t, "")
	s.write("autobuilder.yml", fmt.Sprintf(`listen: 127.0.0.1:0
jenkins: {listen: 127.0.0.1:0}
templates: templates
settle: 50ms
poll: 50ms
github: {secret_env: SECRET}
notify: {webhooks: [{name: ops, url: '%s', secret_env: SECRET}]}
projects:
  - {name: shop, repo: acme/shop, clone_url: %s, template: echo,
     watch: {for: 5m, every: 500ms, failures: 2, prometheus: '%s', query: 'shop_errors > 10'}}
`, place.URL, s.repo, prometheus))
	v := s.serve()
	good := s.commit("good")
	s.git("-C", s.repo, "tag", "v1.0.0")
	v.tell("d1", "refs/heads/master")
	s.reaches(0, build.Succeeded)
	s.commit("bad")
	s.git("-C", s.repo, "tag", "v1.0.1")
	v.tell("d2", "refs/heads/master")
	s.reaches(1, build.Succeeded)
	errorsPerSecond.Store(400)

	back := s.reaches(2, build.Succeeded)
	assert.Equal(t, good, back.Commit)
	assert.Equal(t, build.Itself, back.By)
	var told map[string]any
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, body := range l.bodies {
			if body["event"] == "withdrawn" {
				told = body
			}
		}
		return told != nil
	}, patient, 20*time.Millisecond)
	assert.Equal(t, "shop v1.0.1 is taken back: shop_errors > 10 is 400; back to v1.0.0, pushed by ada", told["text"])
	assert.Equal(t, true, told["bad"])
	_, text := v.get("/api/v1/live")
	assert.Contains(t, text, good)
}
