package host

import (
	"context"
	"regexp"
	"strconv"
	"strings"
)

// upstart asks and tells Upstart of a job in /etc/init.
type upstart struct{}

func (u upstart) look(ctx context.Context, name string) (sighting, error) {
	t, err := findTool("initctl", "")
	if err != nil {
		return sighting{ServiceState: ServiceState{Manager: managerUpstart}}, err
	}
	output, err := t.hear(ctx, "status", name)
	if err != nil {
		return sighting{ServiceState: ServiceState{Manager: managerUpstart}}, err
	}
	return parseInitctl(output), nil
}

// restart stops and starts: Upstart's own restart starts the job as its file
// was when it started last. A job that does not run is one of unknown instance.
func (u upstart) restart(ctx context.Context, name string) error {
	t, err := findTool("initctl", "")
	if err != nil {
		return err
	}
	if output, err := t.do(ctx, "reload-configuration"); err != nil {
		return t.failed("reload upstart's jobs", output, err)
	}
	seen, err := u.look(ctx, name)
	if err != nil {
		return err
	}
	if !seen.Known {
		return unknown(seen, name)
	}
	output, err := t.do(ctx, "stop", name)
	if err != nil && !strings.Contains(output, "Unknown instance") {
		return t.failed("stop "+name, output, err)
	}
	output, err = t.do(ctx, "start", name)
	if err != nil && !strings.Contains(output, "already running") {
		return t.failed("start "+name, output, err)
	}
	return nil
}

var jobLine = regexp.MustCompile(`(?m)^\S+(?: \(.*\))? (start|stop)/([a-z-]+)(?:, process (\d+))?`)

// parseInitctl reads what initctl status prints: the goal of a job and how far
// it is on its way there.
func parseInitctl(output string) sighting {
	seen := sighting{ServiceState: ServiceState{Manager: managerUpstart, Detail: lastLines(output, 1)}}
	m := jobLine.FindStringSubmatch(output)
	if m == nil {
		return seen
	}
	seen.Known, seen.Detail = true, m[1]+"/"+m[2]
	seen.Running = seen.Detail == "start/running"
	seen.PID, _ = strconv.Atoi(m[3])
	if seen.Detail == "stop/waiting" {
		seen.ended = seen.Detail
	}
	return seen
}
