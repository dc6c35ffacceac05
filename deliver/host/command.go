package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"deliver/procfile"
)

// mostOutput is how much of a command's output is kept, from its end.
const mostOutput = 64 << 10

// newCommand is a command that ends with ctx together with all it started:
// first they are asked to, then they are killed. It is in a session of its
// own, so that nothing it runs can ask the terminal for a password.
func newCommand(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// run runs cmd and returns the end of its output.
func run(ctx context.Context, cmd *exec.Cmd) (string, error) {
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return out.String(), fmt.Errorf("it did not end in time: %w", context.Cause(ctx))
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it left a child that holds its output
		err = nil
	}
	return out.String(), err
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// Write takes all of p.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - mostOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// String is what was kept, as valid text.
func (t *tail) String() string { return string(bytes.ToValidUTF8(t.kept, []byte("?"))) }

// lastLines is the end of a tool's output on one line of a message.
func lastLines(output string, n int) string {
	var lines []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return shorten(strings.Join(lines, " | "), 800)
}

// environment is this process's with more set in it.
func environment(more map[string]string) []string {
	return append(os.Environ(), settings(more)...)
}

func settings(values map[string]string) []string {
	var env []string
	for name, value := range values {
		env = append(env, name+"="+value)
	}
	return env
}

// shellWord is a path as one word of sh, and of what splits words as sh does.
func shellWord(path string) string {
	if plainPath.MatchString(path) {
		return path
	}
	return procfile.Quote(path)
}

var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./@+-]+$`)

// appEnvironment is what every command of an app can rely on.
func (l *Local) appEnvironment(id string, more map[string]string) []string {
	env := map[string]string{"APP": l.place.App, "RELEASE": id}
	maps.Copy(env, more)
	env["DELIVER_TO"] = l.root // expanded here, which the caller cannot do
	return environment(env)
}
