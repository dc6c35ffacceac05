package host

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// supervisor asks and tells a supervisord: the one whose supervisord.conf lies
// in root, the app's, or else the system's.
type supervisor struct{ root string }

// tool is supervisorctl, run where it finds the right config first.
func (s supervisor) tool() (tool, error) {
	if s.trusted() {
		return findTool("supervisorctl", s.root)
	}
	return findTool("supervisorctl", "/")
}

// trusted says whether the app has a config of its own. One that belongs to
// neither root nor this user is not trusted: it can name code to run.
func (s supervisor) trusted() bool {
	var info unix.Stat_t
	err := unix.Stat(filepath.Join(s.root, "supervisord.conf"), &info)
	return err == nil && (info.Uid == 0 || int(info.Uid) == os.Geteuid())
}

func (s supervisor) look(ctx context.Context, name string) (sighting, error) {
	_, seen, err := s.find(ctx, name)
	return seen, err
}

// find looks for a program, then for a group.
func (s supervisor) find(ctx context.Context, name string) (target string, seen sighting, err error) {
	t, err := s.tool()
	if err != nil {
		return "", sighting{}, err
	}
	for _, target := range []string{name, name + ":*"} {
		output, err := t.hear(ctx, "status", target)
		if err != nil {
			return "", sighting{}, err
		}
		if seen = parseStatus(output); seen.Known {
			return target, seen, nil
		}
	}
	return name, seen, nil
}

func (s supervisor) restart(ctx context.Context, name string) error {
	t, err := s.tool()
	if err != nil {
		return err
	}
	output, err := t.do(ctx, "reread")
	if err != nil {
		return t.failed("reread supervisor's config", output, err)
	}
	updated := changed(output, name)
	if updated {
		if output, err = t.do(ctx, "update", name); err != nil {
			return t.failed("update "+name, output, err)
		}
	}
	output, err = s.startAnew(ctx, t, name, updated)
	if err == nil && strings.Contains(output, "ERROR (spawn error)") {
		err = errors.New("it did not start")
	}
	if err != nil {
		return t.failed("restart "+name, output, err)
	}
	return nil
}

// startAnew restarts the service. One that was updated was started by that,
// unless its config has autostart=false.
func (s supervisor) startAnew(ctx context.Context, t tool, name string, updated bool) (string, error) {
	target, seen, err := s.find(ctx, name)
	switch {
	case err != nil:
		return "", err
	case !seen.Known:
		return "", unknown(seen, name)
	case updated && seen.ended == "":
		return "", nil
	}
	return t.do(ctx, "restart", target)
}

// changed says whether reread's output tells of a new config of name.
func changed(output, name string) bool {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == name+": changed" || line == name+": available" {
			return true
		}
	}
	return false
}

var statusLine = regexp.MustCompile(`^(\S+)\s+(RUNNING|STARTING|STOPPED|STOPPING|BACKOFF|EXITED|FATAL|UNKNOWN)\b\s*(?:pid (\d+))?`)

// parseStatus reads what supervisorctl status prints. A group runs when all of
// its processes do, and fails when one of them does.
func parseStatus(output string) sighting {
	seen := sighting{units: pids{}, ServiceState: ServiceState{Manager: managerSupervisor, Running: true, Detail: lastLines(output, 2)}}
	for line := range strings.Lines(output) {
		m := statusLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		seen.Known = true
		seen.take(m[2], strings.Join(strings.Fields(line), " "))
		pid, _ := strconv.Atoi(m[3])
		seen.units[m[1]] = pid
		seen.PID = cmp.Or(seen.PID, pid)
	}
	seen.Running = seen.Running && seen.Known
	return seen
}

// take counts in one process of the service.
func (s *sighting) take(state, line string) {
	switch state {
	case "RUNNING":
		return
	case "STARTING":
		s.starting = true
	case "BACKOFF":
		s.failing = line
	case "EXITED":
		s.ended, s.open = line, true
	case "STOPPED", "FATAL", "UNKNOWN":
		s.ended = line
	}
	s.Running = false
	s.Detail = line
}
