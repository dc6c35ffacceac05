package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// runitPlace is where exported services are: runsvdir reads services, which
// links to directories in made.
type runitPlace struct{ services, made string }

// runitServices are root's, or else those of a runsvdir that runs as this user.
func runitServices(root string, system bool) runitPlace {
	if system {
		return runitPlace{services: "/etc/service", made: "/etc/sv"}
	}
	return runitPlace{services: filepath.Join(root, "service"), made: filepath.Join(root, ".deliver", "runit")}
}

func (runit) name() string { return managerRunit }

func (r runit) usable() error {
	if _, err := findTool("sv", ""); err != nil {
		return err
	}
	if info, err := os.Stat(r.own.services); err != nil || !info.IsDir() {
		return &Error{
			Kind:    KindService,
			Message: fmt.Sprintf("there is no directory %s for the Procfile's services", r.own.services),
			Hint:    fmt.Sprintf("make it, and let root's runit run this as a service: exec chpst -u %s runsvdir -P %s (deliver init prints it)", userName(), r.own.services),
		}
	}
	return nil
}

func (r runit) layout(e export) ([]string, []unitFile) {
	user := ""
	if e.user != "" {
		user = "-u " + e.user + " "
	}
	var units []string
	var files []unitFile
	for _, p := range e.processes {
		unit := fmt.Sprintf("%s-%s-%d", e.app, p.Type, p.Number)
		units = append(units, unit)
		for name, script := range map[string]string{
			"run": fmt.Sprintf("exec 2>&1\nexec chpst -P %s%s\n", user, shellWord(e.script(p))),
			// All that the process started ends with it, and not only the process.
			"control/t": `exec kill -TERM -- "-$(cat supervise/pid)"` + "\n",
			"log/run":   "mkdir -p main\nexec svlogd -tt main\n",
		} {
			files = append(files, unitFile{filepath.Join(r.own.made, unit, name), "#!/bin/sh\n# " + e.mark + "\n" + script, 0o755})
		}
	}
	return units, files
}

// arrange links new services, and waits until runsvdir has seen them: it looks
// every five seconds.
func (r runit) arrange(ctx context.Context, _ export, units []string) error {
	for _, unit := range units {
		link := filepath.Join(r.own.services, unit)
		if err := os.Symlink(filepath.Join(r.own.made, unit), link); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("export the processes to runit: %w", err)
		}
	}
	waiting, cancel := context.WithTimeout(ctx, startPatience+stopPatience/2)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for _, unit := range units {
		for !r.taken(waiting, unit) {
			select {
			case <-waiting.Done():
				return &Error{
					Kind:    KindService,
					Message: fmt.Sprintf("no runsvdir takes up the service %s in %s", unit, r.own.services),
					Hint:    "let root's runit run one there as a service (deliver init prints it)",
				}
			case <-again.C:
			}
		}
	}
	return nil
}

func (r runit) taken(ctx context.Context, unit string) bool {
	seen, err := r.look(ctx, unit)
	return err == nil && (seen.Running || seen.failing != "" || seen.ended == "" || seen.PID != 0)
}

func (r runit) drop(ctx context.Context, unit string) error {
	t, err := findTool("sv", "")
	if err != nil {
		return err
	}
	dir := filepath.Join(r.own.made, unit)
	if err := os.Remove(filepath.Join(r.own.services, unit)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take %s from runit: %w", unit, err)
	}
	// Nothing is left to end where no runsv runs.
	if _, err := os.Stat(filepath.Join(dir, "supervise", "ok")); err == nil {
		if output, err := t.do(ctx, "-w", "30", "force-shutdown", dir); err != nil {
			return t.failed("end "+unit, output, err)
		}
	}
	return os.RemoveAll(dir)
}

func (r runit) restartAll(ctx context.Context, _ export, units []string) error {
	for _, unit := range units {
		if err := r.restart(ctx, unit); err != nil {
			return err
		}
	}
	return nil
}
