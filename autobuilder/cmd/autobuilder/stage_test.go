package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/ledger"
)

// The test's program is autobuilder too, under that name and in PATH.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"autobuilder": main, "embedded-jenkins": embeddedJenkins, "flood": flood})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SECRET", secret)
			for _, name := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+name+"_NAME", "a")
				env.Setenv("GIT_"+name+"_EMAIL", "a@test")
			}
			env.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
			return os.WriteFile(filepath.Join(env.WorkDir, "echo.xml.tmpl"), []byte(template), 0o600)
		},
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// exits CODE COMMAND… runs a command that must end with that code.
func exits(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		ts.Fatalf("exit code 0, not %s", args[0])
	case !errors.As(err, &exit):
		ts.Check(err)
	case strconv.Itoa(exit.ExitCode()) != args[0]:
		ts.Fatalf("exit code %d, not %s", exit.ExitCode(), args[0])
	}
}

const (
	secret  = "the webhook's secret"
	patient = 60 * time.Second
)

// template is a job that says what it was started with.
const template = `{{define "p"}}<hudson.model.StringParameterDefinition><name>{{.}}</name><description></description>
<defaultValue></defaultValue></hudson.model.StringParameterDefinition>{{end}}<?xml version="1.0" encoding="UTF-8"?>
<project><description>{{xml .Mark}}</description>
<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>
{{template "p" "COMMIT"}}{{template "p" "BRANCH"}}{{template "p" "TAG"}}{{template "p" "VERSION"}}{{template "p" "AUTOBUILDER_ID"}}
</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>
<builders><hudson.tasks.Shell><command>echo "built $COMMIT as ${TAG:-no tag}"; ! test -e "{{.Project.CloneURL}}.stop"</command></hudson.tasks.Shell></builders>
</project>`

// stage is a repository with one project, as an engineer and GitHub have it.
type stage struct {
	t    testing.TB
	dir  string
	repo string
	env  []string // of autobuilder, besides
}

func newStage(t *testing.T, settings string) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir()}
	s.repo = filepath.Join(s.dir, "shop")
	s.git("init", "--quiet", "--initial-branch=master", s.repo)
	s.write("templates/echo.xml.tmpl", template)
	s.configure(settings)
	return s
}

func (s *stage) configure(settings string) {
	s.t.Helper()
	s.write("autobuilder.yml", fmt.Sprintf(`%s
templates: templates
settle: 50ms
poll: 50ms
github: {secret_env: SECRET}
projects: [{name: shop, repo: acme/shop, clone_url: %s, template: echo}]
`, settings, s.repo))
}

func (s *stage) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
}

func (s *stage) git(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@test")
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

func (s *stage) commit(message string) string {
	s.t.Helper()
	s.git("-C", s.repo, "commit", "--quiet", "--allow-empty", "-m", message)
	return s.git("-C", s.repo, "rev-parse", "HEAD")
}

// command runs autobuilder to its end.
func (s *stage) command(args ...string) (stdout string, code int) {
	s.t.Helper()
	cmd := s.prepare(args...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(s.t, err)
	}
	s.t.Logf("autobuilder %v: %d %s", args, cmd.ProcessState.ExitCode(), problem.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

func (s *stage) prepare(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), "autobuilder", append([]string{"--config", filepath.Join(s.dir, "autobuilder.yml")}, args...)...)
	cmd.Env = append(append(os.Environ(), "SECRET="+secret), s.env...)
	return cmd
}

// server is autobuilder serve in a process of its own.
type server struct {
	*stage
	cmd  *exec.Cmd
	url  string
	ci   string // the Jenkins' URL
	log  *labtest.Log
	done chan struct{} // closed when the log has ended
}

var listening = regexp.MustCompile(`listening"?,?\W+address\W+([0-9.:]+)\W+jenkins\W+(http://[0-9.:]+)`)

func (s *stage) serve() *server { return s.serveWith("serve") }

func (s *stage) serveWith(args ...string) *server {
	s.t.Helper()
	v := &server{stage: s, cmd: s.prepare(args...), log: &labtest.Log{}, done: make(chan struct{})}
	stderr, err := v.cmd.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, v.cmd.Start())
	lines, started := bufio.NewScanner(stderr), make(chan []string, 1)
	go func() {
		defer close(v.done)
		defer close(started)
		for lines.Scan() {
			fmt.Fprintln(v.log, lines.Text())
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				started <- m
			}
		}
	}()
	s.t.Cleanup(v.kill)
	found := <-started
	if found == nil {
		<-v.done
		require.Fail(s.t, "autobuilder serve ended", v.log.String())
	}
	v.url, v.ci = "http://"+found[1], found[2]
	return v
}

// kill ends it as a crash does.
func (v *server) kill() {
	if v.cmd.ProcessState != nil {
		return
	}
	assert.NoError(v.t, v.cmd.Process.Kill())
	v.wait()
}

// stop ends it as a service manager does, and gives its exit code.
func (v *server) stop() int {
	v.t.Helper()
	require.NoError(v.t, v.cmd.Process.Signal(syscall.SIGTERM))
	v.wait()
	return v.cmd.ProcessState.ExitCode()
}

func (v *server) wait() {
	<-v.done
	_ = v.cmd.Wait() // it says so also of a process that was killed on purpose
	if v.t.Failed() {
		v.t.Log(v.log.String())
	}
}

func (v *server) get(path string) (status int, text string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.url+path, http.NoBody)
	require.NoError(v.t, err)
	return exchange(v.t, request)
}

func exchange(t testing.TB, request *http.Request) (status int, text string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// tell sends what GitHub sends of a ref of the repository.
func (v *server) tell(id, ref string) int {
	v.t.Helper()
	status, _ := exchange(v.t, v.delivery(id, v.payload(ref)))
	return status
}

// payload is a push of the ref as it is now.
func (s *stage) payload(ref string) []byte {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{
		"ref": ref, "after": s.git("-C", s.repo, "rev-parse", ref),
		"repository": map[string]string{"full_name": "acme/shop"},
		"head_commit": map[string]string{
			"id": s.git("-C", s.repo, "rev-parse", ref+"^{commit}"), "tree_id": s.git("-C", s.repo, "rev-parse", ref+"^{tree}"), "message": "m",
		},
		"pusher": map[string]string{"name": "ada"},
	})
	require.NoError(s.t, err)
	return body
}

// delivery is the signed request that brings the payload.
func (v *server) delivery(id string, body []byte) *http.Request {
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.url+webhookPath, bytes.NewReader(body))
	assert.NoError(v.t, err)
	sign(request, id, body)
	return request
}

// sign makes of a request what GitHub sends.
func sign(request *http.Request, id string, body []byte) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", id)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

// builds are those in the ledger's file, oldest first.
func (s *stage) builds() []build.Build {
	s.t.Helper()
	book, err := ledger.Open(context.Background(), filepath.Join(s.dir, "data", "ledger.db"))
	require.NoError(s.t, err)
	defer book.Close()
	newestFirst, err := book.Builds(context.Background(), "", 1000)
	require.NoError(s.t, err)
	found := make([]build.Build, 0, len(newestFirst))
	for i := len(newestFirst) - 1; i >= 0; i-- {
		found = append(found, newestFirst[i])
	}
	return found
}

// reaches waits until the nth build is in the state.
func (s *stage) reaches(n int, state build.State) build.Build {
	s.t.Helper()
	var found []build.Build
	require.Eventually(s.t, func() bool {
		found = s.builds()
		return len(found) > n && found[n].State == state
	}, patient, 20*time.Millisecond, "build %d is %s", n, state)
	return found[n]
}
