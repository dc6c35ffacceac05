package signin_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/signin"
)

// github is the part of GitHub that signs people in, as its documentation of the
// web application flow says: a code is good once, for the client and the
// redirection that it was given to, and with the verifier of its challenge.
type github struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	codes  map[string]url.Values // what each was asked for with
	login  string
	member string // state of the membership; empty: none
}

const clientID, clientSecret = "Iv1.0123456789abcdef", "the app's secret"

func startGitHub(t *testing.T) *github {
	t.Helper()
	g := &github{t: t, codes: map[string]url.Values{}, login: "grace"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", g.authorize)
	mux.HandleFunc("POST /login/oauth/access_token", g.exchange)
	mux.HandleFunc("GET /user", g.user)
	mux.HandleFunc("GET /user/memberships/orgs/acme", g.membership)
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

// authorize is the page on which a person says yes.
func (g *github) authorize(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	assert.Equal(g.t, clientID, asked.Get("client_id"))
	assert.NotEmpty(g.t, asked.Get("state"))
	assert.Equal(g.t, "S256", asked.Get("code_challenge_method"))
	g.mu.Lock()
	defer g.mu.Unlock()
	code := rand.Text()
	g.codes[code] = asked
	back, err := url.Parse(asked.Get("redirect_uri"))
	assert.NoError(g.t, err)
	back.RawQuery = url.Values{"code": {code}, "state": {asked.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (g *github) exchange(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	given := r.FormValue("code")
	asked, ok := g.codes[given]
	delete(g.codes, given)
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.FormValue("client_id") != clientID || r.FormValue("client_secret") != clientSecret:
		answer(w, map[string]string{"error": "incorrect_client_credentials"})
	case !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge"):
		answer(w, map[string]string{"error": "bad_verification_code"})
	case r.FormValue("redirect_uri") != asked.Get("redirect_uri"):
		answer(w, map[string]string{"error": "redirect_uri_mismatch"})
	default:
		answer(w, map[string]string{"access_token": "gho_of_" + g.login, "token_type": "bearer", "scope": asked.Get("scope")})
	}
}

func (g *github) user(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer gho_of_"+g.login {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer(w, map[string]any{"login": g.login, "id": 1})
}

func (g *github) membership(w http.ResponseWriter, _ *http.Request) {
	if g.member == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, map[string]string{"state": g.member})
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

// page is a program with a desk, and somebody's browser.
type page struct {
	*httptest.Server
	t       *testing.T
	desk    *signin.Desk
	browser *http.Client
}

func open(t *testing.T, change func(*signin.Options)) *page {
	t.Helper()
	p := &page{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("/sign-in/github", func(w http.ResponseWriter, r *http.Request) { p.desk.Begin(w, r, r.URL.Query().Get("back")) })
	mux.HandleFunc(signin.CallbackPath, func(w http.ResponseWriter, r *http.Request) {
		back, err := p.desk.Finish(w, r)
		if err != nil {
			assert.ErrorIs(t, err, signin.ErrRefused)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, back, http.StatusSeeOther)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) { p.desk.SignIn(w, r.FormValue("token")) })
	mux.HandleFunc("/out", func(w http.ResponseWriter, _ *http.Request) { p.desk.SignOut(w) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		person, ok := p.desk.Who(r)
		fmt.Fprintf(w, "%s known=%t approves=%t", person.Name, ok, person.May(build.ScopeApprove))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	p.browser = &http.Client{Jar: jar}
	o := signin.Options{URL: p.URL, Key: []byte("a key"), Tokens: func() []build.Token { return nil }}
	change(&o)
	p.desk = signin.New(o)
	return p
}

func (p *page) get(path string) string {
	p.t.Helper()
	response, err := p.browser.Get(p.URL + path)
	require.NoError(p.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return string(text)
}

func (p *page) who() string { return strings.TrimSpace(p.get("/")) }

const (
	nobody = "known=false approves=false"
	grace  = "grace known=true approves=true"
)

func with(g *github, change func(*signin.GitHub)) func(*signin.Options) {
	return func(o *signin.Options) {
		o.GitHub = signin.GitHub{ClientID: clientID, Secret: clientSecret, URL: g.URL, API: g.URL}
		change(&o.GitHub)
	}
}

func TestSignInWithGitHub(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		login  string
		member string
		change func(*signin.GitHub)
		says   string
	}{
		{"one of the users", "grace", "", func(g *signin.GitHub) { g.Users = []string{"ada", "Grace"} }, grace},
		{"not one of the users", "eve", "", func(g *signin.GitHub) { g.Users = []string{"grace"} }, "eve is not in sign_in.github.users"},
		{"a member", "grace", "active", func(g *signin.GitHub) { g.Organization = "acme" }, grace},
		{"one who is only invited", "grace", "pending", func(g *signin.GitHub) { g.Organization = "acme" }, "grace is no member of acme"},
		{"a stranger", "eve", "", func(g *signin.GitHub) { g.Organization = "acme" }, "eve is no member of acme"},
		{"a wrong secret", "grace", "", func(g *signin.GitHub) { g.Users, g.Secret = []string{"grace"}, "wrong" }, "GitHub did not take the code"},
		{"no name", "", "", func(g *signin.GitHub) { g.Users = []string{""} }, "did not say who it is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := startGitHub(t)
			g.login, g.member = c.login, c.member
			p := open(t, with(g, c.change))
			assert.Contains(t, p.get("/sign-in/github?back=/holds"), c.says)
			assert.Equal(t, c.says == grace, p.who() == grace)
			p.get("/out")
			assert.Equal(t, nobody, p.who())
		})
	}
}

// callback catches what GitHub sends the browser back with.
func (p *page) callback() *url.URL {
	p.t.Helper()
	var caught *url.URL
	p.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == signin.CallbackPath {
			caught = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	response, err := p.browser.Get(p.URL + "/sign-in/github")
	require.NoError(p.t, err)
	response.Body.Close()
	p.browser.CheckRedirect = nil
	require.NotNil(p.t, caught)
	return caught
}

func TestAnotherOnesCodeIsNotTaken(t *testing.T) {
	t.Parallel()
	g := startGitHub(t)
	ours := with(g, func(g *signin.GitHub) { g.Users = []string{"grace"} })
	thief, victim := open(t, ours), open(t, ours)
	victim.desk = thief.desk // of one program
	stolen := thief.callback()
	assert.Contains(t, victim.get(signin.CallbackPath+"?"+stolen.RawQuery), "began in another browser")

	own := victim.callback().Query()
	own.Set("code", stolen.Query().Get("code"))
	assert.Contains(t, victim.get(signin.CallbackPath+"?"+own.Encode()), "GitHub did not take the code", "the verifier is not that code's")
	again := victim.callback().Query()
	again.Set("state", "guessed")
	assert.Contains(t, victim.get(signin.CallbackPath+"?"+again.Encode()), "not what was asked for")
	denied := victim.callback().Query()
	denied.Del("code")
	denied.Set("error", "access_denied")
	assert.Contains(t, victim.get(signin.CallbackPath+"?"+denied.Encode()), "access_denied")
	assert.Equal(t, nobody, victim.who())
}

func TestWhoIsTakenOffTheListIsOut(t *testing.T) {
	t.Parallel()
	g := startGitHub(t)
	p := open(t, with(g, func(g *signin.GitHub) { g.Users = []string{"grace"} }))
	p.get("/sign-in/github")
	require.Equal(t, grace, p.who())
	p.desk.GitHub.Users = []string{"ada"}
	assert.Equal(t, nobody, p.who())
}
