package embedded

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// await runs a command in a process group of its own. When ctx ends the group
// gets SIGTERM, and SIGKILL if something of it is still there after the grace.
func (s *Server) await(ctx context.Context, cmd *exec.Cmd, r *run) error {
	// The shell is to die with this process. The kernel sends that signal when
	// the thread ends that started the shell, so the thread is held.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	t := tree{group: cmd.Process.Pid, marks: s.marks(buildTag(r.job.name, r.record.Number), r.record.Number)}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		t.end(s.options.Grace)
	})
	err := cmd.Wait()
	if !stop() {
		<-ended
	}
	return exitError(err)
}

func exitError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return errors.New("exit status " + strconv.Itoa(exit.ExitCode()))
	}
	return err
}

// tree is what a build has started: the group of its shell, and whatever else
// carries the build's marks in its environment. A process that is meant to
// stay after the build changes its BUILD_ID, as with Jenkins.
type tree struct {
	group int // 0: none is known
	marks []string
}

// marks tell the processes of a build from all others on the machine.
func (s *Server) marks(tag string, number int64) []string {
	return []string{"BUILD_TAG=" + tag, "BUILD_ID=" + strconv.FormatInt(number, 10), "JENKINS_HOME=" + s.options.Dir}
}

// killLeftovers ends what a build left in the background.
func (s *Server) killLeftovers(tag string, number int64) {
	tree{marks: s.marks(tag, number)}.end(s.options.Grace)
}

// end asks the processes to go, and kills those that have not gone in time.
func (t tree) end(grace time.Duration) {
	const lastWait = 5 * time.Second
	if t.signal(syscall.SIGTERM) && !t.gone(grace) && t.signal(syscall.SIGKILL) {
		t.gone(lastWait)
	}
}

// signal says whether there was anything to signal.
func (t tree) signal(sig syscall.Signal) bool {
	pids := t.pids()
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig) // gone meanwhile
	}
	return len(pids) > 0
}

// gone waits until nothing is left, no longer than d.
func (t tree) gone(d time.Duration) bool {
	deadline := time.After(d)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(t.pids()) > 0 {
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}

func (t tree) pids() []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var pids []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && t.owns(dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (t tree) owns(dir string) bool {
	state, group, ok := readStat(dir)
	if !ok || state == "Z" {
		return false
	}
	return t.group != 0 && group == t.group || t.marked(dir)
}

func (t tree) marked(dir string) bool {
	env, err := os.ReadFile(filepath.Join(dir, "environ"))
	if err != nil || len(env) == 0 {
		return false
	}
	env = append([]byte{0}, env...)
	for _, mark := range t.marks {
		if !bytes.Contains(env, []byte("\x00"+mark+"\x00")) {
			return false
		}
	}
	return true
}

// readStat reads state and process group; the name before them, in
// parentheses, may hold anything.
func readStat(dir string) (state string, group int, ok bool) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return "", 0, false
	}
	_, after, _ := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), " ")
	fields := strings.Fields(after)
	if len(fields) < 3 {
		return "", 0, false
	}
	group, err = strconv.Atoi(fields[2])
	return fields[0], group, err == nil
}
