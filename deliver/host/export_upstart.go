package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const upstartJobs = "/etc/init"

func (upstart) name() string { return managerUpstart }

// usable wants root: a job of /etc/init may run as anybody, so who may write
// one is root already.
func (upstart) usable() error {
	if os.Geteuid() != 0 {
		return &Error{
			Kind:    KindService,
			Message: fmt.Sprintf("%s may not write jobs to %s", userName(), upstartJobs),
			Hint:    "let HOSTS be root@NAME: the processes run as APP_USER all the same",
		}
	}
	_, err := findTool("initctl", "")
	return err
}

// layout is a job for the app, and one for each process that starts and stops with it.
func (upstart) layout(e export) ([]string, []unitFile) {
	job := func(name, text string) unitFile {
		return unitFile{filepath.Join(upstartJobs, name+".conf"), "# " + e.mark + "\n" + text, 0o644}
	}
	files := []unitFile{job(e.app, "start on runlevel [2345]\nstop on runlevel [!2345]\n")}
	var units []string
	for _, p := range e.processes {
		unit := fmt.Sprintf("%s-%s-%d", e.app, p.Type, p.Number)
		units = append(units, unit)
		text := fmt.Sprintf("start on starting %s\nstop on stopping %[1]s\nrespawn\n", e.app)
		if e.user != "" {
			text += "setuid " + e.user + "\n"
		}
		files = append(files, job(unit, text+"exec "+shellWord(e.script(p))+"\n"))
	}
	return units, files
}

func (upstart) arrange(context.Context, export, []string) error { return nil }

func (upstart) drop(ctx context.Context, unit string) error {
	t, err := findTool("initctl", "")
	if err != nil {
		return err
	}
	output, err := t.do(ctx, "stop", unit)
	if err != nil && !strings.Contains(output, "Unknown") {
		return t.failed("stop "+unit, output, err)
	}
	return nil
}

// restartAll restarts the app's job, and Upstart the others with it.
func (u upstart) restartAll(ctx context.Context, e export, _ []string) error {
	return u.restart(ctx, e.app)
}
