package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/signin"
	"autobuilder/web"
)

// visitor is a browser without JavaScript, with its cookies.
type visitor struct {
	t       *testing.T
	server  *httptest.Server
	client  *http.Client
	headers map[string]string
}

// visit opens the page over a crew.
func visit(t *testing.T, c *crew, change ...func(*signin.Options)) *visitor {
	t.Helper()
	h, err := web.New(t.Context(), web.Options{
		Projects: func() []build.Project {
			p := project("shop", "", "https://git.test/acme/shop.git")
			p.Chat = c.steerers
			return []build.Project{p}
		},
		Ledger: fated{stock(), c}, People: c, Desk: desk(change...), Console: (&tape{}).read, Log: slog.New(slog.DiscardHandler), Poll: time.Millisecond,
	})
	require.NoError(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t: t, server: server, client: &http.Client{Jar: jar}, headers: map[string]string{}}
}

func (v *visitor) send(method, path string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	ctx, stop := context.WithTimeout(v.t.Context(), time.Minute) // a stream that should not be there would not end
	defer stop()
	request, err := http.NewRequestWithContext(ctx, method, v.server.URL+path, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.headers {
		request.Header.Set(name, value)
	}
	answer, err := v.client.Do(request)
	require.NoError(v.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(v.t, err)
	return answer, string(text)
}

func (v *visitor) signIn(token string) (*http.Response, string) {
	return v.send(http.MethodPost, "/sign-in", url.Values{"token": {token}, "back": {"/holds/h1"}})
}

func waiting() *crew {
	return &crew{
		holds:   []build.Hold{{Build: "h1", Project: "shop", Tag: "v2.0.0", Commit: "abc", Why: "v2.0.0 is a major release", State: build.Waiting, Needed: 2, By: "ada", Since: pushed}},
		live:    []build.Live{{Project: "shop", Version: "v1.1.0", Commit: "bbb", Since: pushed}},
		commits: []build.Commit{{ID: "abcdef0123456789", Author: "ada", Subject: "drop <the> old table"}},
	}
}

func TestAHoldIsDecidedOnItsPage(t *testing.T) {
	c := waiting()
	v := visit(t, c)
	_, page := v.send(http.MethodGet, "/holds/h1", nil)
	assert.Contains(t, page, "drop &lt;the&gt; old table")
	assert.Contains(t, page, `href="https://git.test/acme/shop/compare/bbb...abc"`)
	assert.Contains(t, page, "Sign in to decide")
	assert.NotContains(t, page, ">Approve<")

	answer, page := v.send(http.MethodPost, "/holds/h1/approve", url.Values{"note": {"too soon"}})
	assert.Equal(t, "/sign-in", answer.Request.URL.Path, "who has not signed in is asked to")
	assert.Contains(t, page, `name="token"`)
	assert.Empty(t, c.did)

	answer, page = v.signIn("wrong")
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	assert.Contains(t, page, "no token that is known")
	answer, page = v.signIn(" token of grace\n")
	assert.Equal(t, "/holds/h1", answer.Request.URL.Path, "back to where they were")
	assert.Contains(t, page, ">Approve<")
	answer, _ = v.send(http.MethodPost, "/holds/h1/approve", url.Values{"note": {"read it"}})
	assert.Equal(t, "/holds/h1", answer.Request.URL.Path)
	_, _ = v.send(http.MethodPost, "/holds/h1/reject", url.Values{"note": {"no"}})
	assert.Equal(t, []string{"grace approves h1: read it", "grace rejects h1: no"}, c.did)

	_, page = v.send(http.MethodPost, "/sign-out", url.Values{})
	assert.NotContains(t, page, "Sign out")
	_, _ = v.send(http.MethodPost, "/holds/h1/approve", url.Values{})
	assert.Len(t, c.did, 2)
}

func TestWhatAPersonMayNotDoIsSaid(t *testing.T) {
	c := waiting()
	c.mayNot = "grace pushed it, and somebody else is to approve it"
	v := visit(t, c)
	_, page := v.signIn("token of grace")
	assert.Contains(t, page, "approve it: grace pushed it")
	assert.Contains(t, page, "disabled")
	c.err = build.ErrNotAllowed
	answer, _ := v.send(http.MethodPost, "/holds/h1/approve", url.Values{})
	assert.Equal(t, http.StatusConflict, answer.StatusCode)

	reader := visit(t, waiting())
	_, page = reader.signIn("token of eve")
	assert.Contains(t, page, "eve may look, not decide")
	answer, page = reader.send(http.MethodPost, "/holds/h1/approve", url.Values{})
	assert.Equal(t, http.StatusForbidden, answer.StatusCode)
	assert.Contains(t, page, "eve lacks the scope approve")
}

// What another site makes a browser send does nothing, whoever has signed in.
func TestAnotherSiteCannotAct(t *testing.T) {
	for name, headers := range map[string]map[string]string{
		"a new browser":  {"Sec-Fetch-Site": "cross-site"},
		"a neighbour":    {"Sec-Fetch-Site": "same-site"},
		"an old browser": {"Origin": "https://evil.test"},
		"a frame":        {"Origin": "null"},
	} {
		t.Run(name, func(t *testing.T) {
			c := waiting()
			v := visit(t, c)
			v.signIn("token of grace")
			v.headers = headers
			for _, path := range []string{"/holds/h1/approve", "/api/v1/holds/h1/approve", "/projects/shop/deploy", "/projects/shop/lock", "/sign-in", "/sign-out"} {
				answer, _ := v.send(http.MethodPost, path, url.Values{"token": {"token of grace"}})
				assert.Equal(t, http.StatusForbidden, answer.StatusCode, path)
			}
			assert.Empty(t, c.did)
		})
	}
	v := visit(t, waiting())
	v.signIn("token of grace")
	v.headers = map[string]string{"Origin": "http://ci.test"} // the page's own address, behind a proxy
	answer, _ := v.send(http.MethodPost, "/holds/h1/approve", url.Values{})
	assert.Equal(t, http.StatusOK, answer.StatusCode)
}

func TestAPrivatePageShowsNothingToStrangers(t *testing.T) {
	private := func(o *signin.Options) { o.Private = true }
	v := visit(t, waiting(), private)
	for _, path := range []string{"/", "/projects/shop", "/builds/b3", "/builds/b3/console", "/holds", "/holds/h1", "/ledger", "/events", "/builds/b3/console/events"} {
		answer, page := v.send(http.MethodGet, path, nil)
		assert.Equal(t, "/sign-in", answer.Request.URL.Path, path)
		assert.Equal(t, path, answer.Request.URL.Query().Get("back"))
		assert.NotContains(t, page, "v2.0.0")
	}
	for _, path := range []string{"/api/v1/builds", "/api/v1/holds", "/api/v1/live", "/api/v1/ledger", "/api/v1/projects"} {
		answer, page := v.send(http.MethodGet, path, nil)
		assert.Equal(t, http.StatusUnauthorized, answer.StatusCode, path)
		assert.NotContains(t, page, "v1.1.0")
	}
	v.headers = map[string]string{"Authorization": "Bearer token of ci"} // tells of rollouts, and no more
	answer, _ := v.send(http.MethodGet, "/api/v1/builds", nil)
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	v.headers = map[string]string{"Authorization": "Bearer token of eve"}
	answer, _ = v.send(http.MethodGet, "/api/v1/builds", nil)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	v.headers = nil
	_, page := v.signIn("token of eve")
	assert.Contains(t, page, "v2.0.0")
}

func TestTheHeadersOfEveryAnswer(t *testing.T) {
	v := visit(t, waiting())
	for _, path := range []string{"/", "/nowhere", "/static/style.css", "/api/v1/holds", "/sign-in"} {
		answer, _ := v.send(http.MethodGet, path, nil)
		policy := answer.Header.Get("Content-Security-Policy")
		assert.Contains(t, policy, "default-src 'none'", path)
		assert.NotContains(t, policy, "unsafe", path)
		assert.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"), path)
		assert.Equal(t, "DENY", answer.Header.Get("X-Frame-Options"), path)
	}
	answer, _ := v.send(http.MethodPost, "/sign-in", url.Values{"token": {"token of grace"}, "back": {"//evil.test/"}})
	assert.Equal(t, "/", answer.Request.URL.Path)
	assert.Equal(t, strings.TrimPrefix(v.server.URL, "http://"), answer.Request.URL.Host, "never to another site")
}

func TestTheLedgerIsSearched(t *testing.T) {
	v := visit(t, waiting())
	_, page := v.send(http.MethodGet, "/ledger?q=cccc", nil)
	assert.Contains(t, page, "the same release as build b3")
	assert.NotContains(t, page, "no project has this repository")
	_, page = v.send(http.MethodGet, "/ledger?q=%3Cscript%3E", nil)
	assert.Contains(t, page, "No delivery is about this")
	assert.NotContains(t, page, "<script>")
	_, text := v.send(http.MethodGet, "/api/v1/ledger?q=cccc", nil)
	assert.Contains(t, text, `"delivery":"d2"`)
	assert.NotContains(t, text, `"delivery":"d1"`)
}

func TestStepsAreTickedOnThePage(t *testing.T) {
	c := waiting()
	c.holds[0].State = build.Approved
	c.holds[0].Steps = []build.Item{
		{N: 1, Kind: build.ItemRun, Text: "run: ./migrate", State: build.ItemFailed, Why: "exit 3", Child: "b3"},
		{N: 2, Kind: build.ItemPerson, Text: "tell support", State: build.ItemTodo},
	}
	v := visit(t, c)
	_, page := v.signIn("token of grace")
	assert.Contains(t, page, "I saw to it")
	assert.Contains(t, page, "Try again")
	assert.NotContains(t, page, `value="2"`, "it is not the second's turn")
	_, _ = v.send(http.MethodPost, "/holds/h1/tick", url.Values{"step": {"1"}, "again": {"1"}, "note": {"the disk was full"}})
	_, _ = v.send(http.MethodPost, "/holds/h1/tick", url.Values{"step": {"1"}})
	assert.Equal(t, []build.Tick{{Step: 1, Again: true, By: "grace", Note: "the disk was full"}, {Step: 1, By: "grace"}}, c.ticks)
}
