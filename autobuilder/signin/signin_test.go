package signin_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/signin"
)

func tokens(secret string) func() []build.Token {
	return func() []build.Token {
		return []build.Token{
			{Name: "grace", Scopes: []build.Scope{build.ScopeApprove}, Secret: []byte(secret)},
			{Name: "ci", Scopes: []build.Scope{build.ScopeDeploy}, Secret: []byte("of ci")},
		}
	}
}

func TestSignInWithAToken(t *testing.T) {
	t.Parallel()
	p := open(t, func(o *signin.Options) { o.Tokens = tokens("of grace") })
	p.get("/token?token=wrong")
	p.get("/token?token=")
	assert.Equal(t, nobody, p.who())
	p.get("/token?token=" + url.QueryEscape("of grace"))
	assert.Equal(t, grace, p.who())
	p.desk.Tokens = tokens("another one")
	assert.Equal(t, nobody, p.who(), "the token was changed")
	p.desk.Tokens = func() []build.Token { return nil }
	assert.Equal(t, nobody, p.who(), "the token was taken away")
}

func TestACookieThatIsNotOurs(t *testing.T) {
	t.Parallel()
	p := open(t, func(o *signin.Options) { o.Tokens = tokens("of grace") })
	p.get("/token?token=" + url.QueryEscape("of grace"))
	address, err := url.Parse(p.URL)
	require.NoError(t, err)
	good := p.browser.Jar.Cookies(address)[0]
	require.Equal(t, grace, p.who())
	body, mac, _ := strings.Cut(good.Value, ".")
	for name, value := range map[string]string{
		"changed":        "A" + body[1:] + "." + mac,
		"no signature":   body,
		"an empty one":   body + ".",
		"another's":      body + "." + strings.Repeat("A", len(mac)),
		"nothing at all": "",
	} {
		p.browser.Jar.SetCookies(address, []*http.Cookie{{Name: good.Name, Value: value, Path: "/"}})
		assert.Equal(t, nobody, p.who(), name)
	}
	p.browser.Jar.SetCookies(address, []*http.Cookie{{Name: good.Name, Value: good.Value, Path: "/"}})
	require.Equal(t, grace, p.who())
	p.browser.Jar.SetCookies(address, []*http.Cookie{{Name: "autobuilder-trip", Value: good.Value, Path: "/"}})
	assert.Contains(t, p.get(signin.CallbackPath+"?state=&code=x"), "began in another browser", "one cookie is not another")
	p.desk.Key = []byte("another key")
	assert.Equal(t, nobody, p.who())
	p.desk.Key = nil
	assert.Equal(t, nobody, p.who(), "without a key nobody is signed in")
}

func TestASessionEnds(t *testing.T) {
	t.Parallel()
	p := open(t, func(o *signin.Options) { o.Tokens, o.Session = tokens("of grace"), time.Second })
	address, err := url.Parse(p.URL)
	require.NoError(t, err)
	p.get("/token?token=" + url.QueryEscape("of grace"))
	cookie := p.browser.Jar.Cookies(address)[0]
	require.Eventually(t, func() bool { // the browser keeps it, whatever its age
		p.browser.Jar.SetCookies(address, []*http.Cookie{{Name: cookie.Name, Value: cookie.Value, Path: "/"}})
		return p.who() == nobody
	}, 10*time.Second, 20*time.Millisecond)
}

func TestHowTheCookieIsKept(t *testing.T) {
	t.Parallel()
	for address, secure := range map[string]bool{"https://ci.test": true, "http://127.0.0.1:8080": false} {
		desk := signin.New(signin.Options{URL: address, Key: []byte("a key"), Tokens: tokens("of grace")})
		w := httptest.NewRecorder()
		_, ok := desk.SignIn(w, "of grace")
		require.True(t, ok)
		cookie := w.Result().Cookies()[0]
		assert.True(t, cookie.HttpOnly)
		assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
		assert.Equal(t, secure, cookie.Secure)
		assert.Equal(t, secure, strings.HasPrefix(cookie.Name, "__Host-"))
		assert.NotContains(t, cookie.Value, "of grace")
	}
}

func TestTheProxySaysWhoItIs(t *testing.T) {
	t.Parallel()
	proxy := signin.Proxy{Header: "X-Remote-User", From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("::1/128")}}
	desk := signin.New(signin.Options{Proxy: proxy, Tokens: tokens("of grace"), Key: []byte("a key")})
	for _, c := range []struct {
		from   string
		values []string
		who    string
	}{
		{"10.0.0.7:4000", []string{"grace"}, "grace"},
		{"[::1]:4000", []string{" grace "}, "grace"},
		{"[::ffff:10.0.0.7]:4000", []string{"grace"}, "grace"},
		{"10.0.1.7:4000", []string{"grace"}, ""},
		{"192.0.2.1:4000", []string{"grace"}, ""},
		{"10.0.0.7:4000", []string{"grace", "ada"}, ""},
		{"10.0.0.7:4000", []string{""}, ""},
		{"10.0.0.7:4000", nil, ""},
		{"@", []string{"grace"}, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.from
		for _, value := range c.values {
			r.Header.Add("X-Remote-User", value)
		}
		person, ok := desk.Who(r)
		assert.Equal(t, c.who, person.Name, "%+v", c)
		assert.Equal(t, c.who != "", ok, "%+v", c)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.7:4000"
	r.Header.Set("X-Remote-User", "grace")
	r.Header.Set("Authorization", "bearer of ci")
	person, _ := desk.Who(r)
	assert.Equal(t, "ci", person.Name, "a token that is given counts")
	r.Header.Set("Authorization", "Bearer wrong")
	_, ok := desk.Who(r)
	assert.False(t, ok, "also a wrong one")
}

func TestWhereOneIsLedBack(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"/holds/h1?x=1": "/holds/h1?x=1", "": "/", "holds": "/", "//evil.test": "/", "https://evil.test/": "/", `/\evil.test`: "/", "javascript:x": "/", "/a\nb": "/",
	} {
		assert.Equal(t, want, signin.LocalPath(given), given)
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "//x", "/\\x", "/%2f/x", "http:/x", "/ x"} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://ci.test/sign-in")
	f.Fuzz(func(t *testing.T, given string) {
		led, err := base.Parse(signin.LocalPath(given))
		require.NoError(t, err)
		assert.Equal(t, "ci.test", led.Host)
		assert.Equal(t, "https", led.Scheme)
	})
}
