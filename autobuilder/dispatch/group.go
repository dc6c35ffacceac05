package dispatch

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// inOwnGroup lets the end of the command's context end also what git itself
// started: ssh, or a helper for http.
func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		return unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	}
}
