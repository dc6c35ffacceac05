package config

import (
	"context"
	_ "embed" // the scripts beside this file
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The scripts that run around a project's own.
var (
	//go:embed bash/evaluate.sh
	evaluateScript string
	//go:embed bash/library.sh
	libraryScript string
	//go:embed bash/call.sh
	callScript string
)

// grace is how long a stopped script has to clean up, and how long its output
// is read after its end.
const grace = 2 * time.Second

// bash is one bash process with all that it starts.
type bash struct {
	script string
	args   []string
	dir    string
	env    []string
	file   *os.File // fd 3 of the process
	stdout io.Writer
	stderr io.Writer
}

// run runs the script to its end, or to that of ctx; then it ends whatever
// the script left running. Stdin is empty.
func (b bash) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "bash", append([]string{"--noprofile", "--norc", "-c", b.script, "deliver"}, b.args...)...)
	cmd.Dir, cmd.Env = b.dir, withoutShellOptions(b.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if b.file != nil {
		cmd.ExtraFiles = []*os.File{b.file}
	}
	out := &outputs{}
	var err error
	if cmd.Stdout, cmd.Stderr, err = out.open(b.stdout, b.stderr); err != nil {
		return fmt.Errorf("start bash: %w", err)
	}
	defer out.finish()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start bash: %w", err)
	}
	out.closeWriters()
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// withoutShellOptions keeps options of a calling shell out of the scripts:
// POSIXLY_CORRECT and an exported SHELLOPTS change what bash does.
func withoutShellOptions(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return name == "POSIXLY_CORRECT" || name == "SHELLOPTS" || name == "BASHOPTS"
	})
}
