package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// tool is a service manager's command.
type tool struct {
	path string
	dir  string // where it runs, empty: anywhere
}

func findTool(name, dir string) (tool, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return tool{}, &Error{Kind: KindService, Message: fmt.Sprintf("%s is not on this server", name), Hint: "install it, or set SUPERVISOR to what is there"}
	}
	return tool{path: path, dir: dir}, nil
}

// do runs the tool; where this user may not, by sudo.
func (t tool) do(ctx context.Context, args ...string) (string, error) {
	output, err := t.run(ctx, t.path, args...)
	if os.Geteuid() == 0 || !refused(output) {
		return output, err
	}
	sudo, lookErr := exec.LookPath("sudo")
	if lookErr != nil {
		return output, t.mayNot(output, args)
	}
	output, err = t.run(ctx, sudo, append([]string{"-n", "--", t.path}, args...)...)
	if err != nil && (strings.HasPrefix(output, "sudo:") || strings.HasPrefix(output, "Sorry,")) {
		return output, t.mayNot(output, args)
	}
	return output, err
}

func (t tool) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := newCommand(ctx, t.dir, name, args...)
	cmd.Env = environment(map[string]string{"LC_ALL": "C", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"})
	return run(ctx, cmd)
}

// refused says whether a tool's output is that of one who may not.
func refused(output string) bool {
	output = strings.ToLower(output)
	for _, words := range []string{"authentication", "access denied", "permission denied", "not authorized", "must be root"} {
		if strings.Contains(output, words) {
			return true
		}
	}
	return false
}

func (t tool) mayNot(output string, args []string) error {
	line := strings.Join(append([]string{t.path}, args...), " ")
	return &Error{
		Kind:    KindService,
		Message: fmt.Sprintf("%s may not run %q: %s", userName(), line, lastLines(output, 1)),
		Hint:    fmt.Sprintf("as root on the server, add to sudoers: %s ALL=(root) NOPASSWD: %s", userName(), line),
	}
}

// failed is the error of a tool that did run.
func (t tool) failed(doing, output string, err error) error {
	if known := asError(err); known.Kind != KindFailed {
		return known
	}
	return &Error{Kind: KindService, Message: fmt.Sprintf("%s: %v: %s", doing, err, lastLines(output, 5))}
}
