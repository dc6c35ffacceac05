package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func (systemd) name() string { return managerSystemd }

func (s systemd) usable() error {
	_, err := s.tool()
	return err
}

// place is where the manager reads units from: root's are the system's, those
// of another user belong to that user's own instance.
func (s systemd) place() (dir, boot string) {
	if !s.user {
		return "/etc/systemd/system", "multi-user.target"
	}
	home, err := os.UserConfigDir()
	if err != nil {
		home = "/" // usable has told of it: there is no such instance
	}
	return filepath.Join(home, "systemd", "user"), "default.target"
}

func (s systemd) layout(e export) ([]string, []unitFile) {
	dir, boot := s.place()
	var units []string
	var files []unitFile
	for _, p := range e.processes {
		unit := fmt.Sprintf("%s-%s.service", e.app, p.Name())
		units = append(units, unit)
		files = append(files, unitFile{filepath.Join(dir, unit), systemdUnit(e, p.Name(), e.script(p)), 0o644})
	}
	target := fmt.Sprintf("# %s\n[Unit]\nDescription=%s\nWants=%s\n\n[Install]\nWantedBy=%s\n", e.mark, e.app, strings.Join(units, " "), boot)
	return units, append(files, unitFile{filepath.Join(dir, e.app+".target"), target, 0o644})
}

// systemdUnit never gives up: whether a process that ends again and again is
// well is for the health check to say. Without `current` there is nothing to start.
func systemdUnit(e export, name, script string) string {
	user := ""
	if e.user != "" {
		user = "User=" + e.user + "\n"
	}
	return fmt.Sprintf(`# %[1]s
[Unit]
Description=%[2]s %[3]s
PartOf=%[2]s.target
ConditionPathExists=%[4]s
StartLimitIntervalSec=0

[Service]
%[5]sExecStart="%[6]s"
Restart=always
RestartSec=1
KillMode=mixed

[Install]
WantedBy=%[2]s.target
`, e.mark, e.app, name, strings.ReplaceAll(filepath.Join(e.root, "current"), "%", "%%"), user, systemdQuoted.Replace(script))
}

var systemdQuoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$")

func (s systemd) arrange(ctx context.Context, e export, _ []string) error {
	t, err := s.tool()
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"daemon-reload"}, {"--quiet", "enable", e.app + ".target"}} {
		if output, err := t.do(ctx, args...); err != nil {
			return t.failed("export the processes to systemd", output, err)
		}
	}
	return nil
}

func (s systemd) drop(ctx context.Context, unit string) error {
	t, err := s.tool()
	if err != nil {
		return err
	}
	output, err := t.do(ctx, "stop", unit)
	if err != nil && !strings.Contains(output, "not loaded") {
		return t.failed("stop "+unit, output, err)
	}
	return nil
}

// restartAll restarts the units at the same time, and has the target want them.
func (s systemd) restartAll(ctx context.Context, e export, units []string) error {
	t, err := s.tool()
	if err != nil {
		return err
	}
	for _, args := range [][]string{append([]string{"restart"}, units...), {"start", e.app + ".target"}} {
		if output, err := t.do(ctx, args...); err != nil {
			return t.failed("restart the processes of "+e.app, output, err)
		}
	}
	return nil
}
