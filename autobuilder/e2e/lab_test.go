package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

// demoTime bounds one call of the demo.
const demoTime = 8 * time.Minute

// lab is a demo of its own: state, subnet and ports that no other lab has.
type lab struct {
	t     *testing.T
	home  string // the scripts
	dir   string // its state, $LAB
	net   string // the first three numbers of its addresses
	page  string
	front string // HAProxy
	ci    string // Jenkins
	env   []string
	shape shape
}

// shape is what labs differ in.
type shape struct {
	jenkins string // embedded or hudson
	kind    string // of servers: namespaces or loopback
}

// newLab is a lab that is not up yet. What is left of it at the end is taken away.
func newLab(t *testing.T, s shape) *lab {
	t.Helper()
	home, err := filepath.Abs("../../lab")
	require.NoError(t, err)
	work, err := os.MkdirTemp("", "e2e") // t.TempDir's names are too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(work)) })
	l := &lab{t: t, home: home, dir: filepath.Join(work, "lab"), net: freeSubnet(t), shape: s}
	page, front, ci, servers := freePort(t), freePort(t), freePort(t), freePorts(t)
	l.page, l.front, l.ci = at(page), at(front), at(ci)
	l.env = append(withoutGit(os.Environ()),
		"LAB="+l.dir, "LAB_NET="+l.net, "LAB_BIN="+filepath.Join(work, "bin"), "JENKINS="+s.jenkins, "LAB_KIND="+s.kind,
		"PAGE_PORT="+page, "BALANCER_PORT="+front, "JENKINS_PORT="+ci, "STORE_PORT="+freePort(t),
		"SSH_PORTS="+strconv.Itoa(servers), "APP_PORTS="+strconv.Itoa(servers+10))
	l.needs()
	t.Cleanup(l.takeAway)
	return l
}

// withoutGit leaves out what a git hook or a CI would make git look at.
func withoutGit(env []string) []string {
	var kept []string
	for _, variable := range env {
		if !strings.HasPrefix(variable, "GIT_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

func at(port string) string { return "http://127.0.0.1:" + port }

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // nobody was served
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// freePorts is the first of twenty that follow each other and are free.
func freePorts(t *testing.T) int {
	t.Helper()
	for first := 21000; first < 29000; first += 20 {
		if allFree(t, first, first+20) {
			return first
		}
	}
	require.Fail(t, "no twenty ports from 21000 to 29000 are free")
	return 0
}

func allFree(t *testing.T, from, to int) bool {
	t.Helper()
	for port := from; port < to; port++ {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", at(strconv.Itoa(port))[len("http://"):])
		if err != nil {
			return false
		}
		require.NoError(t, listener.Close())
	}
	return true
}

// freeSubnet is one that no interface of this machine has an address in.
func freeSubnet(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for third := range 256 {
		subnet := fmt.Sprintf("10.88.%d", third)
		taken := false
		for _, address := range addresses {
			taken = taken || strings.HasPrefix(address.String(), subnet+".")
		}
		if !taken {
			return subnet
		}
	}
	require.Fail(t, "all of 10.88.0.0/16 is taken on this machine")
	return ""
}

// needs skips the test where the machine lacks something, but not in CI.
func (l *lab) needs() {
	l.t.Helper()
	if out, err := l.command(l.t.Context(), filepath.Join(l.home, "requirements"), "demo").CombinedOutput(); err != nil {
		labtest.Lacks(l.t, strings.TrimSpace(string(out)))
	}
}

// binaries builds both programs where the lab finds them first.
func (l *lab) binaries() {
	l.t.Helper()
	bin, top := filepath.Join(filepath.Dir(l.dir), "bin"), filepath.Dir(l.home)
	l.build(top, filepath.Join(top, "deliver", "build"), filepath.Join(bin, "deliver"))
	l.build(filepath.Join(top, "autobuilder"), "go", "build", "-trimpath", "-o", filepath.Join(bin, "autobuilder"), "./cmd/autobuilder")
}

func (l *lab) build(dir, name string, args ...string) {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(l.t, err, "%s %v: %s", name, args, out)
}

func (l *lab) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = l.env
	return cmd
}

// demo runs steps of the demo, and shows what they say.
func (l *lab) demo(steps ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), demoTime)
	defer cancel()
	out, err := l.command(ctx, filepath.Join(l.home, "demo"), steps...).CombinedOutput()
	l.t.Logf("demo %s:\n%s", strings.Join(steps, " "), out)
	require.NoError(l.t, err, "demo %v", steps)
	return string(out)
}

// run is what a command says, which has to succeed.
func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	cmd := l.command(l.t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(l.t, err, "%s %v: %s%s", name, args, out, &stderr)
	return strings.TrimSpace(string(out))
}

// script runs one of the lab's scripts.
func (l *lab) script(name string, args ...string) string {
	l.t.Helper()
	return l.run(filepath.Join(l.home, name), args...)
}

// on runs a command on a server, over its sshd.
func (l *lab) on(host, command string) string {
	l.t.Helper()
	return l.run("ssh", "-F", filepath.Join(l.dir, "ssh_config"), host, command)
}

// program runs a program of ours.
func (l *lab) program(name string, args ...string) string {
	l.t.Helper()
	return l.run(filepath.Join(filepath.Dir(l.dir), "bin", name), args...)
}

// s3 asks the store with s3cmd.
func (l *lab) s3(args ...string) string {
	l.t.Helper()
	return l.run("s3cmd", append([]string{"--no-progress", "-c", filepath.Join(l.dir, "store", "s3cfg")}, args...)...)
}

// servers are the names of those that run.
func (l *lab) servers() []string {
	l.t.Helper()
	return strings.Fields(l.script("servers", "hosts"))
}

// get is what an address answers.
func (l *lab) get(url string) (int, string) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, url, nil)
	require.NoError(l.t, err)
	response, err := http.DefaultClient.Do(req)
	require.NoError(l.t, err)
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	require.NoError(l.t, err)
	return response.StatusCode, string(body)
}

// takeAway ends the lab, whatever state it is in.
func (l *lab) takeAway() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := l.command(ctx, filepath.Join(l.home, "demo"), "down").CombinedOutput()
	require.NoError(l.t, err, "demo down: %s", out)
	require.Empty(l.t, l.leftovers())
}

// leftovers is all that there still is of the lab on this machine.
func (l *lab) leftovers() []string {
	var left []string
	if _, err := os.Stat(l.dir); !errors.Is(err, os.ErrNotExist) {
		left = append(left, "file "+l.dir)
	}
	return append(append(append(left, l.processes()...), l.mounts()...), l.links()...)
}

// processes are those of the lab: with its state in their environment, their
// arguments or as their root.
func (l *lab) processes() []string {
	var found []string
	dirs, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(l.t, err)
	for _, dir := range dirs {
		environ, _ := os.ReadFile(filepath.Join(dir, "environ")) // it may have ended meanwhile
		arguments, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		root, _ := os.Readlink(filepath.Join(dir, "root"))
		if bytes.Contains(environ, []byte(l.dir)) || bytes.Contains(arguments, []byte(l.dir)) || strings.HasPrefix(root, l.dir) {
			found = append(found, "process "+filepath.Base(dir)+" "+strings.ReplaceAll(string(arguments), "\x00", " "))
		}
	}
	return found
}

func (l *lab) mounts() []string {
	table, err := os.ReadFile("/proc/self/mounts")
	require.NoError(l.t, err)
	var found []string
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, l.dir) || strings.Contains(line, l.name()) {
			found = append(found, "mount "+strings.TrimSpace(line))
		}
	}
	return found
}

// links are the lab's network interfaces and namespaces.
func (l *lab) links() []string {
	var found []string
	for _, pattern := range []string{"/sys/class/net/", "/run/netns/"} {
		paths, err := filepath.Glob(pattern + l.name() + "*")
		require.NoError(l.t, err)
		found = append(found, paths...)
	}
	return found
}

// name is what the lab's interfaces and namespaces begin with.
func (l *lab) name() string { return "dlv" + strings.ReplaceAll(l.net, ".", "") }
