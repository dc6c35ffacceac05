package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// openrc asks and tells OpenRC of a service script in /etc/init.d.
type openrc struct{}

// openrcState is where OpenRC keeps what it knows of services, readable for all.
const openrcState = "/run/openrc"

func (o openrc) look(ctx context.Context, name string) (sighting, error) {
	seen, stale, err := o.see(ctx, name)
	seen.stale = stale
	return seen, err
}

// see also says whether OpenRC takes a process that is gone for a running one:
// then it can neither stop nor start the service.
func (o openrc) see(ctx context.Context, name string) (seen sighting, stale bool, err error) {
	seen.Manager = managerOpenRC
	t, err := o.tool()
	if err != nil {
		return seen, false, err
	}
	output, err := t.do(ctx, name, "status")
	var exit *exec.ExitError
	switch {
	case isRefusal(err):
		return seen, false, err
	case err != nil && !errors.As(err, &exit):
		return seen, false, t.failed("ask OpenRC for "+name, output, err)
	}
	seen = parseRCStatus(output, err == nil)
	if seen.Running {
		stale = seen.takeProcess(readDaemon(filepath.Join(openrcState, "options", name)))
	}
	return seen, stale, nil
}

func (o openrc) restart(ctx context.Context, name string) error {
	seen, stale, err := o.see(ctx, name)
	if err != nil {
		return err
	}
	if !seen.Known {
		return unknown(seen, name)
	}
	t, err := o.tool()
	if err != nil {
		return err
	}
	if stale {
		if output, err := t.do(ctx, name, "zap"); err != nil {
			return t.failed("forget the process of "+name+" that is gone", output, err)
		}
	}
	output, err := t.do(ctx, name, "restart")
	if err != nil {
		return t.failed("restart "+name, output, err)
	}
	return nil
}

func (openrc) tool() (tool, error) {
	if _, err := os.Stat(openrcState); err != nil {
		return tool{}, &Error{Kind: KindService, Message: "this server does not run OpenRC", Hint: "set SUPERVISOR to what it runs"}
	}
	return findTool("rc-service", "")
}

var rcStatus = regexp.MustCompile(`status: (\w+)`)

// parseRCStatus reads what rc-service status prints. A service may have a
// status of its own making, of which only the exit status counts.
func parseRCStatus(output string, good bool) sighting {
	seen := sighting{ServiceState: ServiceState{Manager: managerOpenRC, Known: true, Running: good, Detail: lastLines(output, 1)}}
	if strings.Contains(output, "does not exist") {
		seen.Known, seen.Running = false, false
		return seen
	}
	state := ""
	if m := rcStatus.FindStringSubmatch(output); m != nil {
		state, seen.Detail = m[1], m[1]
		seen.Running = state == "started"
	}
	switch {
	case seen.Running, state == "starting", state == "stopping":
	default:
		seen.ended = seen.Detail
	}
	return seen
}

// daemon is what OpenRC knows of a service's process.
type daemon struct {
	pid        int
	alive      bool
	supervised bool // supervise-daemon starts it anew when it ends
	started    int  // how often it did
}

func readDaemon(options string) daemon {
	d := daemon{pid: readNumber(filepath.Join(options, "child_pid")), started: readNumber(filepath.Join(options, "start_count"))}
	d.supervised = d.pid != 0
	if pidfile, err := os.ReadFile(filepath.Join(options, "pidfile")); err == nil && !d.supervised {
		d.pid = readNumber(strings.TrimSpace(string(pidfile)))
	}
	if d.pid != 0 {
		_, err := os.Stat(process(d.pid).path(""))
		d.alive = err == nil
	}
	return d
}

// readNumber is the number in a file, 0 without one.
func readNumber(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text))) // what is no number is not known
	return n
}

// takeProcess completes what a running service's status says with its
// process; OpenRC itself does not notice when one ends that nothing supervises.
func (s *sighting) takeProcess(d daemon) (stale bool) {
	s.PID, s.restarts = d.pid, d.started
	if d.pid == 0 || d.alive {
		return false
	}
	s.Running, s.PID = false, 0
	s.Detail = fmt.Sprintf("%s, but pid %d has ended", s.Detail, d.pid)
	if d.supervised {
		s.failing = s.Detail
		return false
	}
	s.ended = s.Detail
	return true
}
