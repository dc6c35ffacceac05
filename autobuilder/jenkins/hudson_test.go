package jenkins_test

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

// The same contract, kept by a server that is not ours.
func TestContractHudson(t *testing.T) {
	needHudson(t)
	for name, how := range map[string]hudson{
		"open":                     {},
		"with password and crumbs": {user: "ci", password: `se "cret`, crumbs: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contract(t, how.start(t))
		})
	}
}

func needHudson(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"java", "javac", "jar", "mvn", "curl"} {
		labtest.Program(t, tool)
	}
}

// hudson says how a real Hudson is started by lab/hudson.
type hudson struct {
	user, password string
	crumbs         bool
}

func (h hudson) start(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	args := []string{"start", "--port", strconv.Itoa(port), "--state", dir}
	if h.user != "" {
		file := filepath.Join(dir, "password")
		require.NoError(t, os.WriteFile(file, []byte(h.password+"\n"), 0o600))
		args = append(args, "--user", h.user, "--password-file", file)
	}
	if h.crumbs {
		args = append(args, "--crumbs")
	}
	// On today's JDK its queue is sometimes not saved: an idle executor is in
	// the way, and that is a thread, which cannot be written to a file.
	s := &server{forgets: true, url: "http://127.0.0.1:" + strconv.Itoa(port) + "/", user: h.user, token: h.password}
	s.up = func(t *testing.T) { lab(t, args...) }
	s.down = func(t *testing.T) { lab(t, "stop", "--state", dir) }
	s.crash = func(t *testing.T) {
		pid := pidIn(filepath.Join(dir, "pid"))
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		eventually(t, func() bool { return gone(pid) && isFree(port) }) // its threads may outlive it for a moment
	}
	t.Cleanup(func() { s.down(t) })
	s.up(t)
	return s
}

func lab(t *testing.T, args ...string) {
	t.Helper()
	script, err := filepath.Abs("../../lab/hudson")
	require.NoError(t, err)
	output, err := exec.Command(script, args...).CombinedOutput()
	require.NoError(t, err, string(output))
}

// freePort is below those that the system hands out: a restart must find it free.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 20000 + rand.IntN(12000)
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	return err == nil && listener.Close() == nil
}

func TestLabHudsonSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("../../lab/hudson")
	require.NoError(t, err)
	empty := t.TempDir()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, busy.Close()) })
	taken := strconv.Itoa(busy.Addr().(*net.TCPAddr).Port)

	for name, c := range map[string]struct {
		args string
		path string
		code int
		want string
	}{
		"nothing":              {"", "", 2, "usage: hudson start"},
		"no state":             {"start --port 1", "", 2, "usage"},
		"no port":              {"start --state " + empty, "", 2, "usage"},
		"a port of letters":    {"start --port x --state " + empty, "", 2, "usage"},
		"an unknown flag":      {"start --prot 1 --state " + empty, "", 2, "usage"},
		"a flag without value": {"stop --state", "", 2, "usage"},
		"an unknown command":   {"restart --state " + empty, "", 2, "usage"},
		"no password":          {"start --port 1 --user ci --state " + empty, "", 1, "needs a readable --password-file"},
		"a user with a quote":  {"start --port 1 --user c'i --state " + empty, "", 1, "only letters, digits"},
		"no java":              {"start --port 1 --state " + empty, toolsBut(t, "java", "javac"), 1, "missing on this machine: java javac"},
		"a taken port":         {"start --port " + taken + " --state " + empty, "", 1, "port " + taken + " is taken"},
		"a stop of nothing":    {"stop --state " + empty, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "a taken port" {
				needHudson(t)
			}
			cmd := exec.Command(script, strings.Fields(c.args)...)
			if c.path != "" {
				cmd.Env = []string{"HOME=" + os.Getenv("HOME"), "PATH=" + c.path}
			}
			output, _ := cmd.CombinedOutput()
			assert.Equal(t, c.code, cmd.ProcessState.ExitCode(), string(output))
			assert.Contains(t, string(output), c.want)
		})
	}
}

// toolsBut is a PATH with what the script uses, and without some of it.
func toolsBut(t *testing.T, missing ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"bash", "curl", "jar", "java", "javac", "mvn", "setsid", "sha256sum"} {
		if slices.Contains(missing, tool) {
			continue
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\n"), 0o700))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "bash")))
	require.NoError(t, os.Symlink("/bin/bash", filepath.Join(dir, "bash")))
	return dir
}
