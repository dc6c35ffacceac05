package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// badWire is the way to a Jenkins on which requests for builds and their answers
// get lost, and some are answered with errors.
type badWire struct {
	url    string
	calm   atomic.Bool
	faults atomic.Int64
}

func newBadWire(t testing.TB, to string) *badWire {
	t.Helper()
	w := &badWire{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to})
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {
		panic(http.ErrAbortHandler) // as if nobody stood between
	}
	front := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		luck := rand.IntN(100) //nolint:gosec // not for secrets
		if w.calm.Load() || luck >= 12 || !strings.Contains(in.URL.Path, "/job/") {
			proxy.ServeHTTP(out, in)
			return
		}
		w.faults.Add(1)
		switch {
		case luck < 4: // taken, and nobody hears of it
			proxy.ServeHTTP(httptest.NewRecorder(), in.WithContext(context.WithoutCancel(in.Context())))
			panic(http.ErrAbortHandler)
		case luck < 8: // it never arrives
			panic(http.ErrAbortHandler)
		}
		http.Error(out, "<title>Error 500</title>", http.StatusInternalServerError)
	}))
	t.Cleanup(front.Close)
	w.url = front.URL
	return w
}
