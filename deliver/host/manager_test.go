package host_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// managed is a real service manager of the test's own, and an app under it
// that has releases v1 and v2.
type managed struct {
	*host.Local
	service host.Service
	root    string
	port    int
	// install makes the service run a shell script.
	install func(t *testing.T, name, script string)
}

// opener makes a service of its own name, so that all tests can run beside
// each other.
type opener func(t *testing.T) *managed

func TestServiceManagers(t *testing.T) {
	openers := map[string]opener{"runit": startRunit(t), "supervisor": startSupervisor(t)}
	stories := map[string]func(*testing.T, *managed){
		"a service that runs is restarted":           restartsRunning,
		"a service that failed until now":            restartsFailing,
		"a service that is down is started":          startsStopped,
		"it is found without being named":            isFound,
		"a service that is not there":                isUnknown,
		"the process that answers is proven":         isProven,
		"a running service is enough":                runningIsEnough,
		"an orphan of the old release is named":      namesOrphan,
		"an orphan beside a service that lives":      namesOrphanBeside,
		"a service that ends at once":                endsAtOnce,
		"a service that ends again and again":        endsAgain,
		"a service that ends between two answers":    endsOnce,
		"a restart that did not happen is noticed":   notRestarted,
		"a service that is down is not healthy":      downIsNotHealthy,
		"it was restarted between Restart and Check": restartedBetween,
		"it was restarted between two Checks":        restartedLater,
	}
	for name, open := range openers {
		if open == nil {
			continue
		}
		for title, tell := range stories {
			t.Run(name+"/"+title, func(t *testing.T) {
				t.Parallel()
				tell(t, open(t))
			})
		}
	}
}

// app is the script that runs the test's app from current.
func (m *managed) app() string {
	return fmt.Sprintf("cd %s/current\nexec env HOST_TEST_APP=127.0.0.1:%d %s", m.root, m.port, testBinary())
}

func newManaged(t *testing.T, manager string) *managed {
	t.Helper()
	root := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	m := &managed{
		Local: newLocal(t, root), root: root, port: l.Addr().(*net.TCPAddr).Port,
		service: host.Service{Manager: manager, Name: fmt.Sprintf("shop%x", crc32.ChecksumIEEE([]byte(t.Name())))},
	}
	for _, id := range []string{"v1", "v2"} {
		receive(t, root, numbered(t, id, 1))
	}
	_, err = m.Switch(t.Context(), "v1", "")
	require.NoError(t, err)
	return m
}

// startRunit names a directory of services; each story has a runsv of its own.
func startRunit(t *testing.T) opener {
	t.Helper()
	if !have(t, onPath("runsv") && onPath("sv"), "runit") {
		return nil
	}
	services := t.TempDir()
	t.Setenv("SVDIR", services)
	return func(t *testing.T) *managed {
		m := newManaged(t, "runit")
		m.install = func(t *testing.T, name, script string) {
			t.Helper()
			dir := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.Mkdir(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "run"), []byte("#!/bin/sh\nexec 2>&1\n"+script+"\n"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "down"), nil, 0o600))
			runInBackground(t, exec.Command("runsv", dir))
			require.NoError(t, os.Symlink(dir, filepath.Join(services, name)))
			eventually(t, func() bool { return exec.Command("sv", "status", dir).Run() == nil })
			t.Cleanup(func() { _ = exec.Command("sv", "-w", "5", "force-stop", dir).Run() })
		}
		return m
	}
}

// startSupervisor starts one supervisord for all stories; each has a config in
// its root by which supervisorctl finds that.
func startSupervisor(t *testing.T) opener {
	t.Helper()
	if !have(t, onPath("supervisord") && onPath("supervisorctl"), "supervisor") {
		return nil
	}
	dir, err := os.MkdirTemp("", "sv") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "supervisord.conf")
	content := fmt.Appendf(nil, `[supervisord]
nodaemon=true
logfile=%[1]s/log
pidfile=%[1]s/pid
[unix_http_server]
file=%[1]s/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s/s
[include]
files=%[1]s/*.ini
`, dir)
	require.NoError(t, os.WriteFile(config, content, 0o600))
	runInBackground(t, exec.Command("supervisord", "-c", config))
	eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "s"))
		return err == nil
	})
	return func(t *testing.T) *managed {
		m := newManaged(t, "supervisor")
		require.NoError(t, os.WriteFile(filepath.Join(m.root, "supervisord.conf"), content, 0o600))
		m.install = func(t *testing.T, name, script string) {
			t.Helper()
			run := filepath.Join(dir, name+".sh")
			require.NoError(t, os.WriteFile(run, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
			program := fmt.Sprintf("[program:%s]\ncommand=%s\nautostart=false\nautorestart=true\nstartsecs=1\n", name, run)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".ini"), []byte(program), 0o600))
		}
		return m
	}
}

// eventually waits for what takes long only on a busy machine.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 50*time.Millisecond)
}

// runInBackground runs cmd until the test ends.
func runInBackground(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		ended := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		ended.Stop()
	})
}

func (m *managed) restart(t *testing.T) {
	t.Helper()
	require.NoError(t, m.Restart(t.Context(), m.service))
}

// tryToRestart restarts what will not stay up; a manager that waits may say so
// by itself.
func (m *managed) tryToRestart(t *testing.T) {
	t.Helper()
	if err := m.Restart(t.Context(), m.service); err != nil {
		hosttest.RequireKind(t, err, host.KindService)
	}
}

func (m *managed) switchTo(t *testing.T, id string) {
	t.Helper()
	_, err := m.Switch(t.Context(), id, "")
	require.NoError(t, err)
}

// health is a question on the app's port.
func (m *managed) health() host.Health {
	return host.Health{Port: m.port, Rise: 3, Interval: 100 * time.Millisecond, Deadline: time.Minute}
}

func (m *managed) check(t *testing.T, h host.Health, id string) (host.Checked, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return m.Check(ctx, h, m.service, id)
}

func (m *managed) state(t *testing.T) host.ServiceState {
	t.Helper()
	state, err := m.Look(t.Context(), m.service)
	require.NoError(t, err)
	return state.Service
}

// run installs the app, starts it and waits until it is healthy in v1.
func (m *managed) run(t *testing.T) host.Checked {
	t.Helper()
	m.install(t, m.service.Name, m.app())
	m.restart(t)
	checked, err := m.check(t, m.health(), "v1")
	require.NoError(t, err)
	return checked
}

// restartsFailing restarts, at moments that have nothing to do with its
// manager's, a service that could not run until just before: on a first
// delivery there was nothing to run.
func restartsFailing(t *testing.T, m *managed) {
	ready := filepath.Join(m.root, "ready")
	m.install(t, m.service.Name, "test -e "+ready+" || exit 1\n"+m.app())
	m.tryToRestart(t)
	for n := range failingRestarts() {
		fails := time.NewTimer(1700*time.Millisecond + time.Duration(n)*37*time.Millisecond)
		<-fails.C // its manager is trying again and again
		require.NoError(t, os.WriteFile(ready, nil, 0o600))
		m.restart(t)
		_, err := m.check(t, m.health(), "v1")
		require.NoError(t, err, "restart %d", n)
		require.NoError(t, os.Remove(ready))
		m.tryToRestart(t)
	}
}

// failingRestarts is how often.
func failingRestarts() int {
	n, err := strconv.Atoi(os.Getenv("FAILING_RESTARTS"))
	if err != nil {
		return 2
	}
	return n
}

func restartsRunning(t *testing.T, m *managed) {
	before := m.run(t)
	m.switchTo(t, "v2")
	m.restart(t)
	after, err := m.check(t, m.health(), "v2")
	require.NoError(t, err)
	assert.NotEqual(t, before.PID, after.PID)
	assert.True(t, after.Proven, after.Detail)
	assert.Equal(t, after.PID, m.state(t).PID)
}

func startsStopped(t *testing.T, m *managed) {
	m.run(t)
	m.stop(t)
	assert.False(t, m.state(t).Running)
	m.restart(t)
	_, err := m.check(t, m.health(), "v1")
	require.NoError(t, err)
	assert.True(t, m.state(t).Running)
}

// stop stops the service as a person would.
func (m *managed) stop(t *testing.T) {
	t.Helper()
	cmd := exec.Command("sv", "-w", "5", "down", m.service.Name)
	if m.service.Manager == "supervisor" {
		cmd = exec.Command("supervisorctl", "-c", filepath.Join(m.root, "supervisord.conf"), "stop", m.service.Name)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	eventually(t, func() bool { return !m.state(t).Running })
}

func isFound(t *testing.T, m *managed) {
	m.run(t)
	want := m.service.Manager
	m.service.Manager = ""
	assert.Equal(t, want, m.state(t).Manager)
	m.restart(t)
	checked, err := m.check(t, m.health(), "v1")
	require.NoError(t, err)
	assert.Equal(t, checked.PID, m.state(t).PID)
}

func isUnknown(t *testing.T, m *managed) {
	for name, err := range map[string]error{
		"restart": m.Restart(t.Context(), m.service),
		"check":   second(m.check(t, m.health(), "v1")),
	} {
		assert.Contains(t, hosttest.RequireKind(t, err, host.KindService).Message, m.service.Name, name)
	}
	assert.False(t, m.state(t).Known)
}

func second[A any](_ A, err error) error { return err }

func isProven(t *testing.T, m *managed) {
	checked := m.run(t)
	assert.True(t, checked.Proven)
	assert.Equal(t, m.state(t).PID, checked.PID)
	assert.Contains(t, checked.Detail, strconv.Itoa(m.port))
	url := m.health()
	url.URL, url.Port = fmt.Sprintf("http://localhost:%d/", m.port), 0
	checked, err := m.check(t, url, "v1")
	require.NoError(t, err)
	assert.True(t, checked.Proven)
}

func runningIsEnough(t *testing.T, m *managed) {
	m.install(t, m.service.Name, "cd "+m.root+"/current; exec sleep 1000")
	m.restart(t)
	h := m.health()
	h.Port = 0
	checked, err := m.check(t, h, "v1")
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)
	assert.Equal(t, m.state(t).PID, checked.PID)
}

// orphan is a process of release id that holds the port.
func (m *managed) orphan(t *testing.T, id string) (pid int) {
	t.Helper()
	cmd := exec.Command(testBinary())
	cmd.Dir = filepath.Join(m.root, "releases", id)
	cmd.Env = append(os.Environ(), fmt.Sprintf("HOST_TEST_APP=127.0.0.1:%d", m.port))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port))
	eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return cmd.Process.Pid
}

func namesOrphan(t *testing.T, m *managed) {
	pid := m.orphan(t, "v1")
	m.switchTo(t, "v2")
	m.install(t, m.service.Name, m.app())
	m.tryToRestart(t)
	_, err := m.check(t, m.health(), "v2")
	known := hosttest.RequireKind(t, err, host.KindOldRelease)
	assert.Contains(t, known.Message, fmt.Sprintf("port %d is held by pid %d, which runs from releases/v1", m.port, pid))
	assert.Contains(t, known.Hint, fmt.Sprintf("kill %d", pid))
}

func namesOrphanBeside(t *testing.T, m *managed) {
	pid := m.orphan(t, "v1")
	m.switchTo(t, "v2")
	m.install(t, m.service.Name, "cd "+m.root+"/current; exec sleep 1000")
	m.restart(t)
	h := m.health()
	h.Deadline = 4 * time.Second
	_, err := m.check(t, h, "v2")
	known := hosttest.RequireKind(t, err, host.KindOldRelease)
	assert.Contains(t, known.Message, strconv.Itoa(pid))
}

func endsAtOnce(t *testing.T, m *managed) {
	m.install(t, m.service.Name, "echo cannot read the config; exit 3")
	m.tryToRestart(t)
	_, err := m.check(t, m.health(), "v1")
	requireEnded(t, err)
}

// requireEnded takes any of the words for a service that does not stay.
func requireEnded(t *testing.T, err error) {
	t.Helper()
	var known *host.Error
	require.ErrorAs(t, err, &known)
	assert.Contains(t, []host.Kind{host.KindNotRunning, host.KindCrashLoop}, known.Kind, known.Error())
	assert.Contains(t, known.Message, "shop")
}

func endsAgain(t *testing.T, m *managed) {
	m.install(t, m.service.Name, "sleep 1.2; exit 3")
	m.tryToRestart(t)
	h := m.health()
	h.Port, h.Rise = 0, 1000
	_, err := m.check(t, h, "v1")
	requireEnded(t, err)
}

func endsOnce(t *testing.T, m *managed) {
	m.install(t, m.service.Name, "if mkdir "+m.root+"/ended; then sleep 1.5; exit 3; fi\n"+m.app())
	m.tryToRestart(t)
	checked, err := m.check(t, m.health(), "v1")
	if err != nil { // it was seen between the two
		requireEnded(t, err)
		return
	}
	assert.True(t, checked.Proven)
	assert.GreaterOrEqual(t, checked.Answers, 3)
}

func notRestarted(t *testing.T, m *managed) {
	before := m.run(t)
	m.switchTo(t, "v2")
	for _, port := range []int{m.port, 0} {
		h := m.health()
		h.Port, h.Deadline = port, 4*time.Second
		_, err := m.check(t, h, "v2")
		known := hosttest.RequireKind(t, err, host.KindOldRelease)
		assert.Contains(t, known.Message, fmt.Sprintf("pid %d, which runs from releases/v1", before.PID))
		assert.Contains(t, known.Hint, "current")
	}
}

func downIsNotHealthy(t *testing.T, m *managed) {
	m.run(t)
	m.stop(t)
	for _, port := range []int{m.port, 0} {
		h := m.health()
		h.Port = port
		_, err := m.check(t, h, "v1")
		assert.Contains(t, strings.ToLower(hosttest.RequireKind(t, err, host.KindNotRunning).Message), m.service.Name)
	}
}

// restartedBetween has the service die after Restart, before Check can look. A
// look from the side, such as that of deliver status, takes nothing from Check.
func restartedBetween(t *testing.T, m *managed) {
	m.run(t)
	m.restart(t)
	m.kill(t, m.state(t).PID)
	_, err := m.check(t, m.health(), "v1")
	require.NoError(t, err, "it is well now")
	h := m.health()
	h.AfterRestart = true
	_, err = m.check(t, h, "v1")
	hosttest.RequireKind(t, err, host.KindCrashLoop)
	_, err = m.check(t, h, "v1")
	require.NoError(t, err, "what was told once is over")
}

// restartedLater has the service die after it was found well: the second check
// of a delivery finds that out, though it is well again.
func restartedLater(t *testing.T, m *managed) {
	m.run(t)
	m.restart(t)
	h := m.health()
	h.AfterRestart = true
	_, err := m.check(t, h, "v1")
	require.NoError(t, err)
	m.kill(t, m.state(t).PID)
	_, err = m.check(t, m.health(), "v1")
	require.NoError(t, err, "it is well now")
	_, err = m.check(t, h, "v1")
	hosttest.RequireKind(t, err, host.KindCrashLoop)
}

// kill kills a process and waits until its manager has started another.
func (m *managed) kill(t *testing.T, pid int) {
	process, err := os.FindProcess(pid)
	assert.NoError(t, err)
	assert.NoError(t, process.Kill())
	assert.Eventually(t, func() bool {
		state, err := m.Look(context.WithoutCancel(t.Context()), m.service)
		return err == nil && state.Service.Running && state.Service.PID != pid
	}, time.Minute, 50*time.Millisecond)
}
