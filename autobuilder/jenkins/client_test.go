package jenkins_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/jenkins"
)

// odd is a server that answers as real ones do on their bad days.
func odd(t *testing.T, h http.HandlerFunc) *jenkins.Client {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return newClient(t, jenkins.Options{URL: web.URL, User: "ci", Token: "hush-hush"})
}

func newClient(t *testing.T, o jenkins.Options) *jenkins.Client {
	t.Helper()
	client, err := jenkins.New(o)
	require.NoError(t, err)
	return client
}

// calls are all that a client can be asked.
func calls(c *jenkins.Client) map[string]func(context.Context) error {
	config := jobSpec{}.xml()
	return map[string]func(context.Context) error{
		"ping":    c.Ping,
		"version": func(ctx context.Context) error { _, err := c.Version(ctx); return err },
		"jobs":    func(ctx context.Context) error { _, err := c.Jobs(ctx); return err },
		"config":  func(ctx context.Context) error { _, err := c.JobConfig(ctx, "job"); return err },
		"create":  func(ctx context.Context) error { return c.CreateJob(ctx, "job", config) },
		"update":  func(ctx context.Context) error { return c.UpdateJob(ctx, "job", config) },
		"delete":  func(ctx context.Context) error { return c.DeleteJob(ctx, "job") },
		"trigger": func(ctx context.Context) error { return c.Trigger(ctx, "job", params("1")) },
		"find":    func(ctx context.Context) error { _, err := c.Find(ctx, "job", "1"); return err },
		"build":   func(ctx context.Context) error { _, err := c.Build(ctx, "job", 1); return err },
		"stop":    func(ctx context.Context) error { return c.Stop(ctx, "job", 1) },
		"cancel":  func(ctx context.Context) error { return c.Cancel(ctx, "job", "1") },
		"console": func(ctx context.Context) error { _, _, _, err := c.Console(ctx, "job", 1, 0); return err },
	}
}

// Whatever comes back, every call ends in an error that says it in plain
// words: no panic, no words of a JSON parser, no token.
func TestEveryCallExplainsABadAnswer(t *testing.T) {
	t.Parallel()
	page := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		want    string
		refused bool
	}{
		"wrong token":      {page(401, "<html>"), "does not accept user ci with this token (401)", true},
		"no permission":    {page(403, "<title>Error 403 ci is missing the Job/Build permission</title>"), "may not do this, or its token is wrong (403): ci is missing the Job/Build permission", true},
		"starting":         {page(503, "<h1>Please wait while Jenkins is getting ready to work</h1>"), "is starting or overloaded (503)", false},
		"broken":           {page(500, "<h1>Oops!</h1><p>A problem occurred"), "A problem occurred (status 500)", false},
		"too many":         {page(429, ""), "status 429", false},
		"a gateway's page": {page(502, "<title>502 Bad Gateway</title>"), "502 Bad Gateway (status 502)", false},
		"to the login":     {http.RedirectHandler("/login?from=x", http.StatusFound).ServeHTTP, "403", true},
		"moved":            {http.RedirectHandler("https://ci.example/", http.StatusMovedPermanently).ServeHTTP, "redirects to https://ci.example/: set jenkins.url", false},
		"hung up on":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "reach http://", false},
		"with X-Error": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Error", "the reason")
			w.WriteHeader(400)
		}, "the reason (status 400)", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for call, do := range calls(odd(t, c.answer)) {
				err := do(t.Context())
				require.ErrorContains(t, err, c.want, call)
				assert.NotContains(t, err.Error(), "invalid character", call)
				assert.NotContains(t, err.Error(), "hush-hush", call)
				assert.Equal(t, c.refused, errors.Is(err, build.ErrRefused), call)
				assert.NotErrorIs(t, err, build.ErrNoJob, call)
			}
		})
	}
}

func TestNoJenkinsAtThatAddress(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a web page": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html><body>hello") },
		"plain text": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
		"other json": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"jobs":"many"}`) },
		"nothing":    func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := odd(t, answer).Ping(t.Context())
			require.ErrorContains(t, err, "is jenkins.url right?")
			assert.NotContains(t, err.Error(), "invalid character")
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	client := newClient(t, jenkins.Options{URL: "http://" + ownAddress(t)})
	for call, do := range calls(client) {
		err := do(t.Context())
		require.ErrorContains(t, err, "nothing listens at http://127.7.", call)
		require.NotErrorIs(t, err, build.ErrRefused, call)
	}
	err := newClient(t, jenkins.Options{URL: "http://nosuch.invalid"}).Ping(t.Context())
	require.ErrorContains(t, err, "nosuch.invalid")
}

func TestNoAnswerInTime(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	url := "http://" + listener.Addr().String()

	for call, do := range calls(newClient(t, jenkins.Options{URL: url, Timeout: 20 * time.Millisecond})) {
		require.ErrorContains(t, do(t.Context()), "no answer from "+url+" in time", call)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for call, do := range calls(newClient(t, jenkins.Options{URL: url})) {
		require.ErrorIs(t, do(cancelled), context.Canceled, call)
	}
}

func TestNoPanicGetsOut(t *testing.T) {
	t.Parallel()
	client := newClient(t, jenkins.Options{
		URL:       "http://ci.example",
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("nil pointer") }),
	})
	for call, do := range calls(client) {
		require.ErrorContains(t, do(t.Context()), "panicked: nil pointer", call)
	}
}

func TestAnswerOfAnyLengthFitsInMemory(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Text-Size", "999999999")
		w.Header().Set("X-More-Data", "true")
		line := strings.Repeat("x", 1<<16-1) + "\n"
		for range 1024 { // 64 MB
			if _, err := io.WriteString(w, line); err != nil || r.Context().Err() != nil {
				return
			}
		}
	}
	client := odd(t, endless)
	_, err := client.JobConfig(t.Context(), "job")
	require.ErrorContains(t, err, "over 32 MB")

	text, next, more, err := client.Console(t.Context(), "job", 1, 0)
	require.NoError(t, err)
	assert.Less(t, len(text), 33<<20)
	assert.Contains(t, string(text[len(text)-100:]), "left out")
	assert.Equal(t, int64(999999999), next)
	assert.True(t, more)
}

func TestConsoleNeedsItsHeader(t *testing.T) {
	t.Parallel()
	_, next, more, err := odd(t, func(http.ResponseWriter, *http.Request) {}).Console(t.Context(), "job", 1, 7)
	require.ErrorContains(t, err, "no X-Text-Size")
	assert.Equal(t, int64(7), next)
	assert.False(t, more)
}

// A Jenkins behind a password wants a crumb that belongs to a session.
func TestCrumbIsFetchedAndRenewed(t *testing.T) {
	t.Parallel()
	var session, posts atomic.Int32
	session.Store(1)
	client := odd(t, func(w http.ResponseWriter, r *http.Request) {
		current := fmt.Sprint(session.Load())
		cookie, err := r.Cookie("JSESSIONID")
		switch {
		case r.URL.Path == "/crumbIssuer/api/json":
			http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: current, Path: "/"})
			_, _ = io.WriteString(w, `{"crumb":"c`+current+`","crumbRequestField":"Jenkins-Crumb"}`)
		case err != nil || cookie.Value != current || r.Header.Get("Jenkins-Crumb") != "c"+current:
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<title>Error 403 No valid crumb was included in the request</title>")
		default:
			body, _ := io.ReadAll(r.Body)
			assert.Contains(t, string(body), "of the contract test", "the body must be sent whole again")
			posts.Add(1)
		}
	})
	for range 2 {
		require.NoError(t, client.CreateJob(t.Context(), "job", jobSpec{}.xml()))
	}
	session.Store(2) // as after a restart
	require.NoError(t, client.CreateJob(t.Context(), "job", jobSpec{}.xml()))
	assert.Equal(t, int32(3), posts.Load())
}

func TestCrumbThatIsNotTaken(t *testing.T) {
	t.Parallel()
	for name, issuer := range map[string]string{"given": `{"crumb":"c","crumbRequestField":"Jenkins-Crumb"}`, "not json": "<html>", "none": "{}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := odd(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/crumbIssuer") {
					_, _ = io.WriteString(w, issuer)
					return
				}
				w.Header().Set("X-Error", "No valid crumb was included in the request")
				w.WriteHeader(http.StatusForbidden)
			})
			err := client.CreateJob(t.Context(), "job", jobSpec{}.xml())
			require.ErrorContains(t, err, "gives no crumb that it takes (403): use an api token")
			require.ErrorIs(t, err, build.ErrRefused)
		})
	}
}

// A POST that is answered with a redirect has been done, unless the redirect is
// a proxy's.
func TestRedirectsOfPosts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code     int
		location string
		want     string
	}{
		"to the job":           {302, "/job/other/", ""},
		"see other":            {303, "/", ""},
		"to itself, elsewhere": {302, "https://ci.example/job/job/doDelete", "redirects to https://ci.example"},
		"for ever":             {301, "https://ci.example/", "redirects to"},
		"with its body":        {307, "/elsewhere", "redirects to"},
		"to the login":         {302, "/securityRealm/login", "403"},
		"to nowhere":           {302, "", "status 302"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			client := odd(t, func(w http.ResponseWriter, _ *http.Request) {
				requests++
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.code)
			})
			err := client.DeleteJob(t.Context(), "job")
			assert.Equal(t, 1, requests, "a redirect is not followed")
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Two clients that raced have left two builds of one id: the first counts.
func TestFindTakesTheOldestOfSeveral(t *testing.T) {
	t.Parallel()
	client := odd(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/queue") {
			_, _ = io.WriteString(w, `{"items":[{"id":3,"task":{"name":"other"},"actions":[{"parameters":[{"name":"AUTOBUILDER_ID","value":"x"}]}]}]}`)
			return
		}
		const actions = `"actions":[{},{"parameters":[{"name":"B","value":true},{"name":"AUTOBUILDER_ID","value":"x"}]}]`
		_, _ = io.WriteString(w, `{"builds":[{"number":9,"building":true,"result":null,`+actions+`},{"number":7,"result":"SUCCESS","duration":1500,`+actions+`},{"number":8,"building":true,`+actions+`},{"number":6,"actions":[]}]}`)
	})
	run, err := client.Find(t.Context(), "job", "x")
	require.NoError(t, err)
	assert.Equal(t, int64(7), run.Number)
	assert.Equal(t, 1500*time.Millisecond, run.Duration)
	_, err = client.Find(t.Context(), "job", "y")
	require.ErrorIs(t, err, build.ErrNoRun)
}

// A Jenkins that is killed while a build runs erases the parameters by which
// the build is found; what the job said in the console stays.
func TestFindKnowsAnErasedBuildByItsConsole(t *testing.T) {
	t.Parallel()
	consoles := map[string]string{
		"9": "Started by user ci\r\n+ true\r\n",
		"8": "Started by user ci\r\nAUTOBUILDER_ID=x\r\nAUTOBUILDER_ID=z\r\n",
		"7": "Started by user ci\r\nAUTOBUILDER_ID=xy\r\n",
		"5": "AUTOBUILDER_ID=w\n",
	}
	client := odd(t, func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		switch {
		case strings.HasPrefix(r.URL.Path, "/queue"):
			_, _ = io.WriteString(w, `{"items":[]}`)
		case strings.HasSuffix(r.URL.Path, "/logText/progressiveText"):
			w.Header().Set("Content-Type", "text/plain")
			if consoles[parts[3]] == "" {
				http.NotFound(w, r)
			}
			_, _ = io.WriteString(w, consoles[parts[3]])
		default:
			const erased = `"result":"FAILURE","duration":0,"actions":[]`
			_, _ = io.WriteString(w, `{"builds":[{"number":10,`+erased+`},{"number":9,`+erased+`},{"number":8,`+erased+`},
				{"number":7,`+erased+`},{"number":5,"result":"SUCCESS","actions":[]}]}`)
		}
	})
	run, err := client.Find(t.Context(), "job", "x")
	require.NoError(t, err)
	assert.Equal(t, int64(8), run.Number)
	assert.Equal(t, build.Lost, run.State())
	for _, other := range []string{"z", "y", "w"} {
		_, err = client.Find(t.Context(), "job", other)
		require.ErrorIs(t, err, build.ErrNoRun, other)
	}
}

// The place in the queue that a trigger is answered with saves the search; what
// it says is believed only of the build that was asked for.
func TestFindAsksThePlaceInTheQueue(t *testing.T) {
	t.Parallel()
	const mine = `"task":{"name":"job"},"actions":[{"parameters":[{"name":"AUTOBUILDER_ID","value":"x"}]}]`
	const elsewhere = `{"number":3,"building":true,"actions":[{"parameters":[{"name":"AUTOBUILDER_ID","value":"x"}]}]}`
	for name, c := range map[string]struct {
		item, build string
		want        build.Run
	}{
		"it waits":             {`{"id":12,"why":"busy",` + mine + `}`, "", build.Run{Queued: true, Why: "busy"}},
		"it was cancelled":     {`{"id":12,"cancelled":true,` + mine + `}`, "", build.Run{Result: "ABORTED", Why: "cancelled in jenkins' queue"}},
		"it became a build":    {`{"id":12,"executable":{"number":7},` + mine + `}`, strings.ReplaceAll(elsewhere, "3", "7"), build.Run{Number: 7, Building: true}},
		"the build is another": {`{"id":12,"executable":{"number":7},` + mine + `}`, `{"number":7,"actions":[]}`, build.Run{Number: 3, Building: true}},
		"the place is another": {`{"id":12,"why":"busy","task":{"name":"job"},"actions":[]}`, "", build.Run{Number: 3, Building: true}},
		"the job is another":   {`{"id":12,"why":"busy",` + strings.ReplaceAll(mine, `"job"`, `"other"`) + `}`, "", build.Run{Number: 3, Building: true}},
		"it is forgotten":      {"", "", build.Run{Number: 3, Building: true}},
		"it is no place":       {"null", "", build.Run{Number: 3, Building: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := odd(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost:
					w.Header().Set("Location", "http://ci.test/ci/queue/item/12/")
					w.WriteHeader(http.StatusCreated)
				case strings.HasPrefix(r.URL.Path, "/queue/item/12") && c.item != "":
					_, _ = io.WriteString(w, c.item)
				case strings.HasPrefix(r.URL.Path, "/queue/item"):
					http.NotFound(w, r)
				case strings.HasPrefix(r.URL.Path, "/queue"):
					_, _ = io.WriteString(w, `{"items":[]}`)
				case strings.HasPrefix(r.URL.Path, "/job/job/7"):
					_, _ = io.WriteString(w, c.build)
				default:
					_, _ = io.WriteString(w, `{"buildable":true,"property":[{"parameterDefinitions":[{"name":"AUTOBUILDER_ID"}]}],"builds":[`+elsewhere+`]}`)
				}
			})
			require.NoError(t, client.Trigger(t.Context(), "job", map[string]string{"AUTOBUILDER_ID": "x"}))
			run, err := client.Find(t.Context(), "job", "x")
			require.NoError(t, err)
			run.Started = time.Time{}
			assert.Equal(t, c.want, run)
		})
	}
}

// What leaves the queue is for a moment in neither list.
func TestFindLooksAgain(t *testing.T) {
	t.Parallel()
	looks := 0
	client := odd(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/queue") {
			_, _ = io.WriteString(w, `{"items":[]}`)
			return
		}
		looks++
		if looks < 3 {
			_, _ = io.WriteString(w, `{"builds":[]}`)
			return
		}
		_, _ = io.WriteString(w, `{"builds":[{"number":7,"building":true,"actions":[{"parameters":[{"name":"AUTOBUILDER_ID","value":"x"}]}]}]}`)
	})
	run, err := client.Find(t.Context(), "job", "x")
	require.NoError(t, err)
	assert.Equal(t, int64(7), run.Number)
}

func TestBuildThatLostItsParametersSaysSo(t *testing.T) {
	t.Parallel()
	client := odd(t, func(w http.ResponseWriter, r *http.Request) {
		number := strings.Split(r.URL.Path, "/")[3]
		_, _ = io.WriteString(w, `{"number":`+number+`,"building":false,"result":"FAILURE","duration":0,"actions":[]}`)
	})
	run, err := client.Build(t.Context(), "job", 1)
	require.NoError(t, err)
	assert.Contains(t, run.Why, "went down while the build ran")
	assert.Equal(t, build.Lost, run.State())
}

func TestBuildIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	client := odd(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
	_, err := client.Build(t.Context(), "job", 5)
	require.ErrorContains(t, err, "jenkins answered for build 0")
}

func TestAnOwnAuthority(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"mode":"NORMAL"}`)
	}))
	t.Cleanup(web.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	client := newClient(t, jenkins.Options{URL: web.URL, Authorities: own})
	require.NoError(t, client.Ping(t.Context()))

	err := newClient(t, jenkins.Options{URL: web.URL}).Ping(t.Context())
	require.ErrorContains(t, err, "is not trusted: set jenkins.ca_file")
	require.NotErrorIs(t, err, build.ErrRefused)
	_, err = jenkins.New(jenkins.Options{URL: web.URL, Authorities: []byte("no certificate")})
	require.ErrorContains(t, err, "holds no PEM certificate")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options jenkins.Options
		want    string
	}{
		"nothing":        {jenkins.Options{}, "want http://HOST"},
		"no scheme":      {jenkins.Options{URL: "ci.example:8080"}, "want http://HOST"},
		"another scheme": {jenkins.Options{URL: "ftp://ci.example"}, "want http://HOST"},
		"no url":         {jenkins.Options{URL: "http://%zz"}, "not a url"},
		"a token inside": {jenkins.Options{URL: "http://ci:hush-hush@ci.example"}, "settings of their own"},
		"a query":        {jenkins.Options{URL: "http://ci.example/?a=b"}, "no ?"},
		"a user alone":   {jenkins.Options{URL: "http://ci.example", User: "ci"}, "both or neither"},
		"a token alone":  {jenkins.Options{URL: "http://ci.example", Token: "hush-hush"}, "both or neither"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := jenkins.New(c.options)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "hush-hush")
		})
	}
}

func TestNamesThatAreNotSent(t *testing.T) {
	t.Parallel()
	client := newClient(t, jenkins.Options{URL: "http://ci.example", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		assert.Fail(t, "sent", r.URL)
		return nil, assert.AnError
	})})
	for _, name := range []string{"", ".", "..", "a/b", "a?b", "a#b", "a%20b", `a\b`, " a", "a ", "a\nb", "a.", "a\xff", strings.Repeat("a", 201), "a:b", "<a>", "a;b"} {
		assert.Error(t, client.CreateJob(t.Context(), name, jobSpec{}.xml()), name)
		assert.Error(t, client.UpdateJob(t.Context(), name, jobSpec{}.xml()), name)
		assert.Error(t, client.DeleteJob(t.Context(), name), name)
		assert.Error(t, client.Trigger(t.Context(), name, nil), name)
		assert.Error(t, client.Stop(t.Context(), name, 1), name)
		_, err := client.Find(t.Context(), name, "1")
		assert.Error(t, err, name)
		_, err = client.JobConfig(t.Context(), name)
		assert.Error(t, err, name)
	}
	_, err := client.Build(t.Context(), "job", 0)
	assert.ErrorContains(t, err, "build number 0")
}

// Whatever the server says, the client neither panics nor takes it for good.
func FuzzErrorPages(f *testing.F) {
	f.Add(403, "<title>Error 403 No valid crumb</title>", "")
	f.Add(500, "<pre>   Server Error</pre><h3>Caused by:</h3><pre>a.B: why\n\tat", "")
	f.Add(404, "", "x\xff")
	f.Add(302, "<h1>", "")
	f.Fuzz(func(t *testing.T, code int, page, reason string) {
		if code < 300 || code > 599 {
			return
		}
		client := newClient(t, jenkins.Options{URL: "http://ci.example", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: code, Header: http.Header{"X-Error": {reason}, "Content-Type": {"text/html"}},
				Body: io.NopCloser(strings.NewReader(page)), Request: r,
			}, nil
		})})
		require.Error(t, client.Stop(t.Context(), "job", 1))
		_, err := client.Jobs(t.Context())
		require.Error(t, err)
	})
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"builds":[{"number":9,"actions":[null,{"parameters":null}]}],"items":[{"actions":[{"parameters":[{"name":"AUTOBUILDER_ID","value":{}}]}]}]}`)
	f.Add(`{"number":1,"building":"x"}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, body string) {
		client := newClient(t, jenkins.Options{URL: "http://ci.example", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})})
		ctx, cancel := context.WithCancel(t.Context())
		for name, do := range calls(client) {
			if name == "find" {
				continue // it would wait between its looks
			}
			_ = do(ctx)
		}
		cancel()
		_, _ = client.Find(ctx, "job", "1")
	})
}
