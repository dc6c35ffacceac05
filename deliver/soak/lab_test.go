package soak

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/sshdtest"
)

// lab is servers behind HAProxy, with state, addresses and ports that no other
// lab has.
type lab struct {
	t       *testing.T
	home    string // the scripts
	dir     string // its state
	work    string
	project string
	front   string // HAProxy's address
	env     []string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	home, err := filepath.Abs("../../lab")
	require.NoError(t, err)
	work, err := os.MkdirTemp("", "soak") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(work) })
	l := &lab{t: t, home: home, work: work, dir: filepath.Join(work, "lab"), project: filepath.Join(work, "project")}
	front := freePort(t)
	l.front = "127.0.0.1:" + front
	l.env = append(os.Environ(), "LAB="+l.dir, "LAB_HOME="+home, "LAB_NET="+freeSubnet(t), "LAB_BIN="+filepath.Join(work, "bin"),
		"LAB_KIND=namespaces", "BALANCER_PORT="+front, "XDG_STATE_HOME="+filepath.Join(work, "state"))
	l.needs()
	t.Cleanup(l.down)
	return l
}

// needs skips the test where the machine lacks something, but not in CI.
func (l *lab) needs() {
	l.t.Helper()
	out, err := l.command(filepath.Join(l.home, "requirements"), "demo").CombinedOutput()
	if err == nil && os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
		require.Fail(l.t, "it needs root, and: "+string(out))
	}
	l.t.Skip("it needs root, and: " + string(out))
}

func (l *lab) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = l.env
	return cmd
}

// script runs one of the lab's scripts, which has to succeed.
func (l *lab) script(name string, args ...string) string {
	l.t.Helper()
	out, err := l.command(filepath.Join(l.home, name), args...).CombinedOutput()
	require.NoError(l.t, err, "%s %v: %s", name, args, out)
	return string(out)
}

// up starts so many servers, HAProxy and a project for them.
func (l *lab) up(servers int) {
	l.t.Helper()
	bin := filepath.Join(l.work, "bin")
	sshdtest.ProgramInto(l.t, bin)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin+"/", "deliver/zoo/animal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(l.t, err, string(out))
	l.env = append(l.env, "SLOTS="+strconv.Itoa(servers))
	l.script("servers", "up", strconv.Itoa(servers))
	l.script("balancer", "up")
	require.NoError(l.t, os.MkdirAll(filepath.Join(l.project, ".deliver"), 0o755))
	config := fmt.Sprintf(settings, hooks(l.t))
	require.NoError(l.t, os.WriteFile(filepath.Join(l.project, ".deliver", "config"), []byte(config), 0o600))
}

// settings are the project's. The balancer of the hooks is this machine.
const settings = `APP=sample
HOSTS="$("$LAB_HOME/servers" hosts)"
APP_USER=deploy
DELIVER_TO=/srv/app
SSH_CONFIG=$LAB/ssh_config
ORDER=rolling
SUPERVISOR=systemd
SERVICE=app
HEALTH_URL=http://127.0.0.1:3000/healthz
HEALTH_DEADLINE=10s
KEEP_RELEASES=2
ssh() { shift; (cd "$LAB/balancer" && bash -c "$*"); }
%s
`

// hooks are those that the manual has for HAProxy, with the lab's names.
func hooks(t *testing.T) string {
	t.Helper()
	manual, err := os.ReadFile("../../docs/deliver.md")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(manual), "```bash\nhaproxy()")
	require.True(t, found, "the manual has hooks for HAProxy")
	block, _, _ := strings.Cut(after, "```")
	return strings.NewReplacer("/run/haproxy.sock", "UNIX-CONNECT:admin.sock", `"web"`, `"app"`, "web/", "app/").Replace("haproxy()" + block)
}

// deliver delivers a release, and returns deliver's exit code.
func (l *lab) deliver(release, bad string) int {
	l.t.Helper()
	cmd := l.command(filepath.Join(l.work, "bin", "deliver"), "push", "--build", l.pack(release, bad), "--release-id", release)
	cmd.Dir = l.project
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(l.t, err)
	}
	code := cmd.ProcessState.ExitCode()
	if (code != delivered) == (bad == "") {
		l.t.Logf("deliver push: exit code %d\n%s", code, out)
	}
	return code
}

// pack makes the build of a release.
func (l *lab) pack(release, bad string) string {
	l.t.Helper()
	path := filepath.Join(l.work, release+".tar")
	file, err := os.Create(path)
	require.NoError(l.t, err)
	defer file.Close()
	animal, err := os.ReadFile(filepath.Join(l.work, "bin", "animal"))
	require.NoError(l.t, err)
	w := tar.NewWriter(file)
	for name, content := range map[string][]byte{
		"animal": animal,
		"app":    fmt.Appendf(nil, "#!/bin/sh\nexec ./animal -listen \":$PORT\" %s\n", bad),
	} {
		require.NoError(l.t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), ModTime: time.Now()}))
		_, err := w.Write(content)
		require.NoError(l.t, err)
	}
	require.NoError(l.t, w.Close())
	return path
}

func (l *lab) haproxyLog() string {
	log, _ := os.ReadFile(filepath.Join(l.dir, "haproxy.log"))
	return string(log)
}

// down takes everything away, whatever state it is in.
func (l *lab) down() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, part := range []string{"balancer", "servers"} {
		cmd := exec.CommandContext(ctx, filepath.Join(l.home, part), "down")
		cmd.Env = l.env
		out, err := cmd.CombinedOutput()
		require.NoError(l.t, err, "%s down: %s", part, out)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// freeSubnet is one that no interface of this machine has an address in.
func freeSubnet(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	var taken []string
	for _, a := range addresses {
		taken = append(taken, a.String())
	}
	for third := range 256 {
		subnet := fmt.Sprintf("10.89.%d", third)
		if !strings.Contains(strings.Join(taken, " ")+" ", subnet+".") {
			return subnet
		}
	}
	require.FailNow(t, "all of 10.89.0.0/16 is taken on this machine")
	return ""
}
