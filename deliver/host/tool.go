package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tool is a service manager's command.
type tool struct {
	path string
	dir  string // where it runs, empty: anywhere
	// first are arguments before all others, env is added to the environment.
	first []string
	env   map[string]string
}

func findTool(name, dir string) (tool, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/sbin", "/usr/sbin", "/usr/local/sbin"} { // which the PATH of few users has
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return tool{}, &Error{Kind: KindService, Message: fmt.Sprintf("%s is not on this server", name), Hint: "install it, or set SUPERVISOR to what is there"}
	}
	return tool{path: path, dir: dir}, nil
}

// do runs the tool; where this user may not, by sudo.
func (t tool) do(ctx context.Context, args ...string) (string, error) {
	args = append(slices.Clone(t.first), args...)
	output, err := t.run(ctx, t.path, args...)
	if os.Geteuid() == 0 || !refused(output) {
		return output, err
	}
	sudo, lookErr := exec.LookPath("sudo")
	if lookErr != nil {
		return output, t.mayNot(output, args)
	}
	output, err = t.run(ctx, sudo, append([]string{"-n", "--", t.path}, args...)...)
	if err != nil && sudoRefused(output) {
		return output, t.mayNot(output, args)
	}
	return output, err
}

// hear is do for a tool whose output counts and not its exit status, which is
// that of the service: it fails only when the tool had no say.
func (t tool) hear(ctx context.Context, args ...string) (string, error) {
	output, err := t.do(ctx, args...)
	switch {
	case isRefusal(err):
		return output, err
	case err != nil && (ctx.Err() != nil || output == ""):
		return output, t.failed("ask for the service", output, err)
	}
	return output, nil
}

func (t tool) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := newCommand(ctx, t.dir, name, args...)
	cmd.Env = append(environment(map[string]string{"LC_ALL": "C", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0", "SVWAIT": "1"}), settings(t.env)...)
	return run(ctx, cmd)
}

// refused says whether a tool's output is that of one who may not.
func refused(output string) bool {
	return hasAny(output, "authentication", "access denied", "permission denied", "not authorized", "must be root",
		"superuser access", "rejected send message", "unable to connect to system bus")
}

// sudoRefused says whether it was sudo that failed, and not what it ran. Sudo
// has words for many other things that are no reason to stop.
func sudoRefused(output string) bool {
	return hasAny(output, "password is required", "not allowed to", "may not run sudo", "not in the sudoers",
		"terminal is required", "must have a tty", "no new privileges")
}

func hasAny(output string, words ...string) bool {
	output = strings.ToLower(output)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(output, w) })
}

func (t tool) mayNot(output string, args []string) error {
	line := strings.Join(append([]string{t.path}, args...), " ")
	return refusal{&Error{
		Kind:    KindService,
		Message: fmt.Sprintf("%s may not run %q: %s", userName(), line, lastLines(output, 1)),
		Hint:    fmt.Sprintf("as root on the server, add to sudoers: %s ALL=(root) NOPASSWD: %s", userName(), line),
	}}
}

// refusal is the error of a tool that this user may not use so.
type refusal struct{ why *Error }

// Error is that of the *Error in it.
func (r refusal) Error() string { return r.why.Error() }

// Unwrap gives the *Error.
func (r refusal) Unwrap() error { return r.why }

func isRefusal(err error) bool {
	var r refusal
	return errors.As(err, &r)
}

// failed is the error of a tool that did run. A refusal stays one: it says that
// nothing was done.
func (t tool) failed(doing, output string, err error) error {
	if isRefusal(err) {
		return err
	}
	if known := asError(err); known.Kind != KindFailed {
		return known
	}
	return &Error{Kind: KindService, Message: fmt.Sprintf("%s: %v: %s", doing, err, lastLines(output, 5))}
}
