package embedded_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

func TestAnswersAsJenkinsDoes(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "plain", shells("true"))
	f.create(t, "param", strs("A=1")+shells("true"))
	f.create(t, "off", "<disabled>true</disabled>")
	f.create(t, "old", "")
	require.Equal(t, "SUCCESS", f.run(t, "plain", nil).Result)

	for _, c := range []struct {
		name, method, path, body string
		code                     int
		header, want             string // a header that is to hold this
	}{
		{"root", "GET", "/api/json", "", 200, "X-Jenkins", "2."},
		{"root with a slash and a tree", "GET", "/api/json/?tree=jobs[name]", "", 200, "Content-Type", "application/json"},
		{"me", "GET", "/me/api/json", "", 200, "", ""},
		{"page", "GET", "/", "", 200, "Content-Type", "text/html"},
		{"nothing there", "GET", "/nosuch", "", 404, "", ""},
		{"no such job", "GET", "/job/no/api/json", "", 404, "X-Jenkins", "2."},
		{"no such job's page", "GET", "/job/no/", "", 404, "", ""},
		{"no such build", "GET", "/job/plain/9/api/json", "", 404, "", ""},
		{"no such build's console", "GET", "/job/plain/9/consoleText", "", 404, "", ""},
		{"no number", "GET", "/job/plain/x/logText/progressiveText", "", 404, "", ""},
		{"permalink", "GET", "/job/plain/lastBuild/api/json", "", 200, "", ""},
		{"permalink to nothing", "GET", "/job/plain/lastFailedBuild/api/json", "", 404, "", ""},
		{"no such queue item", "GET", "/queue/item/99/api/json", "", 404, "", ""},
		{"queue item of no number", "GET", "/queue/item/x/api/json", "", 404, "", ""},
		{"create of no name", "POST", "/createItem", "<project/>", 400, "X-Error", "no name"},
		{"create of a bad name", "POST", "/createItem?name=a/b", "<project/>", 400, "X-Error", "unsafe"},
		{"create of a hidden name", "POST", "/createItem?name=..", "<project/>", 400, "X-Error", "no name"},
		{"create of one that is there", "POST", "/createItem?name=plain", "<project/>", 400, "X-Error", "already exists"},
		{"create of no xml", "POST", "/createItem?name=x", "<project", 400, "X-Error", "no xml"},
		{"config of no xml", "POST", "/job/plain/config.xml", "", 400, "X-Error", "no xml"},
		{"config", "GET", "/job/plain/config.xml", "", 200, "Content-Type", "application/xml"},
		{"build", "POST", "/job/plain/build", "", 201, "Location", "/queue/item/"},
		{"build with a get", "GET", "/job/plain/build", "", 405, "Allow", "POST"},
		{"build of one with parameters", "POST", "/job/param/build", "", 400, "X-Error", "Nothing is submitted"},
		{"build of one with parameters, as json", "POST", "/job/param/build", `json={"parameter":[{"name":"A","value":2}]}`, 201, "Location", "/queue/item/"},
		{"build with bad json", "POST", "/job/param/build", "json={", 400, "X-Error", "Nothing"},
		{"parameters for one without", "POST", "/job/plain/buildWithParameters", "A=1", 400, "X-Error", "no parameters"},
		{"build of a disabled job", "POST", "/job/off/build", "", 409, "X-Error", "disabled"},
		{"build of no job", "POST", "/job/no/build", "", 404, "", ""},
		{"bad delay", "POST", "/job/plain/build?delay=soon", "", 400, "X-Error", "delay"},
		{"stop of what is over", "POST", "/job/plain/1/stop", "", 302, "Location", "/job/plain/1/"},
		{"stop of nothing", "POST", "/job/plain/77/stop", "", 404, "", ""},
		{"cancel of nothing", "POST", "/queue/cancelItem?id=99", "", 404, "", ""},
		{"cancel of no number", "POST", "/queue/cancelItem", "", 400, "X-Error", "id"},
		{"get where a post is wanted", "GET", "/createItem", "", 405, "Allow", "POST"},
		{"post where a get is wanted", "POST", "/api/json", "", 405, "Allow", "GET"},
		{"disable", "POST", "/job/old/disable", "", 302, "Location", "/job/old/"},
		{"enable", "POST", "/job/old/enable", "", 302, "Location", "/job/old/"},
		{"delete", "POST", "/job/old/doDelete", "", 302, "Location", f.url},
		{"delete again", "POST", "/job/old/doDelete", "", 404, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			contentType := "application/x-www-form-urlencoded"
			if strings.HasPrefix(c.body, "<") {
				contentType = "application/xml"
			}
			answer := f.send(t, c.method, c.path, contentType, c.body)
			assert.Equal(t, c.code, answer.code, answer.body)
			assert.Contains(t, answer.header.Get(c.header), c.want)
			assert.NotEmpty(t, answer.header.Get("X-Jenkins"))
		})
	}
}

func TestTooLongABodyIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "")
	long := "<project><description>" + strings.Repeat("x", 9<<20) + "</description></project>"
	assert.Equal(t, http.StatusRequestEntityTooLarge, f.postXML(t, "/createItem?name=long", long).code)
	assert.Equal(t, http.StatusRequestEntityTooLarge, f.postXML(t, "/job/job/config.xml", long).code)
}

func TestJobJSON(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "<description>some &lt;b&gt;</description>"+strs("A=1")+shells(`[ "$A" = 1 ]`))
	require.Equal(t, "SUCCESS", f.run(t, "job", url.Values{"A": {"1"}}).Result)
	require.Equal(t, "FAILURE", f.run(t, "job", url.Values{"A": {"2"}}).Result)

	var job struct {
		Name, Description, Color, URL  string
		Buildable, InQueue             bool
		NextBuildNumber                int64
		Builds                         []buildJSON
		LastBuild, LastSuccessfulBuild struct{ Number int64 }
		LastFailedBuild                struct{ Number int64 }
		Property                       []struct {
			ParameterDefinitions []struct {
				Name, Type            string
				DefaultParameterValue struct{ Value string }
			}
		}
	}
	f.decode(t, "/job/job/api/json", &job)
	assert.Equal(t, "job", job.Name)
	assert.Equal(t, "some <b>", job.Description)
	assert.Equal(t, "red", job.Color)
	assert.Equal(t, f.url+"/job/job/", job.URL)
	assert.True(t, job.Buildable)
	assert.False(t, job.InQueue)
	assert.Equal(t, int64(3), job.NextBuildNumber)
	assert.Equal(t, int64(2), job.LastBuild.Number)
	assert.Equal(t, int64(1), job.LastSuccessfulBuild.Number)
	assert.Equal(t, int64(2), job.LastFailedBuild.Number)
	require.Len(t, job.Builds, 2)
	assert.Equal(t, int64(2), job.Builds[0].Number)
	assert.Equal(t, f.url+"/job/job/2/", job.Builds[0].URL)
	assert.Equal(t, "1", job.Property[0].ParameterDefinitions[0].DefaultParameterValue.Value)

	var root struct {
		Jobs []struct{ Name, Color string }
	}
	f.decode(t, "/api/json", &root)
	require.Len(t, root.Jobs, 1)
	assert.Equal(t, "red", root.Jobs[0].Color)
}

func TestPagesShowTheConsoleAsText(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", shells("#!/bin/sh\necho '<script>alert(1)</script>'"))
	build := f.run(t, "job", nil)

	page := f.get(t, "/job/job/1/")
	assert.Equal(t, 200, page.code)
	assert.Contains(t, page.header.Get("Content-Type"), "text/html")
	assert.Contains(t, page.body, "&lt;script&gt;alert(1)&lt;/script&gt;")
	assert.NotContains(t, page.body, "<script>")
	assert.Contains(t, page.body, "job #1: SUCCESS")
	assert.Equal(t, page.body, f.get(t, strings.TrimPrefix(build.URL, f.url)).body, "BUILD_URL opens it")
	assert.Contains(t, f.get(t, "/job/job").body, build.URL)
	assert.Contains(t, f.get(t, "/").body, f.url+"/job/job/")
}

func TestPageShowsTheEndOfALongConsole(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", shells("#!/bin/sh\nseq -f 'line %g end' 100000"))
	f.run(t, "job", nil)
	page := f.get(t, "/job/job/lastBuild/").body
	assert.Less(t, len(page), 400<<10)
	assert.Contains(t, page, "line 100000 end")
	assert.Contains(t, f.get(t, "/job/job/lastBuild/consoleText").body, "line 1 end")
}

func TestProgressiveTextFromAnywhere(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", shells("true"))
	f.run(t, "job", nil)
	whole := f.get(t, "/job/job/1/consoleText").body
	for start, want := range map[string]string{
		"0": whole, "10": whole[10:], "-5": whole, "x": whole, "999999": whole, "": whole,
	} {
		answer := f.get(t, "/job/job/1/logText/progressiveText/?start="+start)
		assert.Equal(t, want, answer.body, start)
		assert.Equal(t, answer.header.Get("X-Text-Size"), jsonNumber(len(whole)))
		assert.Empty(t, answer.header.Get("X-More-Data"))
	}
}

func jsonNumber(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func TestBelowAPath(t *testing.T) {
	t.Parallel()
	server, err := embedded.New(embedded.Options{Dir: t.TempDir(), URL: "http://ci.example/jenkins"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	for path, code := range map[string]int{
		"/jenkins": 200, "/jenkins/": 200, "/jenkins/api/json": 200, "/api/json": 404, "/": 404, "/jenkinsx": 404,
	} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://ci.example"+path, nil))
		assert.Equal(t, code, w.Code, path)
	}
}
