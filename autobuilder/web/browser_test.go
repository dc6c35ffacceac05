package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"autobuilder/web"
)

// chromium is where the browser is; CI has to have it.
func chromium(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("there is no chromium: apt-get install chromium")
	}
	require.NoError(t, err, "chromium is needed")
	return path
}

// as lets every request come from a proxy that names somebody.
func as(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name != "" {
			r.Header.Set("X-Remote-User", name)
		}
		next.ServeHTTP(w, r)
	})
}

// serve shows the seed's page to somebody.
func (s *seed) serve(name string) *httptest.Server {
	s.t.Helper()
	if name != "" {
		s.signedIn()
	}
	h, err := web.New(s.t.Context(), s.options)
	require.NoError(s.t, err)
	server := httptest.NewServer(as(name, h))
	s.t.Cleanup(server.Close)
	return server
}

const browserTime = 2 * time.Minute

// browse starts a browser that ends with the test.
func browse(t testing.TB) context.Context {
	t.Helper()
	own, err := os.MkdirTemp("", "browser") // it leaves its files there, also after it has ended well
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(own) })
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.Env("TMPDIR="+own))
	ctx, stop := context.WithTimeout(t.Context(), browserTime)
	t.Cleanup(stop)
	ctx, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stopAllocator)
	ctx, stopBrowser := chromedp.NewContext(ctx)
	t.Cleanup(stopBrowser)
	return ctx
}
