package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// runit asks and tells the runsv of a service directory.
type runit struct{ own runitPlace } // own is set for what was exported

func (r runit) look(ctx context.Context, name string) (sighting, error) {
	seen := sighting{ServiceState: ServiceState{Manager: managerRunit, Detail: "no such service directory"}}
	t, err := findTool("sv", "")
	if err != nil {
		return seen, err
	}
	dir, ok := r.dir(name)
	if !ok {
		return seen, nil
	}
	output, err := t.hear(ctx, "status", dir)
	if err != nil {
		seen.Known, seen.Detail = true, lastLines(output, 1)
		return seen, err
	}
	return parseSv(output), nil
}

func (r runit) restart(ctx context.Context, name string) error {
	t, err := findTool("sv", "")
	if err != nil {
		return err
	}
	before, err := r.look(ctx, name)
	dir, ok := r.dir(name)
	if !ok {
		return unknown(before, name)
	}
	if err != nil && !isRefusal(err) {
		return err
	}
	// The command is always the same, so that a line of sudoers can allow it.
	output, err := t.do(ctx, "restart", dir)
	if err != nil && !strings.HasPrefix(output, "timeout:") {
		return t.failed("restart "+dir, output, err)
	}
	return r.awaitNext(ctx, name, before.PID)
}

const (
	// stopPatience is how long a service may take to stop; sv's own seven
	// seconds are few for one that finishes its requests.
	stopPatience = time.Minute
	// startPatience is more than the second that runsv waits before it starts
	// again what had just begun.
	startPatience = 3 * time.Second
)

// awaitNext waits until another process than pid runs: sv counts in whole
// seconds, and takes a process that has just begun for the next one. A service
// that does not stay up is left to Check.
func (r runit) awaitNext(ctx context.Context, name string, pid int) error {
	stopping, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	var starting <-chan time.Time
	for {
		seen, err := r.look(ctx, name)
		// A process that runsv had just started by itself may be the one that was
		// told to end.
		if err != nil || (seen.Running && seen.PID != pid && !strings.Contains(seen.Detail, "got TERM")) {
			return nil
		}
		if !seen.Running && starting == nil {
			starting = time.After(startPatience)
		}
		select {
		case <-starting:
			return nil
		case <-stopping.Done():
			return &Error{Kind: KindService, Message: fmt.Sprintf("restart %s: pid %d does not end: %s", name, pid, seen.Detail)}
		case <-again.C:
		}
	}
}

// dir is the service directory of name.
func (r runit) dir(name string) (string, bool) {
	places := []string{"/etc/service", "/service", "/var/service"}
	if dir := os.Getenv("SVDIR"); dir != "" {
		places = []string{dir}
	}
	if r.own.services != "" {
		places = []string{r.own.services}
	}
	for _, place := range places {
		dir := filepath.Join(place, name)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, true
		}
	}
	return "", false
}

var svPID = regexp.MustCompile(`\(pid (\d+)\)`)

// parseSv reads what sv status prints.
func parseSv(output string) sighting {
	// A service's own state comes before that of its logger.
	own, _, _ := strings.Cut(strings.TrimSpace(output), "; ")
	seen := sighting{ServiceState: ServiceState{Manager: managerRunit, Known: true, Detail: own}}
	word, _, _ := strings.Cut(own, ":")
	switch word {
	case "run":
		seen.Running = true
		if m := svPID.FindStringSubmatch(own); m != nil {
			seen.PID, _ = strconv.Atoi(m[1])
		}
	case "down":
		if strings.Contains(own, "want up") {
			seen.failing = own
		} else {
			seen.ended = own
		}
	case "finish":
	default:
		seen.ended = fmt.Sprintf("runsv does not run: %s", lastLines(own, 1))
	}
	return seen
}
