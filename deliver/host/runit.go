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
	return r.awaitNext(ctx, name, before)
}

const (
	// stopPatience is how long a service may take to stop; sv's own seven
	// seconds are few for one that finishes its requests.
	stopPatience = time.Minute
	// startPatience is more than the second that runsv waits before it starts
	// again what had just begun.
	startPatience = 3 * time.Second
)

// awaitNext waits until another process than before runs: sv counts in whole
// seconds, and takes a process that has just begun for the next one. Where
// nothing had run for long before, that may be one which runsv began by itself at this
// moment and is about to end, as it was told: then one is waited for that stays.
// A service that does not stay up is left to Check.
func (r runit) awaitNext(ctx context.Context, name string, before sighting) error {
	stopping, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	next := newcomer{before: before.PID, steady: svUpFor(before.Detail) >= steadyFor}
	var starting <-chan time.Time
	for {
		seen, err := r.look(ctx, name)
		if err != nil || next.is(seen) {
			return nil
		}
		if !seen.Running && starting == nil {
			starting = time.After(startPatience)
		}
		select {
		case <-starting:
			return nil
		case <-stopping.Done():
			return &Error{Kind: KindService, Message: fmt.Sprintf("restart %s: pid %d does not end: %s", name, before.PID, seen.Detail)}
		case <-again.C:
		}
	}
}

const (
	// steadyFor is after how long a process is not one of those that runsv begins
	// again and again.
	steadyFor = 2 * time.Second
	// toldTime is more than runsv takes to do as it was told.
	toldTime = 500 * time.Millisecond
)

// newcomer is the process that is to follow one.
type newcomer struct {
	before int
	steady bool // that one had run for long
	pid    int  // the latest that was seen instead
	since  time.Time
}

// is says whether the newcomer was seen.
func (n *newcomer) is(seen sighting) bool {
	if !seen.Running || seen.PID == n.before || strings.Contains(seen.Detail, "got TERM") {
		return false
	}
	if n.pid != seen.PID {
		n.pid, n.since = seen.PID, time.Now()
	}
	return n.steady || time.Since(n.since) >= toldTime
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

var (
	svPID  = regexp.MustCompile(`\(pid (\d+)\)`)
	svTime = regexp.MustCompile(`\(pid \d+\) (\d+)s`)
)

// svUpFor is for how long the process has run, 0 where none does.
func svUpFor(status string) time.Duration {
	m := svTime.FindStringSubmatch(status)
	if m == nil {
		return 0
	}
	seconds, _ := strconv.Atoi(m[1])
	return time.Duration(seconds) * time.Second
}

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
