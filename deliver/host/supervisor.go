package host

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// supervisor asks and tells a supervisord. supervisorctl runs in dir, the
// app's root, so that a supervisord.conf there is the first that it finds;
// after it come those of the system.
type supervisor struct{ dir string }

func (s supervisor) look(ctx context.Context, name string) (sighting, error) {
	_, seen, err := s.find(ctx, name)
	return seen, err
}

// find looks for a program, then for a group.
func (s supervisor) find(ctx context.Context, name string) (target string, seen sighting, err error) {
	t, err := findTool("supervisorctl", nearest(s.dir))
	if err != nil {
		return "", sighting{}, err
	}
	for _, target := range []string{name, name + ":*"} {
		// The exit status is not 0 when a program does not run.
		output, err := t.do(ctx, "status", target)
		if known := asError(err); err != nil && known.Kind == KindService {
			return "", sighting{}, known
		}
		if seen = parseStatus(output); seen.Known {
			return target, seen, nil
		}
	}
	return name, seen, nil
}

func (s supervisor) restart(ctx context.Context, name string) error {
	t, err := findTool("supervisorctl", nearest(s.dir))
	if err != nil {
		return err
	}
	output, err := t.do(ctx, "reread")
	if err != nil {
		return t.failed("reread supervisor's config", output, err)
	}
	if changed(output, name) {
		output, err = t.do(ctx, "update", name) // starts it anew, too
	} else {
		output, err = s.restartAsIs(ctx, t, name)
	}
	if err == nil && strings.Contains(output, "ERROR (spawn error)") {
		err = errors.New("it did not start")
	}
	if err != nil {
		return t.failed("restart "+name, output, err)
	}
	return nil
}

func (s supervisor) restartAsIs(ctx context.Context, t tool, name string) (string, error) {
	target, seen, err := s.find(ctx, name)
	if err != nil {
		return "", err
	}
	if !seen.Known {
		return "", noManagerKnows(name)
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

var statusLine = regexp.MustCompile(`^\S+\s+(RUNNING|STARTING|STOPPED|STOPPING|BACKOFF|EXITED|FATAL|UNKNOWN)\b\s*(?:pid (\d+))?`)

// parseStatus reads what supervisorctl status prints. A group runs when all of
// its processes do, and fails when one of them does.
func parseStatus(output string) sighting {
	seen := sighting{ServiceState: ServiceState{Manager: managerSupervisor, Running: true, Detail: lastLines(output, 2)}}
	for line := range strings.Lines(output) {
		m := statusLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		seen.Known = true
		seen.take(m[1], strings.Join(strings.Fields(line), " "))
		if pid, _ := strconv.Atoi(m[2]); seen.PID == 0 {
			seen.PID = pid
		}
	}
	seen.Running = seen.Running && seen.Known
	return seen
}

// take counts in one process of the service.
func (s *sighting) take(state, line string) {
	switch state {
	case "RUNNING":
		return
	case "BACKOFF":
		s.failing = line
	case "STOPPED", "EXITED", "FATAL", "UNKNOWN":
		s.ended = line
	}
	s.Running = false
	s.Detail = line
}
