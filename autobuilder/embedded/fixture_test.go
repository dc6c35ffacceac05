package embedded_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

const token = "secret"

// fixture is a running embedded Jenkins and a client that it knows.
type fixture struct {
	url    string
	dir    string
	server *embedded.Server
	stop   func() // ends it in good order
}

// start runs a server with a token. What the options leave open is set for
// fast tests.
func start(t *testing.T, o embedded.Options) *fixture {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	o.User, o.Token = "ci", token
	web := httptest.NewUnstartedServer(nil)
	if o.URL == "" {
		o.URL = "http://" + web.Listener.Addr().String() + "/"
	}
	server, err := embedded.New(o)
	require.NoError(t, err)
	web.Config.Handler = server
	web.Start()

	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- server.Run(ctx) }()
	f := &fixture{url: web.URL, dir: o.Dir, server: server}
	stopped := false
	f.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		assert.NoError(t, <-ran)
		web.Close()
		assert.NoError(t, server.Close())
	}
	t.Cleanup(f.stop)
	return f
}

type reply struct {
	code   int
	header http.Header
	body   string
}

func (f *fixture) send(t *testing.T, method, path, contentType, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.SetBasicAuth("ci", token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) reply {
	t.Helper()
	client := http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	response, err := client.Do(req)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{code: response.StatusCode, header: response.Header, body: string(text)}
}

func (f *fixture) get(t *testing.T, path string) reply {
	t.Helper()
	return f.send(t, http.MethodGet, path, "", "")
}

func (f *fixture) post(t *testing.T, path string, form url.Values) reply {
	t.Helper()
	return f.send(t, http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

func (f *fixture) postXML(t *testing.T, path, config string) reply {
	t.Helper()
	return f.send(t, http.MethodPost, path, "application/xml", config)
}

// create makes a job of the elements inside <project>.
func (f *fixture) create(t *testing.T, name, elements string) {
	t.Helper()
	answer := f.postXML(t, "/createItem?name="+url.QueryEscape(name), "<project>"+elements+"</project>")
	require.Equal(t, http.StatusOK, answer.code, answer.header.Get("X-Error"))
}

// shells are builders that run scripts.
func shells(scripts ...string) string {
	b := new(strings.Builder)
	b.WriteString("<builders>")
	for _, script := range scripts {
		b.WriteString("<hudson.tasks.Shell><command>")
		_ = xml.EscapeText(b, []byte(script))
		b.WriteString("</command></hudson.tasks.Shell>")
	}
	return b.String() + "</builders>"
}

// strs are string parameters, with defaults like "A=x".
func strs(definitions ...string) string {
	b := new(strings.Builder)
	for _, definition := range definitions {
		name, fallback, _ := strings.Cut(definition, "=")
		fmt.Fprintf(b, "<hudson.model.StringParameterDefinition><name>%s</name><defaultValue>%s</defaultValue></hudson.model.StringParameterDefinition>", name, fallback)
	}
	return parameters(b.String())
}

func parameters(definitions string) string {
	return "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>" + definitions +
		"</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>"
}

// trigger starts a build and says where its queue item is.
func (f *fixture) trigger(t *testing.T, job string, form url.Values) string {
	t.Helper()
	path := "/job/" + url.PathEscape(job) + "/build"
	if form != nil {
		path += "WithParameters"
	}
	answer := f.post(t, path, form)
	require.Equal(t, http.StatusCreated, answer.code, answer.header.Get("X-Error"))
	location := answer.header.Get("Location")
	require.Contains(t, location, "/queue/item/")
	return strings.TrimPrefix(location, f.url) + "api/json"
}

// build is what the API says of one.
type buildJSON struct {
	Number   int64
	URL      string
	Building bool
	Result   string
	QueueID  int64
	Duration int64
	Actions  []struct {
		Parameters []struct{ Name, Value string }
	}
}

// number follows a queue item to its build.
func (f *fixture) number(t *testing.T, item string) int64 {
	t.Helper()
	var queued struct{ Executable struct{ Number int64 } }
	eventually(t, func() bool {
		f.decode(t, item, &queued)
		return queued.Executable.Number > 0
	})
	return queued.Executable.Number
}

// run triggers a build and follows it to its end.
func (f *fixture) run(t *testing.T, job string, form url.Values) buildJSON {
	t.Helper()
	return f.over(t, job, f.number(t, f.trigger(t, job, form)))
}

func (f *fixture) over(t *testing.T, job string, number int64) buildJSON {
	t.Helper()
	var b buildJSON
	eventually(t, func() bool {
		b = buildJSON{}
		f.decode(t, buildPath(job, number)+"/api/json", &b)
		return !b.Building
	})
	return b
}

func (f *fixture) decode(t *testing.T, path string, into any) {
	t.Helper()
	answer := f.get(t, path)
	require.Equal(t, http.StatusOK, answer.code, path)
	require.NoError(t, json.Unmarshal([]byte(answer.body), into))
}

func (f *fixture) console(t *testing.T, job string, number int64) string {
	t.Helper()
	return f.get(t, buildPath(job, number)+"/consoleText").body
}

func buildPath(job string, number int64) string {
	return "/job/" + url.PathEscape(job) + "/" + strconv.FormatInt(number, 10)
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			require.FailNow(t, "it did not come to pass")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// waiting is a step that waits until the file is there, and says that it runs.
func waiting(gate string) string {
	return "touch '" + gate + ".waits'\ni=0; while [ ! -e '" + gate + "' ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done"
}

func newGate(t *testing.T) string {
	t.Helper()
	gate := filepath.Join(t.TempDir(), "gate")
	t.Cleanup(func() { open(t, gate) })
	return gate
}

func open(t *testing.T, gate string) {
	t.Helper()
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func pidIn(file string) int {
	text, _ := os.ReadFile(file)
	if !strings.HasSuffix(string(text), "\n") {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(pid, 0) != nil
}
