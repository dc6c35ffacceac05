package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/embedded"
)

func replaceOnce(text, old, fresh string) string { return strings.Replace(text, old, fresh, 1) }

// wire is the way from autobuilder to a Jenkins. It can kill autobuilder with
// the first request for a build: before Jenkins has it, or after.
type wire struct {
	proxy    *httputil.ReverseProxy
	kill     func()
	before   bool // the request never arrives
	once     sync.Once
	finished chan struct{}
}

func (w *wire) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	if !strings.Contains(in.URL.Path, "buildWithParameters") {
		w.proxy.ServeHTTP(out, in)
		return
	}
	first := false
	w.once.Do(func() { first = true })
	if first && w.before {
		w.crash()
		return
	}
	if first {
		// The answer has nobody to go to; the request must not end with its sender.
		w.proxy.ServeHTTP(httptest.NewRecorder(), in.WithContext(context.WithoutCancel(in.Context())))
		w.crash()
		return
	}
	w.proxy.ServeHTTP(out, in)
}

func (w *wire) crash() {
	w.kill()
	close(w.finished)
}

func TestAKilledAutobuilderBuildsOnce(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{
		"between writing that it is sent and sending it":  true,
		"between sending it and hearing that it was sent": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jenkins := startJenkins(t)
			w := &wire{proxy: httputil.NewSingleHostReverseProxy(jenkins), before: before, finished: make(chan struct{})}
			front := httptest.NewServer(w)
			t.Cleanup(front.Close)
			s := newStage(t, "listen: 127.0.0.1:0\njobs_sync: true\njenkins: {url: '"+front.URL+"'}")
			v := s.serve()
			w.kill = func() { assert.NoError(t, v.cmd.Process.Kill()) }
			commit := s.commit("one")
			require.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))
			<-w.finished
			v.wait()
			assert.Equal(t, build.Triggered, s.builds()[0].State)

			s.serve()
			b := s.reaches(0, build.Succeeded)
			assert.Equal(t, commit, b.Commit)
			assert.Equal(t, int64(1), b.Number)
			assert.Equal(t, 1, buildsIn(t, jenkins), "one request for a build was taken by Jenkins")
			assert.Len(t, s.builds(), 1)
		})
	}
}

// buildsIn counts the builds that Jenkins has made or still has to make.
func buildsIn(t *testing.T, jenkins *url.URL) int {
	t.Helper()
	var job struct{ Builds []struct{ Number int } }
	var queue struct{ Items []struct{ ID int } }
	for path, into := range map[string]any{"/job/shop/api/json": &job, "/queue/api/json": &queue} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, jenkins.JoinPath(path).String(), http.NoBody)
		require.NoError(t, err)
		_, text := exchange(t, request)
		require.NoError(t, json.Unmarshal([]byte(text), into))
	}
	return len(job.Builds) + len(queue.Items)
}

// startJenkins runs an embedded Jenkins beside autobuilder, as a real one is.
func startJenkins(t *testing.T) *url.URL {
	t.Helper()
	server, err := embedded.New(embedded.Options{Dir: filepath.Join(t.TempDir(), "jenkins")})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-done)
		web.Close()
		assert.NoError(t, server.Close())
	})
	address, err := url.Parse(web.URL)
	require.NoError(t, err)
	return address
}
