package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"deliver/procfile"
)

func (supervisor) name() string { return managerSupervisor }

// included is the directory that supervisord includes: the app's own one where
// the app has a supervisord of its own, or else the system's.
func (s supervisor) included() string {
	if s.trusted() {
		return filepath.Join(s.root, "supervisor.d")
	}
	return "/etc/supervisor/conf.d"
}

func (s supervisor) usable() error {
	if os.Geteuid() == 0 || s.trusted() {
		_, err := s.tool()
		return err
	}
	return &Error{
		Kind:    KindService,
		Message: fmt.Sprintf("%s may not write to %s, and there is no %s of its own", userName(), s.included(), filepath.Join(s.root, "supervisord.conf")),
		Hint:    "let a supervisord run as this user with such a config (deliver init prints it)",
	}
}

// layout is one group, which supervisor restarts as a whole.
func (s supervisor) layout(e export) ([]string, []unitFile) {
	var b strings.Builder
	var programs []string
	fmt.Fprintf(&b, "; %s\n", e.mark)
	for _, p := range e.processes {
		programs = append(programs, writeProgram(&b, e, p))
	}
	fmt.Fprintf(&b, "[group:%s]\nprograms=%s\n", e.app, strings.Join(programs, ","))
	return []string{e.app}, []unitFile{{filepath.Join(s.included(), e.app+".conf"), b.String(), 0o644}}
}

func writeProgram(b *strings.Builder, e export, p procfile.Process) string {
	name := fmt.Sprintf("%s-%s-%d", e.app, p.Type, p.Number)
	command := strings.ReplaceAll(shellWord(e.script(p)), "%", "%%")
	fmt.Fprintf(b, "[program:%s]\ncommand=%s\n", name, command)
	if e.user != "" {
		fmt.Fprintf(b, "user=%s\n", e.user)
	}
	b.WriteString("autorestart=true\nstopasgroup=true\nkillasgroup=true\nredirect_stderr=true\n\n")
	return name
}

func (supervisor) arrange(context.Context, export, []string) error { return nil }

func (s supervisor) drop(ctx context.Context, group string) error {
	t, err := s.tool()
	if err != nil {
		return err
	}
	if output, err := t.do(ctx, "stop", group+":*"); err != nil {
		return t.failed("stop "+group, output, err)
	}
	return nil
}

func (s supervisor) restartAll(ctx context.Context, e export, _ []string) error {
	return s.restart(ctx, e.app)
}
