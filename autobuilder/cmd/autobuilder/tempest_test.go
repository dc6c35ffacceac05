package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
	"autobuilder/webhook/githubtest"
)

func randomID() string { return strings.ToLower(rand.Text()) }

// size is how much of a storm it is. The whole of it is `make storm`.
func size(variable string, small int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return small
}

// TestStorm: pushes to many repositories, of whose deliveries some are lost,
// doubled and out of order, while autobuilder and Jenkins are killed again and
// again. In the end each release was built once, and the ledger says why.
func TestStorm(t *testing.T) {
	t.Parallel()
	pushes, repos := size("STORM_PUSHES", 120), size("STORM_REPOS", 4)
	for _, kind := range []string{"embedded", "beside"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			newTempest(t, kind, pushes, repos).rage()
		})
	}
}

// TestStormOverHudson is the same over a server that is not ours.
func TestStormOverHudson(t *testing.T) {
	pushes := size("STORM_HUDSON_PUSHES", 0)
	if pushes == 0 {
		return // of `make storm`: each restart of a Hudson takes ten seconds
	}
	newTempest(t, "hudson", pushes, 4).rage()
}

// tempest is a storm: the repositories, GitHub, autobuilder and its Jenkins.
type tempest struct {
	*stage
	kind    string
	pushes  int
	stride  int // at least so much is done between two kills, at most three times that
	random  *mathrand.Rand
	origins []*origin
	github  *githubtest.GitHub
	address string // autobuilder's
	ci      string // Jenkins' address, where it is a process of its own
	server  *server
	jenkins *exec.Cmd
	wire    *badWire

	pool *pool

	mu     sync.Mutex
	events []event
	acked  map[string]bool
	sent   map[string]int
	kills  map[string]int
}

func newTempest(t *testing.T, kind string, pushes, repos int) *tempest {
	t.Helper()
	seed := uint64(size("STORM_SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("STORM_SEED=%d", seed)
	w := &tempest{
		stage: &stage{t: t, dir: t.TempDir()}, kind: kind, pushes: pushes, pool: newPool(), random: mathrand.New(mathrand.NewPCG(seed, 1)), //nolint:gosec // not for secrets
		address: loopback(t), acked: map[string]bool{}, sent: map[string]int{}, kills: map[string]int{},
	}
	w.stride = max(5, pushes/60)
	if kind == "hudson" {
		w.stride = pushes / 6 // each start takes ten seconds
	}
	w.github = githubtest.Start(t, "http://"+w.address+webhookPath)
	for n := range repos {
		o, err := newOrigin(w.dir, n, 5*pushes/repos+20)
		require.NoError(t, err)
		w.origins = append(w.origins, o)
		w.github.Sent("repos/" + o.name) // its webhook is set up
	}
	w.write("templates/storm.xml.tmpl", stormTemplate(filepath.Join(w.dir, "ran")))
	w.write("token", githubtest.Token)
	w.configureStorm(w.startStormJenkins())
	w.startServer()
	w.untilWatched()
	return w
}

// stormTemplate is a job that notes in a file of its own that it ran.
func stormTemplate(file string) string {
	return strings.Replace(template, `echo "built $COMMIT as ${TAG:-no tag}"; ! test -e "{{.Project.CloneURL}}.stop"`,
		"#!/bin/sh\necho \"AUTOBUILDER_ID=$AUTOBUILDER_ID\"\necho \"$JOB_NAME $COMMIT $AUTOBUILDER_ID\" >>"+file+"\nsleep 0.05", 1)
}

// loopback is an address that stays this test's over restarts.
func loopback(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.9.%d.%d:0", os.Getpid()%250+1, mathrand.IntN(250)+1)) //nolint:gosec,noctx // not for secrets
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (w *tempest) configureStorm(jenkins string) {
	var text strings.Builder
	fmt.Fprintf(&text, "listen: %s\nurl: http://%s\ntemplates: templates\nsettle: 50ms\npoll: 100ms\nsearch: 3s\njobs_sync: true\n%s\n", w.address, w.address, jenkins)
	fmt.Fprintf(&text, "github: {secret_env: SECRET, api: '%s', token_file: token}\nprojects:\n", w.github.URL)
	for _, o := range w.origins {
		name := strings.TrimPrefix(o.name, "acme/")
		fmt.Fprintf(&text, "  - {name: %s, repo: %s, clone_url: %s, template: storm, queue: %s}\n", name, o.name, o.dir, o.queue)
		fmt.Fprintf(&text, "  - {name: %s-next, repo: %s, clone_url: %s, template: storm, branch: next, tags: none, queue: newest}\n", name, o.name, o.dir)
	}
	w.write("autobuilder.yml", text.String())
}

// startStormJenkins gives the lines of the config that name it.
func (w *tempest) startStormJenkins() string {
	if w.kind == "embedded" {
		return "jenkins: {listen: '" + loopback(w.t) + "', executors: 4}"
	}
	w.ci = loopback(w.t)
	if w.kind == "hudson" {
		w.ci = "127.0.0.1:" + strconv.Itoa(20_000+w.random.IntN(12_000))
	}
	w.startCI()
	w.wire = newBadWire(w.t, w.ci)
	return "jenkins: {url: '" + w.wire.url + "'}"
}

// startCI starts the Jenkins that is a process of its own.
func (w *tempest) startCI() {
	w.t.Helper()
	if w.kind == "hudson" {
		_, port, _ := net.SplitHostPort(w.ci)
		output, err := exec.CommandContext(w.t.Context(), "../../../lab/hudson", "start", "--port", port, "--state", filepath.Join(w.dir, "hudson"), "--executors", "4").CombinedOutput()
		require.NoError(w.t, err, string(output))
		w.t.Cleanup(func() { w.killCI() })
		return
	}
	w.jenkins = exec.CommandContext(w.t.Context(), "embedded-jenkins", w.ci, filepath.Join(w.dir, "jenkins"))
	w.jenkins.Stderr = os.Stderr
	require.NoError(w.t, w.jenkins.Start())
	require.Eventually(w.t, func() bool { return answers(w.ci) }, patient, 5*time.Millisecond)
}

func (w *tempest) killCI() {
	if w.kind != "hudson" {
		_ = w.jenkins.Process.Kill()
		_ = w.jenkins.Wait() // it was killed
		return
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "hudson", "pid"))
	if err != nil {
		return
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	_ = syscall.Kill(pid, syscall.SIGKILL)
	require.Eventually(w.t, func() bool { return !answers(w.ci) }, patient, 5*time.Millisecond)
}

func answers(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second) //nolint:noctx // the timeout is short
	return err == nil && connection.Close() == nil
}

// embeddedJenkins is a program of the tests: `embedded-jenkins ADDRESS DIR`.
func embeddedJenkins() {
	server, err := embedded.New(embedded.Options{Dir: os.Args[2], URL: "http://" + os.Args[1], Executors: 4})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	listener, err := net.Listen("tcp", os.Args[1]) //nolint:noctx // once
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = server.Run(context.Background()) }()
	_ = http.Serve(listener, server) //nolint:gosec // on loopback, for a test
}

func (w *tempest) startServer() {
	w.t.Helper()
	w.server = w.serve()
}

// untilWatched waits until autobuilder has seen what stood there before.
func (w *tempest) untilWatched() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		watched := 0
		for _, fate := range w.fates() {
			if strings.HasPrefix(fate.Delivery, "watch-") {
				watched++
			}
		}
		return watched == 2*len(w.origins)
	}, patient, 50*time.Millisecond, "every project is watched")
}

// rage is the storm: chaos until all is pushed and told, then calm until all is
// built, and the count.
func (w *tempest) rage() {
	began := time.Now()
	var pushing, telling sync.WaitGroup
	for n, o := range w.origins {
		random := mathrand.New(mathrand.NewPCG(uint64(n), w.random.Uint64())) //nolint:gosec // not for secrets
		pushing.Go(func() { w.pushAll(o, random) })
	}
	for range 8 {
		random := mathrand.New(mathrand.NewPCG(w.random.Uint64(), 2)) //nolint:gosec // not for secrets
		telling.Go(func() { w.tellAll(random) })
	}
	over := make(chan struct{})
	go func() {
		pushing.Wait()
		w.pool.close()
		telling.Wait()
		close(over)
	}()
	w.chaos(over)
	told := time.Since(began)
	w.settle()
	w.count(told, time.Since(began))
}

func (w *tempest) pushAll(o *origin, random *mathrand.Rand) {
	for range w.pushes / len(w.origins) {
		events, err := o.push(random)
		if err != nil {
			w.t.Error(err)
			return
		}
		w.mu.Lock()
		w.events = append(w.events, events...)
		w.mu.Unlock()
		w.pool.put(slices.DeleteFunc(events, func(e event) bool { return e.untold }))
	}
}

// tellAll tells as GitHub does: once, whatever the answer. A fifth is lost on
// the way, a fifth comes twice.
func (w *tempest) tellAll(random *mathrand.Rand) {
	client := &http.Client{Timeout: 10 * time.Second}
	for {
		e, ok := w.pool.take(random)
		if !ok {
			return
		}
		status, times := 0, 1
		switch luck := random.IntN(100); {
		case luck < 20:
			times = 0
			w.note("dropped")
		case luck < 40:
			times = 2
			w.note("doubled")
		}
		for range times {
			status = max(status, w.tellOnce(client, e))
		}
		w.github.Sent("repos/"+e.repo, githubtest.Delivery{GUID: e.id, Event: "push", At: time.Now(), Status: status, Payload: e.body})
	}
}

func (w *tempest) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[what]++
}

func (w *tempest) tellOnce(client *http.Client, e event) (status int) {
	request := w.signed("http://"+w.address, e.id, e.body)
	response, err := client.Do(request)
	if err != nil {
		w.note("not reached")
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode == http.StatusAccepted {
		w.mu.Lock()
		w.acked[e.id] = true
		w.mu.Unlock()
	}
	return response.StatusCode
}

// signed is the request of a delivery, from any goroutine.
func (w *tempest) signed(url, id string, body []byte) *http.Request {
	request, _ := http.NewRequestWithContext(w.t.Context(), http.MethodPost, url+webhookPath, bytes.NewReader(body))
	sign(request, id, body)
	return request
}
