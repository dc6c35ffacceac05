package embedded_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

func handler(t *testing.T, o embedded.Options) *embedded.Server {
	t.Helper()
	o.Dir = t.TempDir()
	server, err := embedded.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	return server
}

func TestTokenIsDemanded(t *testing.T) {
	t.Parallel()
	closed := handler(t, embedded.Options{User: "ci", Token: "secret"})
	readable := handler(t, embedded.Options{User: "ci", Token: "secret", AnonymousRead: true})
	for name, c := range map[string]struct {
		server      *embedded.Server
		method      string
		user, token string
		code        int
	}{
		"read":                            {closed, "GET", "ci", "secret", 200},
		"write":                           {closed, "POST", "ci", "secret", 200},
		"read without":                    {closed, "GET", "", "", 401},
		"write without":                   {closed, "POST", "", "", 401},
		"wrong token":                     {closed, "GET", "ci", "secreT", 401},
		"no token":                        {closed, "POST", "ci", "", 401},
		"wrong user":                      {closed, "POST", "root", "secret", 401},
		"readable: read":                  {readable, "GET", "", "", 200},
		"readable: write":                 {readable, "POST", "", "", 401},
		"readable: write with it":         {readable, "POST", "ci", "secret", 200},
		"readable: read with a wrong one": {readable, "GET", "ci", "x", 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := "/api/json"
			if c.method == http.MethodPost {
				path = "/createItem?name=" + strings.ReplaceAll(strings.ReplaceAll(name, " ", ""), ":", "")
			}
			req := httptest.NewRequest(c.method, "http://127.0.0.1"+path, strings.NewReader("<project/>"))
			if c.user != "" {
				req.SetBasicAuth(c.user, c.token)
			}
			w := httptest.NewRecorder()
			c.server.ServeHTTP(w, req)
			assert.Equal(t, c.code, w.Code)
			assert.Equal(t, c.code == 401, w.Header().Get("WWW-Authenticate") != "")
		})
	}
}

// Without a token nothing but the crumb stands between a build machine and
// every web page that is open in a browser on it.
func TestForeignPagesAreKeptOut(t *testing.T) {
	t.Parallel()
	server := handler(t, embedded.Options{URL: "http://ci.example:8080/"})
	ask := httptest.NewRecorder()
	server.ServeHTTP(ask, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/crumbIssuer/api/json", nil))
	var crumb struct{ Crumb, CrumbRequestField string }
	require.NoError(t, json.Unmarshal(ask.Body.Bytes(), &crumb))
	require.Len(t, ask.Result().Cookies(), 1)
	session := ask.Result().Cookies()[0]
	assert.True(t, session.HttpOnly)

	for name, c := range map[string]struct {
		host, crumb, origin string
		session             bool
		code                int
	}{
		"own page":                   {"ci.example:8080", crumb.Crumb, "http://ci.example:8080", true, 200},
		"a program":                  {"127.0.0.1:8080", crumb.Crumb, "", true, 200},
		"localhost":                  {"localhost", crumb.Crumb, "", true, 200},
		"ipv6":                       {"[::1]:8080", crumb.Crumb, "", true, 200},
		"no crumb":                   {"127.0.0.1", "", "", true, 403},
		"a guessed crumb":            {"127.0.0.1", "0123", "", true, 403},
		"a crumb without session":    {"127.0.0.1", crumb.Crumb, "", false, 403},
		"another site's page":        {"127.0.0.1", crumb.Crumb, "http://evil.example", true, 403},
		"a name that is made to fit": {"evil.example:8080", crumb.Crumb, "http://evil.example:8080", true, 421},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequest(http.MethodPost, "/createItem?name="+strings.ReplaceAll(strings.ReplaceAll(name, "'", ""), " ", "-"), strings.NewReader("<project/>"))
			req.Host = c.host
			req.Header.Set(crumb.CrumbRequestField, c.crumb)
			if c.session {
				req.AddCookie(session)
			}
			if c.origin != "" {
				req.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			server.ServeHTTP(w, req)
			assert.Equal(t, c.code, w.Code, w.Body.String())
		})
	}
}

func TestCrumbStaysWithItsSession(t *testing.T) {
	t.Parallel()
	server := handler(t, embedded.Options{})
	ask := func(cookies ...*http.Cookie) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/crumbIssuer/api/json", nil)
		for _, cookie := range cookies {
			req.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		return w
	}
	first := ask()
	again := ask(first.Result().Cookies()[0])
	assert.Equal(t, first.Body.String(), again.Body.String())
	assert.Empty(t, again.Result().Cookies())
	assert.NotEqual(t, first.Body.String(), ask().Body.String())
}

// A job that names a token is started with it by who has no login: a GET then
// builds too, and without it never does.
func TestAJobsOwnToken(t *testing.T) {
	t.Parallel()
	const config = "<project><authToken>let me</authToken></project>"
	closed := handler(t, embedded.Options{User: "ci", Token: "secret"})
	readable := handler(t, embedded.Options{User: "ci", Token: "secret", AnonymousRead: true})
	open := handler(t, embedded.Options{})
	for _, server := range []*embedded.Server{closed, readable} {
		req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/createItem?name=a+job", strings.NewReader(config))
		req.SetBasicAuth("ci", "secret")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
	}
	for name, c := range map[string]struct {
		server *embedded.Server
		method string
		path   string
		login  bool
		code   int
	}{
		"a GET":                     {readable, "GET", "/job/a%20job/build?token=let+me", false, 201},
		"a POST":                    {readable, "POST", "/job/a%20job/build?token=let+me", false, 201},
		"a wrong one":               {readable, "POST", "/job/a%20job/build?token=let", false, 401},
		"none":                      {readable, "POST", "/job/a%20job/build", false, 401},
		"a GET with a wrong one":    {readable, "GET", "/job/a%20job/build?token=x", false, 405},
		"a GET with a login":        {readable, "GET", "/job/a%20job/build", true, 405},
		"another page":              {readable, "POST", "/job/a%20job/doDelete?token=let+me", false, 401},
		"a job that is not seen":    {closed, "GET", "/job/a%20job/build?token=let+me", false, 401},
		"a job that is not there":   {readable, "POST", "/job/none/build?token=let+me", false, 401},
		"a job that names no token": {open, "GET", "/job/none/build?token=", false, 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequest(c.method, "http://127.0.0.1"+c.path, http.NoBody)
			if c.login {
				req.SetBasicAuth("ci", "secret")
			}
			w := httptest.NewRecorder()
			c.server.ServeHTTP(w, req)
			assert.Equal(t, c.code, w.Code, w.Body)
		})
	}
}
