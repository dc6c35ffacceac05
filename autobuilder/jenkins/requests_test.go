package jenkins_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/jenkins"
)

// request is what came over the wire.
type request struct {
	method, path, contentType, body string
	query                           url.Values
}

// recorder answers as a Jenkins with one job, "a b", and notes what is asked.
func recorder(t *testing.T) (*jenkins.Client, *[]request) {
	t.Helper()
	var seen []request
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, token, _ := r.BasicAuth()
		assert.Equal(t, "ci hush-hush", user+" "+token)
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		seen = append(seen, request{r.Method, r.URL.EscapedPath(), r.Header.Get("Content-Type"), string(body), r.URL.Query()})
		w.Header().Set("X-Jenkins", "2.479.1")
		w.Header().Set("X-Text-Size", "5")
		_, _ = io.WriteString(w, answers[strings.TrimPrefix(r.URL.Path, "/ci")])
	}))
	t.Cleanup(web.Close)
	return newClient(t, jenkins.Options{URL: web.URL + "/ci/", User: "ci", Token: "hush-hush"}), &seen
}

var answers = map[string]string{
	"/api/json":                          `{"mode":"NORMAL","jobs":[{"name":"z"},{"name":"a b"}]}`,
	"/me/api/json":                       `{"id":"ci"}`,
	"/job/a b/config.xml":                "<project/>",
	"/job/a b/api/json":                  `{"buildable":true,"property":[{},{"parameterDefinitions":[{"name":"AUTOBUILDER_ID"}]}],"builds":[]}`,
	"/job/a b/3/api/json":                `{"number":3,"building":true}`,
	"/job/a b/3/logText/progressiveText": "hello",
	"/queue/api/json":                    `{"items":[{"id":12,"why":"busy","task":{"name":"a b"},"actions":[{"parameters":[{"name":"AUTOBUILDER_ID","value":"x y"}]}]}]}`,
}

// What is sent is plain enough for every Jenkins and for strict proxies before
// it: below the prefix, escaped, with no empty part and no slash at the end.
func TestRequests(t *testing.T) {
	t.Parallel()
	const job = "/ci/job/a%20b"
	for name, c := range map[string]struct {
		call func(context.Context, *jenkins.Client) error
		want []request // method, path, content type, body
	}{
		"ping":   {func(ctx context.Context, c *jenkins.Client) error { return c.Ping(ctx) }, []request{get("/ci/api/json"), get("/ci/me/api/json")}},
		"jobs":   {func(ctx context.Context, c *jenkins.Client) error { _, err := c.Jobs(ctx); return err }, []request{get("/ci/api/json")}},
		"config": {func(ctx context.Context, c *jenkins.Client) error { _, err := c.JobConfig(ctx, "a b"); return err }, []request{get(job + "/config.xml")}},
		"build":  {func(ctx context.Context, c *jenkins.Client) error { _, err := c.Build(ctx, "a b", 3); return err }, []request{get(job + "/3/api/json")}},
		"find":   {func(ctx context.Context, c *jenkins.Client) error { _, err := c.Find(ctx, "a b", "x y"); return err }, []request{get("/ci/queue/api/json")}},
		"stop":   {func(ctx context.Context, c *jenkins.Client) error { return c.Stop(ctx, "a b", 3) }, []request{post(job+"/3/stop", form, "")}},
		"delete": {func(ctx context.Context, c *jenkins.Client) error { return c.DeleteJob(ctx, "a b") }, []request{post(job+"/doDelete", form, "")}},
		"cancel": {func(ctx context.Context, c *jenkins.Client) error { return c.Cancel(ctx, "a b", "x y") }, []request{get("/ci/queue/api/json"), post("/ci/queue/cancelItem", form, "id=12")}},
		"create": {func(ctx context.Context, c *jenkins.Client) error {
			return c.CreateJob(ctx, "a b", []byte("<a>ü</a>"))
		}, []request{post("/ci/createItem", xmlType, "<a>ü</a>")}},
		"update": {func(ctx context.Context, c *jenkins.Client) error {
			return c.UpdateJob(ctx, "a b", []byte(`<?xml version="1.1"?><a/>`))
		}, []request{post(job+"/config.xml", xmlType, `<?xml version="1.0"?><a/>`)}},
		"trigger": {func(ctx context.Context, c *jenkins.Client) error {
			return c.Trigger(ctx, "a b", map[string]string{"AUTOBUILDER_ID": "x&y="})
		}, []request{get(job + "/api/json"), post(job+"/buildWithParameters", form, "AUTOBUILDER_ID=x%26y%3D")}},
		"trigger without parameters": {func(ctx context.Context, c *jenkins.Client) error { return c.Trigger(ctx, "a b", nil) }, []request{get(job + "/api/json"), post(job+"/build", form, "")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, seen := recorder(t)
			require.NoError(t, c.call(t.Context(), client))
			require.Len(t, *seen, len(c.want))
			for i, got := range *seen {
				if got.method == http.MethodGet {
					got.contentType = ""
				}
				got.query = nil
				assert.Equal(t, c.want[i], got)
			}
		})
	}
}

const (
	form    = "application/x-www-form-urlencoded"
	xmlType = "application/xml;charset=utf-8"
)

func get(path string) request { return request{method: http.MethodGet, path: path} }

func post(path, contentType, body string) request {
	return request{method: http.MethodPost, path: path, contentType: contentType, body: body}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	client, seen := recorder(t)
	_, err := client.Version(t.Context())
	require.NoError(t, err)
	require.NoError(t, client.CreateJob(t.Context(), "a+b = c", []byte("<a/>")))
	text, next, more, err := client.Console(t.Context(), "a b", 3, 2)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
	assert.Equal(t, int64(5), next)
	assert.False(t, more)
	_, err = client.Find(t.Context(), "a b", "none")
	require.ErrorIs(t, err, build.ErrNoRun)

	assert.Equal(t, "mode,nodeDescription", (*seen)[0].query.Get("tree"))
	assert.Equal(t, "a+b = c", (*seen)[1].query.Get("name"))
	assert.Equal(t, "2", (*seen)[2].query.Get("start"))
	assert.Contains(t, (*seen)[3].path, "/queue/", "the queue is read first: what leaves it is then among the builds")
	assert.Contains(t, (*seen)[3].query.Get("tree"), "actions[parameters[name,value]]")
	assert.NotContains(t, (*seen)[4].query.Get("tree"), "{", "some servers know no ranges")
}

func TestAnswersAreRead(t *testing.T) {
	t.Parallel()
	client, _ := recorder(t)
	version, err := client.Version(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "2.479.1", version)
	names, err := client.Jobs(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"a b", "z"}, names)
	run, err := client.Find(t.Context(), "a b", "x y")
	require.NoError(t, err)
	assert.Equal(t, build.Run{Queued: true, Why: "busy"}, run)
	run, err = client.Build(t.Context(), "a b", 3)
	require.NoError(t, err)
	assert.Equal(t, build.Running, run.State())
}

// An old server takes a wrong token for nobody's, and answers.
func TestPingSeesAnIgnoredToken(t *testing.T) {
	t.Parallel()
	for name, me := range map[string]string{"nobody": `{"id":"anonymous"}`, "empty": "{}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := odd(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/me") {
					_, _ = io.WriteString(w, me)
					return
				}
				_, _ = io.WriteString(w, `{"mode":"NORMAL"}`)
			})
			version, err := client.Version(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "Hudson", version)
			err = client.Ping(t.Context())
			require.ErrorIs(t, err, build.ErrRefused)
			assert.ErrorContains(t, err, "does not accept user ci")
		})
	}
}

// Parameters of other types than ours stand in the same lists.
func TestTriggerReadsBothPlacesOfParameters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ job, want string }{
		"of the property": {`{"buildable":true,"property":[{"parameterDefinitions":[{"name":"A"},{"name":"B"}]}]}`, ""},
		"of the actions":  {`{"buildable":true,"actions":[{},{"parameterDefinitions":[{"name":"A"},{"name":"B"}]}]}`, ""},
		"one of two":      {`{"buildable":true,"property":[{"parameterDefinitions":[{"name":"A"}]}]}`, "no parameter B:"},
		"none":            {`{"buildable":true}`, "no parameter A, B:"},
		"disabled":        {`{"buildable":false,"property":[{"parameterDefinitions":[{"name":"A"},{"name":"B"}]}]}`, "disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			posts := 0
			client := odd(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					posts++
				}
				_, _ = io.WriteString(w, c.job)
			})
			err := client.Trigger(t.Context(), "job", map[string]string{"A": "1", "B": ""})
			if c.want == "" {
				require.NoError(t, err)
				assert.Equal(t, 1, posts)
				return
			}
			require.ErrorIs(t, err, build.ErrRefused)
			require.ErrorContains(t, err, c.want)
			assert.Zero(t, posts)
		})
	}
}

func FuzzNames(f *testing.F) {
	f.Add("job")
	f.Add("a b/../c%2f")
	f.Add("..")
	f.Fuzz(func(t *testing.T, name string) {
		client := newClient(t, jenkins.Options{URL: "http://ci.example/ci", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "/ci/job/"+name+"/config.xml", r.URL.Path, "the name stays one part of the path")
			require.Equal(t, 3, strings.Count(strings.TrimPrefix(r.URL.EscapedPath(), "/ci"), "/"))
			require.Empty(t, r.URL.RawQuery)
			return nil, assert.AnError
		})})
		_, err := client.JobConfig(t.Context(), name)
		require.Error(t, err)
	})
}
