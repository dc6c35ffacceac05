package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// manager is a service manager of this machine.
type manager interface {
	// look says how the service is. One that the manager does not know is no error.
	look(ctx context.Context, name string) (sighting, error)
	// restart starts the service, stopping it first where it runs.
	restart(ctx context.Context, name string) error
}

// sighting is a service at one moment.
type sighting struct {
	ServiceState
	units    pids   // the processes of a service of several
	restarts int    // how often the manager started it anew by itself
	counts   bool   // the manager tells restarts
	ended    string // why it does not run, when the manager leaves it so
	failing  string // why it does not run, when the manager is about to try again
	starting bool   // the manager waits for it to be ready
	open     bool   // it ended, and its manager has yet to decide whether it stays so
	cause    cause  // of its last end
	reload   bool   // its file was changed, and systemd is to read it first
	stale    bool   // OpenRC is to forget a process first that is gone
}

// gone is why it does not run, empty while it does or is about to.
func (s sighting) gone() string { return cmp.Or(s.ended, s.failing) }

// cause is why a service ended, where its manager tells.
type cause string

// The causes that have a name of their own.
const (
	causeKilled cause = "killed" // by SIGKILL, whoever sent it
	causeMemory cause = "memory"
	causeLate   cause = "late" // it was not ready in the time that its unit gives it
	causeDone   cause = "done" // it ended by itself, without an error
)

// Restart restarts the service; one that was not running is started. One that
// does not stay up is left to Check, which tells why.
func (l *Local) Restart(ctx context.Context, service Service) error {
	done, err := l.step(ctx)
	if err != nil {
		return err
	}
	defer done()
	l.forget()
	if service.Command != "" {
		return l.runRestart(ctx, service.Command)
	}
	if service.isExported() {
		return l.restartExported(ctx, service)
	}
	m, before, err := l.findManager(ctx, service)
	if err != nil && !isRefusal(err) { // who may not look may still be allowed to restart
		return err
	}
	if _, none := m.(noManager); none && service.Manager != managerNone {
		return cmp.Or(err, noManagerKnows(service.Name))
	}
	return l.restartBy(ctx, m, before, service.Name)
}

// restartBy restarts the service and remembers how it was then.
func (l *Local) restartBy(ctx context.Context, m manager, before sighting, name string) error {
	kills := oomKills()
	err := m.restart(ctx, name)
	after, lookErr := lookSoon(ctx, m, name)
	if err != nil && (lookErr != nil || !didNotStay(err, before, after)) {
		return err
	}
	if lookErr == nil {
		l.remember(name, before, after, kills, err)
	}
	return nil
}

// didNotStay tells a restart that failed since the service did not come up,
// which Check can name, from one that did not happen.
func didNotStay(err error, before, after sighting) bool {
	if isRefusal(err) || asError(err).Kind != KindService || !after.Known {
		return false
	}
	return !after.Running || after.PID != before.PID
}

// lookSoon looks at a service within settleTime.
func lookSoon(ctx context.Context, m manager, name string) (sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	return m.look(ctx, name)
}

// The service managers by name.
const (
	managerSystemd    = "systemd"
	managerOpenRC     = "openrc"
	managerUpstart    = "upstart"
	managerRunit      = "runit"
	managerSupervisor = "supervisor"
	managerNone       = "none"
)

// searched are those that are asked where none is named, those that run the
// whole machine first.
func searched() []string {
	return []string{managerSystemd, managerOpenRC, managerUpstart, managerRunit, managerSupervisor}
}

func (l *Local) managers() map[string]manager {
	return map[string]manager{
		managerSystemd:    systemd{},
		managerOpenRC:     openrc{},
		managerUpstart:    upstart{},
		managerRunit:      runit{},
		managerSupervisor: supervisor{root: l.root},
		managerNone:       noManager{},
	}
}

// findManager is the one that service names or, where it names none, the first
// that knows the service.
func (l *Local) findManager(ctx context.Context, service Service) (manager, sighting, error) {
	all := l.managers()
	if strings.HasPrefix(service.Name, "-") || strings.ContainsAny(service.Name, "/ \n") {
		return nil, sighting{}, &Error{Kind: KindService, Message: fmt.Sprintf("%q is no name of a service", service.Name)}
	}
	if service.isExported() {
		return l.findExported(ctx, service)
	}
	if service.Manager == "" {
		return l.searchManager(ctx, service)
	}
	m, ok := all[service.Manager]
	if !ok {
		return nil, sighting{}, &Error{
			Kind:    KindService,
			Message: fmt.Sprintf("unknown service manager %q", service.Manager),
			Hint:    "SUPERVISOR is systemd, openrc, upstart, runit, supervisor or none; RESTART_CMD does for any other",
		}
	}
	seen, err := m.look(ctx, service.Name)
	return m, seen, err
}

func (l *Local) searchManager(ctx context.Context, service Service) (manager, sighting, error) {
	all := l.managers()
	var refused error
	for _, name := range searched() {
		if service.Command != "" || service.Name == "" {
			break
		}
		seen, err := all[name].look(ctx, service.Name)
		if seen.Known {
			return all[name], seen, err
		}
		if isRefusal(err) && refused == nil {
			refused = err
		}
	}
	return noManager{}, sighting{ServiceState: ServiceState{Manager: managerNone}}, refused
}

// unknown is the error of a service that its manager does not have.
func unknown(seen sighting, name string) error {
	return &Error{
		Kind:    KindService,
		Message: fmt.Sprintf("%s knows no service %s: %s", seen.Manager, name, seen.Detail),
		Hint:    "install it on the server, or set the service's name",
	}
}

func noManagerKnows(name string) error {
	return &Error{
		Kind:    KindService,
		Message: fmt.Sprintf("no service manager here (%s) knows a service %q", strings.Join(searched(), ", "), name),
		Hint:    "install it on the server; or set RESTART_CMD; or SUPERVISOR=none if nothing is to be restarted",
	}
}

// noManager is for an app that nothing has to restart.
type noManager struct{}

func (noManager) look(context.Context, string) (sighting, error) {
	return sighting{ServiceState: ServiceState{Manager: managerNone}}, nil
}

func (noManager) restart(context.Context, string) error { return nil }

// runRestart runs RESTART_CMD. Its output goes to a file, for it may start a
// process that stays and goes on writing.
func (l *Local) runRestart(ctx context.Context, command string) error {
	id, err := l.currentID()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(l.state("restart.log"), os.O_CREATE|os.O_RDWR|os.O_TRUNC|os.O_APPEND, 0o644)
	if err != nil {
		return l.wrap("restart", err)
	}
	defer log.Close()
	cmd := newCommand(ctx, l.current(), "sh", "-c", command)
	cmd.Env = l.appEnvironment(id, nil)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(errors.New("it did not end in time"), err)
	}
	if err == nil {
		return nil
	}
	output, _ := os.ReadFile(log.Name())
	return &Error{
		Kind:    KindService,
		Message: fmt.Sprintf("restart command %q: %v: %s", shorten(command, 120), err, lastLines(string(output), 3)),
		Hint:    "its output is in " + log.Name() + " on the server",
	}
}

// settleTime bounds what is asked on the side.
const settleTime = 5 * time.Second
