package web_test

import (
	"net/http"
	"net/http/httptest"

	"github.com/stretchr/testify/require"

	"autobuilder/web"
)

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
