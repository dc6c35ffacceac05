package jenkins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// bodyLimit bounds what one answer may bring into memory.
const bodyLimit = 32 << 20

// errorPageLimit bounds how much of an error page is read for its reason.
const errorPageLimit = 64 << 10

// guard stands between gojenkins and the network, since that library looks at
// no status, follows what must not be followed, and panics when no crumb comes.
// What passes it is an answer that gojenkins reads rightly; the rest is an error.
type guard struct {
	next   http.RoundTripper
	jar    http.CookieJar
	crumbs *crumbs
}

func newGuard(o Options) *guard {
	// The only error of New is a bad public suffix list, and none is given.
	jar, _ := cookiejar.New(nil)
	return &guard{next: o.Transport, jar: jar, crumbs: &crumbs{base: o.URL}}
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if isCrumbQuestion(req) {
		return answer(req, http.StatusOK, "{}"), nil
	}
	response, err := g.attempt(req)
	if !wantsCrumb(err) {
		return response, err
	}
	if !g.crumbs.renew(req.Context(), g.exchangeAs(req)) {
		return nil, err
	}
	again, ok := rewound(req)
	if !ok {
		return nil, err
	}
	return g.attempt(again)
}

// gojenkins asks for a crumb before each POST, and dies of no answer. It is
// told that none is needed: the guard adds it itself.
func isCrumbQuestion(req *http.Request) bool {
	return req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/crumbIssuer/api/json")
}

// attempt sends the request once and judges the answer.
func (g *guard) attempt(req *http.Request) (*http.Response, error) {
	out := tidied(req)
	if out.Method == http.MethodPost {
		g.crumbs.add(out.Header)
	}
	response, err := g.exchange(out)
	if err != nil {
		return nil, err
	}
	return judge(req, response)
}

// exchange is the network, with the session's cookies: a crumb is bound to them.
func (g *guard) exchange(req *http.Request) (*http.Response, error) {
	for _, cookie := range g.jar.Cookies(req.URL) {
		req.AddCookie(cookie)
	}
	response, err := g.next.RoundTrip(req)
	if err == nil {
		g.jar.SetCookies(req.URL, response.Cookies())
	}
	return response, err
}

// exchangeAs returns a getter with the same credentials as the request's.
func (g *guard) exchangeAs(model *http.Request) func(context.Context, string) (*http.Response, error) {
	return func(ctx context.Context, address string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		if auth := model.Header.Get("Authorization"); auth != "" {
			req.Header.Set("Authorization", auth)
		}
		return g.exchange(req)
	}
}

// tidied is a copy of the request without the slash that gojenkins puts at the
// end of every GET, which strict proxies refuse.
func tidied(req *http.Request) *http.Request {
	out := req.Clone(req.Context())
	if trimmed := strings.TrimRight(out.URL.EscapedPath(), "/"); trimmed != "" {
		out.URL.Path, _ = url.PathUnescape(trimmed)
		out.URL.RawPath = trimmed
	}
	return out
}

// rewound is the request with its body from the start again.
func rewound(req *http.Request) (*http.Request, bool) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	again.Body = body
	return again, err == nil
}

// judge lets a good answer pass and makes an error of any other.
func judge(req *http.Request, response *http.Response) (*http.Response, error) {
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return judgeRedirect(req, response)
	case response.StatusCode >= 400:
		return nil, newStatusError(response)
	case req.Method == http.MethodPost:
		discard(response)
		return answerLike(req, response), nil
	case strings.HasPrefix(response.Header.Get("Content-Type"), "text/html"):
		discard(response)
		return nil, errNotJenkins
	}
	response.Header.Del("X-Error")
	response.Body = newLimited(req, response.Body)
	return response, nil
}

// Jenkins answers many a successful POST with a redirect to the page to look
// at next. A redirect of a GET, or to the same path elsewhere, or to the login
// page, comes from a proxy or says that nothing was done. None is followed: a
// POST would become a GET.
func judgeRedirect(req *http.Request, response *http.Response) (*http.Response, error) {
	discard(response)
	to, err := response.Location()
	if err != nil {
		return nil, newStatusError(response)
	}
	done := response.StatusCode == http.StatusFound || response.StatusCode == http.StatusSeeOther
	if strings.HasSuffix(to.Path, "/login") {
		return nil, &statusError{code: http.StatusForbidden, reason: "it wants a login"}
	}
	if req.Method == http.MethodPost && done && strings.Trim(to.Path, "/") != strings.Trim(req.URL.Path, "/") {
		return answerLike(req, response), nil
	}
	return nil, &redirectError{to: to.Scheme + "://" + to.Host + to.Path}
}

// answerLike is an empty answer with the headers of a real one.
func answerLike(req *http.Request, response *http.Response) *http.Response {
	empty := answer(req, http.StatusOK, "")
	empty.Header = response.Header
	empty.Header.Del("X-Error")
	return empty
}

func answer(req *http.Request, code int, body string) *http.Response {
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// discard frees the connection for the next request, unless much is left on it.
func discard(response *http.Response) []byte {
	page := new(bytes.Buffer)
	_, _ = io.CopyN(page, response.Body, errorPageLimit)
	_ = response.Body.Close()
	return page.Bytes()
}

var errTooLong = errors.New("the answer is over 32 MB")

// limited is a body that ends before the machine's memory does.
type limited struct {
	io.ReadCloser
	left int64
	end  error
}

// A console may be of any length; its reader sees by the length that it was cut.
func newLimited(req *http.Request, body io.ReadCloser) *limited {
	if strings.Contains(req.URL.Path, "/logText/") {
		return &limited{ReadCloser: body, left: consoleLimit, end: io.EOF}
	}
	return &limited{ReadCloser: body, left: bodyLimit, end: errTooLong}
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, l.end
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
