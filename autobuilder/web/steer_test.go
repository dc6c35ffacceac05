package web_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/signin"
)

// steerers adds a token of somebody who may ask for builds.
func steerers(o *signin.Options) {
	known := o.Tokens()
	o.Tokens = func() []build.Token {
		return append(known, build.Token{Name: "bob", Scopes: []build.Scope{build.ScopeTrigger}, Secret: []byte("token of bob")})
	}
}

func TestAProjectIsSteeredOnItsPage(t *testing.T) {
	c := waiting()
	v := visit(t, c, steerers)
	_, page := v.send(http.MethodGet, "/projects/shop", nil)
	assert.Contains(t, page, "Sign in to deploy")
	assert.NotContains(t, page, "Roll back")
	answer, _ := v.send(http.MethodPost, "/projects/shop/deploy", url.Values{})
	assert.Equal(t, "/sign-in", answer.Request.URL.Path)
	assert.Empty(t, c.did)

	v.signIn("token of bob")
	_, page = v.send(http.MethodGet, "/projects/shop", nil)
	assert.Contains(t, page, ">Deploy</button>")
	assert.Contains(t, page, `name="only"`)
	assert.Contains(t, page, `<option value="aaaaaaaaaaaaaaaaaaaa">`, "what may go out again")
	assert.NotContains(t, page, `<option value="cccc`, "what failed may not")
	c.fate = build.Fate{Verdict: "build", Build: "b3"}
	answer, _ = v.send(http.MethodPost, "/projects/shop/deploy", url.Values{"ref": {" topic "}, "again": {"1"}, "only": {"h1,h2"}})
	assert.Equal(t, "/builds/b3", answer.Request.URL.Path)
	answer, _ = v.send(http.MethodPost, "/projects/shop/rollback", url.Values{"to": {"aaaa"}})
	assert.Equal(t, "/builds/b3", answer.Request.URL.Path)
	c.fate = build.Fate{Verdict: "ignored", Why: "there is no <branch> topc"}
	answer, page = v.send(http.MethodPost, "/projects/shop/deploy", url.Values{"ref": {"topc"}})
	assert.Equal(t, http.StatusConflict, answer.StatusCode)
	assert.Contains(t, page, "Not done: there is no &lt;branch&gt; topc.")
	c.fate = build.Fate{Verdict: "pending"}
	answer, _ = v.send(http.MethodPost, "/projects/shop/deploy", url.Values{})
	assert.Equal(t, "/ledger", answer.Request.URL.Path, "it is decided later")
	answer, _ = v.send(http.MethodPost, "/projects/none/deploy", url.Values{})
	assert.Equal(t, http.StatusNotFound, answer.StatusCode)

	answer, page = v.send(http.MethodPost, "/projects/shop/lock", url.Values{"reason": {"the tables move"}, "for": {"ever"}})
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
	assert.Contains(t, page, "can&#39;t last &#34;ever&#34;")
	answer, _ = v.send(http.MethodPost, "/projects/shop/lock", url.Values{"reason": {"the tables move"}, "for": {"3d"}})
	assert.Equal(t, "/projects/shop", answer.Request.URL.Path)
	_, _ = v.send(http.MethodPost, "/projects/shop/unlock", url.Values{})
	c.err = build.ErrNotAllowed
	answer, _ = v.send(http.MethodPost, "/projects/shop/unlock", url.Values{})
	assert.Equal(t, http.StatusInternalServerError, answer.StatusCode, "the page itself can't be made")
	assert.Equal(t, []string{
		"bob asks for topic of shop, again: true, back: false to h1, h2 only", "bob asks for aaaa of shop, again: false, back: true",
		"bob asks for topc of shop, again: false, back: false", "bob asks for  of shop, again: false, back: false",
		"bob locks shop: the tables move, for 72h0m0s", "bob unlocks shop",
	}, c.did)
}

func TestWhoMayNotSteerIsToldSo(t *testing.T) {
	c := waiting()
	v := visit(t, c, steerers)
	_, _ = v.signIn("token of eve")
	_, page := v.send(http.MethodGet, "/projects/shop", nil)
	assert.Contains(t, page, "eve may look, not deploy")
	answer, _ := v.send(http.MethodPost, "/projects/shop/deploy", url.Values{})
	assert.Equal(t, http.StatusForbidden, answer.StatusCode)

	c.steerers = build.Chat{Deploy: []string{"ada"}, Rollback: []string{"ada"}, Lock: []string{"ada"}}
	_, _ = v.signIn("token of bob")
	_, page = v.send(http.MethodGet, "/projects/shop", nil)
	for _, do := range []string{"deploy", "roll back", "lock"} {
		assert.Contains(t, page, "bob may not "+do+" shop: ada may")
	}
	for _, path := range []string{"deploy", "rollback", "lock", "unlock"} {
		answer, page = v.send(http.MethodPost, "/projects/shop/"+path, url.Values{})
		assert.Equal(t, http.StatusConflict, answer.StatusCode, path)
		assert.Contains(t, page, "ada may", path)
	}
	assert.Empty(t, c.did)
}

func TestAProjectIsLockedInABrowser(t *testing.T) {
	s := newSeed(t)
	server := s.serve("grace")
	ctx := labtest.Browse(t)
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(server.URL+"/projects/dashboard"),
		chromedp.Click(chromedp.CSS("#steer summary")),
		chromedp.SendKeys(chromedp.CSS("#reason"), "the tables move"),
		chromedp.SendKeys(chromedp.CSS("#for"), "2h\r"),
		labtest.Until(`document.querySelector("#standing .hold")?.textContent.includes("locked by grace: the tables move, until ")`),
	))
	l, err := s.book.LockOf(t.Context(), "dashboard")
	require.NoError(t, err)
	assert.Equal(t, noon.Add(2*time.Hour), l.Until)
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Click(chromedp.CSS("#steer summary")),
		labtest.Until(`document.querySelector("#steering").offsetHeight > 0`),
		labtest.Until(`[...document.querySelectorAll("#steering button")].find((b) => b.textContent === "Unlock").click() === undefined`),
		labtest.Until(`location.pathname === "/projects/dashboard" && !document.querySelector("#standing .hold")`),
	))
}
