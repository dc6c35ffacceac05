package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

const prometheusConfig = `global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ['%s']}]
`

// startPrometheus runs a real one that scrapes the address, and gives its URL.
func startPrometheus(t *testing.T, target string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
			t.Fatal("this machine lacks prometheus")
		}
		t.Skip("this machine lacks prometheus")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, prometheusConfig, target), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+address)
	log := &logText{}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log)
		}
	})
	return "http://" + address
}

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
	prometheus := startPrometheus(t, app.Listener.Addr().String())
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
