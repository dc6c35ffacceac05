package embedded_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

// TestMain is also a server on its own, for the tests that kill one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("EMBEDDED_TEST_SERVER"); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serve(dir string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	server, err := embedded.New(embedded.Options{Dir: dir, URL: address, User: "ci", Token: token})
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, server) }() //nolint:gosec // lives as long as its test
	if err := os.WriteFile(filepath.Join(dir, "address"), []byte(address+"\n"), 0o600); err != nil {
		return err
	}
	return server.Run(context.Background())
}

// startProcess runs a server that can be killed.
func startProcess(t *testing.T) (*fixture, *exec.Cmd) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_SERVER="+dir)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it is dead already, unless the test failed
		_ = cmd.Wait()
	})
	f := &fixture{dir: dir}
	eventually(t, func() bool {
		address, _ := os.ReadFile(filepath.Join(dir, "address"))
		f.url = strings.TrimSpace(string(address))
		return strings.HasSuffix(string(address), "\n")
	})
	return f, cmd
}

func TestKilledServer(t *testing.T) {
	t.Parallel()
	f, process := startProcess(t)
	out, gate := t.TempDir(), newGate(t)
	f.create(t, "job", strs("N")+shells(
		"echo before the end; sleep 600 & echo $! > "+out+"/child.$N; setsid sleep 600 & echo $! > "+out+"/session.$N; echo $$ > "+out+"/shell.$N\n"+waiting(gate)))
	f.number(t, f.trigger(t, "job", url.Values{"N": {"1"}}))
	f.trigger(t, "job", url.Values{"N": {"2"}})
	last := f.trigger(t, "job", url.Values{"N": {"3"}})
	eventually(t, func() bool { return pidIn(out+"/shell.1") > 0 })

	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	eventually(t, func() bool { return gone(pidIn(out + "/shell.1")) }) // with the server, before anybody cleans up

	after := start(t, embedded.Options{Dir: f.dir, Grace: 100 * time.Millisecond})
	assert.True(t, gone(pidIn(out+"/child.1")))
	assert.True(t, gone(pidIn(out+"/session.1")))
	lost := after.over(t, "job", 1)
	assert.Equal(t, "FAILURE", lost.Result)
	assert.Equal(t, "1", lost.Actions[1].Parameters[0].Value, "it is still known which one it was")
	console := after.console(t, "job", 1)
	assert.Contains(t, console, "before the end")
	assert.Contains(t, console, "The server was killed while this build ran")
	assert.True(t, strings.HasSuffix(console, "Finished: FAILURE\n"))

	open(t, gate)
	assert.Equal(t, int64(3), after.number(t, last), "what waited is built, in order")
	assert.Equal(t, "SUCCESS", after.over(t, "job", 2).Result)
	assert.Equal(t, "SUCCESS", after.over(t, "job", 3).Result)
	assert.Equal(t, int64(4), after.run(t, "job", url.Values{"N": {"4"}}).Number)
}

// A server that is killed at any moment of a trigger has started every build
// that it said yes to exactly once when it is up again.
func TestKilledBetweenAnyTwoWrites(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			f, process := startProcess(t)
			f.create(t, "job", "<concurrentBuild>true</concurrentBuild>"+strs("N")+shells("true"))
			accepted := f.flood(t, process, 3+5*round)
			require.NotEmpty(t, accepted)

			after := start(t, embedded.Options{Dir: f.dir, Grace: 100 * time.Millisecond})
			for _, item := range accepted {
				after.number(t, item)
			}
			var job struct{ Builds []buildJSON }
			after.decode(t, "/job/job/api/json", &job)
			seen, items := map[string]int64{}, map[int64]bool{}
			for _, build := range job.Builds {
				n := build.Actions[1].Parameters[0].Value
				assert.Zero(t, seen[n], "N=%s was built twice", n)
				assert.False(t, items[build.QueueID], "one queue id for two builds")
				seen[n], items[build.QueueID] = build.Number, true
			}
			assert.GreaterOrEqual(t, len(seen), len(accepted))
		})
	}
}

// flood triggers builds until the server dies, which it does after kill of
// them, and returns the items that it confirmed.
func (f *fixture) flood(t *testing.T, process *exec.Cmd, kill int) []string {
	t.Helper()
	var accepted []string
	for n := range 60 {
		if n == kill {
			go func() { _ = process.Process.Signal(syscall.SIGKILL) }()
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/job/job/buildWithParameters",
			strings.NewReader(url.Values{"N": {fmt.Sprint(n)}}.Encode()))
		require.NoError(t, err)
		req.SetBasicAuth("ci", token)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := http.DefaultClient.Do(req)
		if err != nil {
			break
		}
		require.Equal(t, http.StatusCreated, response.StatusCode)
		accepted = append(accepted, strings.TrimPrefix(response.Header.Get("Location"), f.url)+"api/json")
		require.NoError(t, response.Body.Close())
	}
	_ = process.Wait()
	return accepted
}

func TestStoppedServer(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Grace: time.Minute})
	out, gate := t.TempDir(), newGate(t)
	f.create(t, "job", strs("N")+shells("echo $$ > "+out+"/shell.$N\n"+waiting(gate)))
	f.create(t, "quiet", "<quietPeriod>1</quietPeriod>")
	f.number(t, f.trigger(t, "job", url.Values{"N": {"1"}}))
	second := f.trigger(t, "job", url.Values{"N": {"2"}})
	cancelled := f.trigger(t, "job", url.Values{"N": {"3"}})
	require.Equal(t, 204, f.post(t, "/queue/cancelItem?id="+strings.Split(cancelled, "/")[3], nil).code)
	eventually(t, func() bool { return pidIn(out+"/shell.1") > 0 })
	f.stop()
	assert.True(t, gone(pidIn(out+"/shell.1")))

	after := start(t, embedded.Options{Dir: f.dir})
	assert.Equal(t, "ABORTED", after.over(t, "job", 1).Result)
	assert.Contains(t, after.console(t, "job", 1), "Build was aborted\nThe server was stopped\nFinished: ABORTED\n")
	open(t, gate)
	assert.Equal(t, int64(2), after.number(t, second))
	assert.Equal(t, "SUCCESS", after.over(t, "job", 2).Result)
	fresh := after.trigger(t, "job", url.Values{"N": {"4"}})
	assert.NotContains(t, []string{second, cancelled}, fresh, "an id is used once")
	assert.Equal(t, int64(3), after.number(t, fresh))
}

func TestAStoppedServerLetsABuildEnd(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Drain: time.Minute})
	out, gate := t.TempDir(), newGate(t)
	f.create(t, "job", shells("echo $$ > "+out+"/shell\n"+waiting(gate)))
	f.trigger(t, "job", nil)
	eventually(t, func() bool { return pidIn(out+"/shell") > 0 })
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		f.stop()
	}()
	select {
	case <-stopped:
		require.Fail(t, "it stopped while the build ran")
	case <-time.After(100 * time.Millisecond):
	}
	open(t, gate)
	<-stopped
	after := start(t, embedded.Options{Dir: f.dir})
	assert.Equal(t, "SUCCESS", after.over(t, "job", 1).Result)
}

func TestNumbersOfRemovedBuildsAreNotUsedAgain(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", shells("false"))
	f.run(t, "job", nil)
	item := f.trigger(t, "job", nil)
	f.over(t, "job", f.number(t, item))
	f.stop()
	require.NoError(t, os.RemoveAll(f.dir+"/jobs/job/builds"))

	after := start(t, embedded.Options{Dir: f.dir})
	fresh := after.trigger(t, "job", nil)
	assert.Equal(t, int64(3), after.number(t, fresh))
	assert.NotEqual(t, item, fresh)
}

func TestOneServerForEachDirectory(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	_, err := embedded.New(embedded.Options{Dir: f.dir})
	require.ErrorContains(t, err, f.dir+" is in use by another server")
	f.stop()
	again, err := embedded.New(embedded.Options{Dir: f.dir})
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options embedded.Options
		want    string
	}{
		"no directory":     {embedded.Options{}, "no directory"},
		"a bad url":        {embedded.Options{Dir: t.TempDir(), URL: "ci.example"}, "want http://HOST/"},
		"a file for a dir": {embedded.Options{Dir: "restart_test.go"}, "make its directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := embedded.New(c.options)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// What a crash, a full disk or a hand leaves behind does not keep a server down.
func TestStartsOverLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"jobs/half/builds/1/log":         "no config.xml",
		"jobs/.deleted-old-1/config.xml": "<project/>",
		"jobs/odd/config.xml":            "<flow-definition/>",
		"jobs/good/config.xml":           "<project/>",
		"jobs/good/builds/7/log":         "no build.json",
		"jobs/good/builds/8/build.json":  "{",
		"jobs/good/nextBuildNumber":      "9\n",
		"jobs/stray":                     "a file",
		"queue.json":                     `{"next":5,"items":[{"id":4,"job":"gone"}]}`,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
	f := start(t, embedded.Options{Dir: dir})
	assert.Equal(t, 404, f.get(t, "/job/half/api/json").code)
	assert.NoDirExists(t, dir+"/jobs/.deleted-old-1")
	assert.Equal(t, int64(9), f.run(t, "good", nil).Number)
	answer := f.post(t, "/job/odd/build", nil)
	assert.Equal(t, 409, answer.code)
	assert.Contains(t, answer.header.Get("X-Error"), "flow-definition")
	assert.Contains(t, f.trigger(t, "good", nil), "/queue/item/6/")
}

// Between the two writes of a start the build is on disk and its item still in
// the queue.
func TestKilledAtTheStartOfABuild(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "")
	assert.Equal(t, int64(1), f.run(t, "job", nil).Number)
	f.stop()
	queue := `{"next":2,"items":[{"id":1,"job":"job","cause":"x"}]}`
	require.NoError(t, os.WriteFile(f.dir+"/queue.json", []byte(queue), 0o600))

	after := start(t, embedded.Options{Dir: f.dir})
	fresh := after.trigger(t, "job", nil)
	assert.Contains(t, fresh, "/queue/item/2/")
	assert.Equal(t, int64(2), after.number(t, fresh), "the first is not built again")
	assert.Equal(t, int64(1), after.number(t, "/queue/item/1/api/json"))
}
