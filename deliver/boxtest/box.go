// Package boxtest boots Debian machines for tests: each with an init, a network
// and a file system of its own, and an unprivileged user who may be given sudo.
package boxtest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/sshdtest"
)

// User is the unprivileged user of every box. Its home is /home/deploy; /srv/app is its own.
const User = "deploy"

// Binary is where the test's own binary lies in a box.
const Binary = "/usr/local/bin/deliver-test"

// Init is what a box boots.
type Init string

// The inits.
const (
	Systemd Init = "/lib/systemd/systemd"
	OpenRC  Init = "/sbin/openrc-init"
)

// Box is a machine that runs until the test ends. Nothing of it is left, also
// when the test is killed.
type Box struct {
	init int // its pid 1, as this machine sees it
}

//go:embed boot
var boot string

// Start boots a box. What the machine lacks skips the test, or fails it where
// nothing may be skipped.
func Start(t testing.TB, init Init) *Box {
	t.Helper()
	layers := trees(t)
	unshare := sshdtest.Need(t, "unshare", "util-linux")
	sshdtest.Need(t, "systemd-nspawn", "systemd-container")
	sshdtest.Need(t, "nsenter", "util-linux")
	binary, err := os.Executable()
	require.NoError(t, err)
	b := &Box{}
	log, err := os.Create(filepath.Join(t.TempDir(), "boot.log"))
	require.NoError(t, err)
	defer log.Close()
	cmd := exec.Command(unshare, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", boot, "boot", t.TempDir(), layers, binary, string(init))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if !assert.Eventually(t, func() bool { return b.booted(cmd.Process.Pid, init) }, time.Minute, 50*time.Millisecond) {
		said, _ := os.ReadFile(log.Name())
		require.FailNow(t, "the box does not boot", string(said))
	}
	return b
}

// trees are the layers of a box's file system.
func trees(t testing.TB) string {
	t.Helper()
	cache := os.Getenv("LAB_CACHE")
	for dir, _ := os.Getwd(); cache == "" && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			cache = filepath.Join(dir, ".cache")
		}
	}
	var layers []string
	for _, name := range []string{"managers", "base"} {
		tree, err := filepath.EvalSymlinks(filepath.Join(cache, name))
		if err == nil {
			_, err = os.Stat(filepath.Join(tree, ".complete"))
		}
		sshdtest.NeedThat(t, os.Geteuid() == 0 && err == nil, "to be root, and the trees of lab/requirements --install test")
		layers = append(layers, tree)
	}
	return strings.Join(layers, ":")
}

// booted finds the box's pid 1 and asks it whether all is started.
func (b *Box) booted(unshare int, init Init) bool {
	for _, nspawn := range children(unshare) {
		for _, pid := range children(nspawn) {
			if isInit(pid) {
				b.init = pid
			}
		}
	}
	if b.init == 0 {
		return false
	}
	question := "systemctl is-active --quiet multi-user.target"
	if init == OpenRC {
		question = "grep -q default /run/openrc/softlevel"
	}
	_, err := b.Try("root", question)
	return err == nil
}

// children are the processes that pid started.
func children(pid int) []int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	var found []int
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			found = append(found, child)
		}
	}
	return found
}

// isInit says whether a process is pid 1 of the innermost namespace.
func isInit(pid int) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(ids)
			return len(fields) == 3 && fields[2] == "1"
		}
	}
	return false
}

// Command is one that runs in the box as a user, in that user's home, with
// nothing but the usual in its environment, as after a login.
func (b *Box) Command(user string, argv ...string) *exec.Cmd {
	args := append([]string{"--target", strconv.Itoa(b.init), "--all", "--", "runuser", "-u", user, "--", "env", "-i"}, environment(user)...)
	cmd := exec.Command("nsenter", append(args, argv...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

func environment(user string) []string {
	home, path := "/home/"+user, "/usr/local/bin:/usr/bin:/bin"
	if user == "root" {
		home, path = "/root", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return []string{"-C", home, "HOME=" + home, "PATH=" + path, "USER=" + user, "LOGNAME=" + user}
}

// Try runs a shell script in the box and returns what it prints.
func (b *Box) Try(user, script string) (string, error) {
	out, err := b.Command(user, "sh", "-c", script).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Run is Try for a script that must succeed.
func (b *Box) Run(t testing.TB, user, script string) string {
	t.Helper()
	out, err := b.Try(user, script)
	require.NoError(t, err, "%s: %s", script, out)
	return out
}

// Write writes a file of root's in the box, with the directories above it.
func (b *Box) Write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	cmd := b.Command("root", "sh", "-c", `mkdir -p "$(dirname "$1")" && cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"`,
		"write", path, fmt.Sprintf("%o", mode))
	cmd.Stdin = strings.NewReader(content)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", path, out)
}

// Sudoers lets the unprivileged user do what the lines say, and no more.
func (b *Box) Sudoers(t testing.TB, lines ...string) {
	t.Helper()
	b.Write(t, "/etc/sudoers.d/deploy", strings.Join(lines, "\n")+"\n", 0o440)
	b.Run(t, "root", "visudo -c -f /etc/sudoers.d/deploy")
}
