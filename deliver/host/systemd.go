package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// systemd asks and tells the system's instance, or this user's own.
type systemd struct{ user bool }

// shownProperties are those that parseShow reads.
const shownProperties = "LoadState,ActiveState,SubState,Result,MainPID,NRestarts,ExecMainCode,ExecMainStatus,NeedDaemonReload"

func (s systemd) look(ctx context.Context, name string) (sighting, error) {
	seen, _, err := s.show(ctx, name)
	return seen, err
}

func (s systemd) show(ctx context.Context, name string) (seen sighting, reload bool, err error) {
	t, err := s.tool()
	if err != nil {
		return sighting{}, false, err
	}
	output, err := t.do(ctx, "show", "--property="+shownProperties, unitName(name))
	if err != nil {
		return sighting{}, false, t.failed("ask systemd for "+name, output, err)
	}
	seen, reload = parseShow(output)
	seen.reload = reload
	return seen, reload, nil
}

func (s systemd) restart(ctx context.Context, name string) error {
	t, err := s.tool()
	if err != nil {
		return err
	}
	seen, reload, err := s.show(ctx, name)
	if err != nil {
		return err
	}
	if !seen.Known {
		return unknown(seen, name)
	}
	if reload {
		if output, err := t.do(ctx, "daemon-reload"); err != nil {
			return t.failed("reload the changed unit "+unitName(name), output, err)
		}
	}
	resetErr := t.resetFailed(ctx, seen, name)
	output, err := t.do(ctx, "restart", unitName(name))
	if err == nil || isRefusal(err) {
		return err
	}
	known := asError(t.failed("restart "+unitName(name), output, err))
	if strings.Contains(output, "a timeout was exceeded") {
		known.Kind, known.Hint = KindSlowStart, lateHint
	}
	if resetErr != nil && known.Hint == "" {
		known.Hint = asError(resetErr).Hint
	}
	return withLog(ctx, name, known)
}

// lateHint is for a unit that was not ready in its own time.
const lateHint = "raise TimeoutStartSec of its unit if it needs longer; does it tell systemd when it is ready?"

// resetFailed lets a unit start that failed too often, which it would refuse.
// Who may not do this may still be able to start it, if it did not.
func (t tool) resetFailed(ctx context.Context, seen sighting, name string) error {
	if seen.ended == "" {
		return nil
	}
	_, err := t.do(ctx, "reset-failed", unitName(name))
	return err
}

func (s systemd) tool() (tool, error) {
	if s.user {
		return userSystemctl()
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return tool{}, &Error{Kind: KindService, Message: "this server does not run systemd", Hint: "set SUPERVISOR to what it runs"}
	}
	return findTool("systemctl", "")
}

// userSystemctl is for the instance of this user, which a login over SSH does not
// always name in its environment.
func userSystemctl() (tool, error) {
	dir := fmt.Sprintf("/run/user/%d", os.Geteuid())
	if _, err := os.Stat(filepath.Join(dir, "systemd")); err != nil {
		return tool{}, &Error{
			Kind:    KindService,
			Message: "no systemd runs for " + userName(),
			Hint:    "as root on the server: loginctl enable-linger " + userName(),
		}
	}
	t, err := findTool("systemctl", "")
	t.first, t.env = []string{"--user"}, map[string]string{"XDG_RUNTIME_DIR": dir}
	return t, err
}

// unitName is the whole name of a unit; one without a type is a service.
func unitName(name string) string {
	switch filepath.Ext(name) {
	case ".service", ".socket", ".target", ".timer", ".path", ".slice", ".scope":
		return name
	}
	return name + ".service"
}

// parseShow reads what systemctl show prints.
func parseShow(output string) (seen sighting, reload bool) {
	said := map[string]string{}
	for line := range strings.Lines(output) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			said[name] = value
		}
	}
	active, sub := said["ActiveState"], said["SubState"]
	seen.Manager = managerSystemd
	seen.Known = said["LoadState"] != "not-found" && said["LoadState"] != ""
	seen.Running = active == "active" || active == "reloading"
	seen.PID, _ = strconv.Atoi(said["MainPID"])
	seen.restarts, _ = strconv.Atoi(said["NRestarts"])
	seen.counts = true
	seen.starting = active == "activating" && sub != autoRestart
	seen.Detail = fmt.Sprintf("%s (%s)", active, sub)
	if !seen.Known {
		seen.Detail = said["LoadState"]
	}
	how, why := ending(said["Result"], said["ExecMainCode"], said["ExecMainStatus"])
	if how != "" && !seen.Running {
		seen.Detail, seen.cause = seen.Detail+", "+how, why
	}
	switch {
	case sub == autoRestart:
		seen.failing = seen.Detail
	case active == "failed" || active == "inactive":
		seen.ended = seen.Detail
	}
	return seen, said["NeedDaemonReload"] == "yes"
}

// autoRestart is the SubState of a unit that ended and is to be started again.
const autoRestart = "auto-restart"

// ending says how a unit's last process ended, and why where that has a name.
func ending(result, code, status string) (how string, why cause) {
	const exited, killed, dumped = "1", "2", "3" // CLD_EXITED and so on, as waitid(2) has them
	switch n, _ := strconv.Atoi(status); {
	case result == "oom-kill":
		return "killed for lack of memory", causeMemory
	case result == "timeout":
		return "it was not ready in time", causeLate
	case code == killed && n == int(unix.SIGKILL):
		return "killed by SIGKILL", causeKilled
	case code == killed:
		return "killed by " + unix.SignalName(syscall.Signal(n)), ""
	case code == dumped:
		return unix.SignalName(syscall.Signal(n)) + ", core dumped", ""
	case code == exited && n == 0 && result == "success":
		return "exit status 0", causeDone
	case code == exited:
		return "exit status " + status, ""
	case result != "success" && result != "":
		return result, ""
	}
	return "", ""
}

// withLog adds the service's last words to err, where this user may read them.
func withLog(ctx context.Context, name string, known *Error) *Error {
	t, lookErr := findTool("journalctl", "")
	if lookErr != nil {
		return known
	}
	output, runErr := t.run(ctx, t.path, "--unit="+unitName(name), "--lines=5", "--output=cat", "--no-pager", "--quiet")
	if runErr == nil && strings.TrimSpace(output) != "" {
		known.Hint = strings.TrimPrefix(known.Hint+"; its log ends: "+lastLines(output, 5), "; ")
	}
	return known
}
