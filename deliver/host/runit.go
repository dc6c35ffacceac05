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
type runit struct{}

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
	// sv exits with the state of the service, so its output counts and not its status.
	output, err := t.do(ctx, "status", dir)
	if isRefusal(err) {
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
	dir, ok := r.dir(name)
	if !ok {
		return noManagerKnows(name)
	}
	before, _ := r.look(ctx, name)
	output, err := t.do(ctx, "-w", strconv.Itoa(svPatience(ctx)), "restart", dir)
	if err != nil {
		return t.failed("restart "+dir, output, err)
	}
	return r.awaitOther(ctx, name, before.PID)
}

// awaitOther waits until the process is not pid any more: sv counts in whole
// seconds, and takes a process that has just begun for the new one.
func (r runit) awaitOther(ctx context.Context, name string, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(svPatience(ctx))*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		seen, err := r.look(ctx, name)
		if err != nil || pid == 0 || seen.PID != pid {
			return nil // what cannot be seen is left to Check
		}
		select {
		case <-ctx.Done():
			return &Error{Kind: KindService, Message: fmt.Sprintf("restart %s: pid %d does not end: %s", name, pid, seen.Detail)}
		case <-again.C:
		}
	}
}

// svPatience is how many seconds sv may wait: its own seven are few for a
// service that finishes its requests.
func svPatience(ctx context.Context) int {
	const most = 60
	deadline, ok := ctx.Deadline()
	if !ok {
		return most
	}
	return max(1, min(most, int(time.Until(deadline)/time.Second)-1))
}

// dir is the service directory of name.
func (runit) dir(name string) (string, bool) {
	places := []string{"/etc/service", "/service", "/var/service"}
	if dir := os.Getenv("SVDIR"); dir != "" {
		places = []string{dir}
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
		if !strings.Contains(own, "want up") {
			seen.ended = own
		}
	case "finish":
	default:
		seen.ended = fmt.Sprintf("runsv does not run: %s", lastLines(own, 1))
	}
	return seen
}
