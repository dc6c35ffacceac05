package host_test

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/boxtest"
	"deliver/host"
	"deliver/host/hosttest"
)

//go:embed testdata/initctl
var initctl string

// boxed is an app in a box under a service manager of root's. Who delivers is
// an unprivileged user, with sudo for what Service.Sudoers says.
type boxed struct {
	*boxtest.Box
	*host.Client
	service host.Service
	root    string
	port    int
	// define writes what the manager reads: a service that runs script as the
	// unprivileged user, with MARK=mark in its environment.
	define func(t *testing.T, mark string)
}

// definers write a service for each manager.
var definers = map[string]func(t *testing.T, b *boxed, mark string){
	"systemd": func(t *testing.T, b *boxed, mark string) {
		b.Write(t, "/etc/systemd/system/"+b.service.Name+".service", fmt.Sprintf(
			"[Service]\nUser=deploy\nEnvironment=MARK=%s\nExecStart=%s/run\nRestart=always\nRestartSec=1\n", mark, b.root), 0o644)
	},
	"openrc": func(t *testing.T, b *boxed, mark string) {
		b.Write(t, "/etc/init.d/"+b.service.Name, fmt.Sprintf(
			"#!/sbin/openrc-run\nsupervisor=supervise-daemon\nexport MARK=%s\ncommand=%s/run\ncommand_user=deploy\nrespawn_delay=1\nrespawn_max=0\n",
			mark, b.root), 0o755)
	},
	"upstart": func(t *testing.T, b *boxed, mark string) {
		b.Write(t, "/etc/init/"+b.service.Name+".conf", fmt.Sprintf(
			"respawn\nsetuid deploy\nenv MARK=%s\nexec %s/run\n", mark, b.root), 0o644)
	},
	"runit": func(t *testing.T, b *boxed, mark string) {
		dir := "/etc/service/" + b.service.Name
		b.Write(t, dir+"/run", fmt.Sprintf("#!/bin/sh\nexec chpst -u deploy env MARK=%s %s/run\n", mark, b.root), 0o755)
		eventually(t, func() bool { _, err := b.Try("root", "sv status "+dir); return err == nil })
	},
	"supervisor": func(t *testing.T, b *boxed, mark string) {
		b.Write(t, "/etc/supervisor/conf.d/"+b.service.Name+".conf", fmt.Sprintf(
			"[program:%s]\nuser=deploy\nenvironment=MARK=%s\ncommand=%s/run\nautorestart=true\n", b.service.Name, mark, b.root), 0o644)
	},
}

// farBox runs `deliver host` in a box for each session, as a login there would.
func farBox(b *boxtest.Box, user string) func(context.Context) (host.Session, error) {
	return func(context.Context) (host.Session, error) {
		return startSession(b.Command(user, "HOST_TEST_SERVE=1", noLinger, boxtest.Binary))
	}
}

// boxedManagers boots the boxes with all managers, and gives an opener for each.
func boxedManagers(t *testing.T) map[string]func(t *testing.T) *boxed {
	t.Helper()
	openRC := boxtest.Start(t, boxtest.OpenRC)
	others := boxtest.Start(t, boxtest.Systemd)
	others.Write(t, "/sbin/initctl", initctl, 0o755)
	others.Run(t, "root", "systemd-run --quiet --unit=runsvdir runsvdir -P /etc/service")
	others.Run(t, "root", "systemd-run --quiet --unit=supervisord /usr/bin/supervisord -n -c /etc/supervisor/supervisord.conf")
	eventually(t, func() bool { _, err := others.Try("root", "test -S /run/supervisor.sock"); return err == nil })
	openers := map[string]func(t *testing.T) *boxed{}
	for manager := range definers {
		box := others
		if manager == "openrc" {
			box = openRC
		}
		openers[manager] = func(t *testing.T) *boxed { return openBoxed(t, box, manager) }
	}
	return openers
}

var boxedApps atomic.Int32

func openBoxed(t *testing.T, box *boxtest.Box, manager string) *boxed {
	t.Helper()
	number := int(boxedApps.Add(1))
	name := fmt.Sprintf("shop%d", number)
	b := &boxed{Box: box, root: "/srv/" + name, port: 3000 + number, service: host.Service{Manager: manager, Name: name}}
	b.define = func(t *testing.T, mark string) { definers[manager](t, b, mark) }
	box.Run(t, "root", "install -d -o deploy -g deploy "+b.root)
	b.script(t, fmt.Sprintf("cd %s/current\nexec env HOST_TEST_APP=127.0.0.1:%d %s", b.root, b.port, boxtest.Binary))
	b.Client = host.NewClient(host.Place{App: name, Root: b.root}, farBox(box, boxtest.User))
	for _, id := range []string{"v1", "v2"} {
		build := numbered(t, id, 1)
		_, err := b.Receive(t.Context(), build.Record, build.Reader(), nil)
		require.NoError(t, err)
	}
	b.switchTo(t, "v1")
	return b
}

// script is what the service runs.
func (b *boxed) script(t *testing.T, script string) {
	t.Helper()
	b.Write(t, b.root+"/run", "#!/bin/sh\n"+script+"\n", 0o755)
}

// allow gives the unprivileged user what the service needs, beside what it had.
func (b *boxed) allow(t *testing.T) {
	t.Helper()
	lines := b.service.Sudoers(boxtest.User)
	require.NotEmpty(t, lines)
	b.Write(t, "/etc/sudoers.d/"+b.service.Name, strings.Join(lines, "\n")+"\n", 0o440)
	b.Run(t, "root", "visudo -c -f /etc/sudoers.d/"+b.service.Name)
}

func (b *boxed) switchTo(t *testing.T, id string) {
	t.Helper()
	_, err := b.Switch(t.Context(), id, "")
	require.NoError(t, err)
}

func (b *boxed) check(t *testing.T, id string) (host.Checked, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return b.Check(ctx, host.Health{Port: b.port, Rise: 3, Interval: 100 * time.Millisecond, Deadline: time.Minute}, b.service, id)
}

// restart restarts the service, which is then healthy in release id.
func (b *boxed) restart(t *testing.T, id string) host.Checked {
	t.Helper()
	require.NoError(t, b.Restart(t.Context(), b.service))
	checked, err := b.check(t, id)
	require.NoError(t, err)
	assert.True(t, checked.Proven, checked.Detail)
	return checked
}

// mark is MARK in the environment of a process.
func (b *boxed) mark(t *testing.T, pid int) string {
	t.Helper()
	return b.Run(t, "root", fmt.Sprintf("tr '\\0' '\\n' </proc/%d/environ | sed -n 's/^MARK=//p'", pid))
}

// stop stops the service as a person would.
func (b *boxed) stop(t *testing.T) {
	t.Helper()
	b.Run(t, "root", map[string]string{
		"systemd": "systemctl stop ", "openrc": "rc-service --quiet ", "upstart": "initctl stop ", "runit": "sv stop ", "supervisor": "supervisorctl stop ",
	}[b.service.Manager]+b.service.Name+map[string]string{"openrc": " stop"}[b.service.Manager])
}

// What root's service managers do for an unprivileged user who has the sudo
// rules that Sudoers gives and no others: one life of a service under each.
func TestServiceManagersOfRoot(t *testing.T) {
	t.Parallel()
	for manager, open := range boxedManagers(t) {
		t.Run(manager, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			b.define(t, "1")
			b.isRefused(t)
			b.allow(t)
			b.isRestarted(t)
			b.isChanged(t)
			b.isStarted(t)
			b.isFound(t)
			b.isForetold(t)
			b.crashes(t)
		})
	}
}

// isRefused has the hint of the error be the line that is missing.
func (b *boxed) isRefused(t *testing.T) {
	t.Helper()
	err := b.Restart(t.Context(), b.service)
	known := hosttest.RequireKind(t, err, host.KindService)
	assert.Contains(t, known.Message, "deploy may not run")
	_, line, found := strings.Cut(known.Hint, "sudoers: ")
	require.True(t, found, known.Hint)
	assert.Contains(t, b.service.Sudoers(boxtest.User), line)
}

func (b *boxed) isRestarted(t *testing.T) {
	t.Helper()
	first := b.restart(t, "v1")
	assert.Equal(t, "1", b.mark(t, first.PID))
	b.switchTo(t, "v2")
	second := b.restart(t, "v2")
	assert.NotEqual(t, first.PID, second.PID)
	assert.Equal(t, "deploy", b.Run(t, "root", "stat -c %U /proc/"+strconv.Itoa(second.PID)))
}

func (b *boxed) isChanged(t *testing.T) {
	t.Helper()
	b.define(t, "2")
	assert.Equal(t, "2", b.mark(t, b.restart(t, "v2").PID))
}

func (b *boxed) isStarted(t *testing.T) {
	t.Helper()
	b.stop(t)
	state, err := b.Look(t.Context(), b.service)
	require.NoError(t, err)
	assert.True(t, state.Service.Known)
	assert.False(t, state.Service.Running, state.Service.Detail)
	_, err = b.check(t, "v2")
	hosttest.RequireKind(t, err, host.KindNotRunning)
	b.restart(t, "v2")
}

func (b *boxed) isFound(t *testing.T) {
	t.Helper()
	unnamed := host.Service{Name: b.service.Name}
	require.NoError(t, b.Restart(t.Context(), unnamed))
	state, err := b.Look(t.Context(), unnamed)
	require.NoError(t, err)
	assert.Equal(t, b.service.Manager, state.Service.Manager)
}

// isForetold holds what Look says of a restart against what sudo has logged.
func (b *boxed) isForetold(t *testing.T) {
	t.Helper()
	b.Write(t, "/etc/sudoers.d/log", "Defaults logfile=/var/log/sudo.log, loglinelen=0\n", 0o440)
	for name, prepare := range map[string]func(){
		"running": func() {},
		"changed": func() { b.define(t, "3") },
		"stopped": func() { b.stop(t) },
	} {
		prepare()
		state, err := b.Look(t.Context(), b.service)
		require.NoError(t, err)
		before := len(b.sudone(t))
		b.restart(t, "v2")
		ran := b.sudone(t)[before:]
		assert.NotEmpty(t, ran, name)
		for _, said := range state.Service.Restart {
			command, condition, _ := strings.Cut(said, " (")
			if len(ran) > 0 && ran[0] == command {
				ran = ran[1:]
			} else {
				// Of a unit that is stopped systemd knows nothing, whoever asks.
				forgotten := name == "stopped" && strings.Contains(command, "reset-failed")
				assert.True(t, forgotten || condition != "", "%s: %s was said, and not run; then came %q", name, command, ran)
			}
		}
		assert.Empty(t, ran, "%s: these were run and not said", name)
	}
}

// sudone is what sudo ran for the manager; what only asks does not count.
func (b *boxed) sudone(t *testing.T) []string {
	t.Helper()
	tool := map[string]string{"systemd": "systemctl", "openrc": "rc-service", "upstart": "initctl", "runit": "sv", "supervisor": "supervisorctl"}[b.service.Manager]
	log := b.Run(t, "root", "cat /var/log/sudo.log 2>/dev/null || true")
	var commands []string
	for line := range strings.Lines(log) {
		_, command, _ := strings.Cut(strings.TrimSpace(line), "COMMAND=")
		command = strings.ReplaceAll(command[strings.LastIndex(strings.SplitN(command, " ", 2)[0], "/")+1:], "\\", "")
		if strings.HasPrefix(command, tool+" ") && !strings.Contains(command, " status") {
			commands = append(commands, command)
		}
	}
	return commands
}

// crashes has a program that ends at once be a failure long before the
// health check's deadline.
func (b *boxed) crashes(t *testing.T) {
	t.Helper()
	b.script(t, "echo no database >&2; exit 3")
	began := time.Now()
	err := b.Restart(t.Context(), b.service)
	if err == nil {
		_, err = b.check(t, "v2")
	}
	var known *host.Error
	require.ErrorAs(t, err, &known)
	assert.Contains(t, []host.Kind{host.KindNotRunning, host.KindCrashLoop, host.KindService}, known.Kind, known.Error())
	assert.NotContains(t, known.Message, "is not healthy after", time.Since(began))
}

// OpenRC takes a process that is gone for a running one where nothing
// supervises it, and then can neither stop nor start the service.
func TestOpenRCServiceWhoseProcessIsGone(t *testing.T) {
	t.Parallel()
	b := openBoxed(t, boxtest.Start(t, boxtest.OpenRC), "openrc")
	b.Write(t, "/etc/init.d/"+b.service.Name, fmt.Sprintf(
		"#!/sbin/openrc-run\ncommand=%s/run\ncommand_background=yes\ncommand_user=deploy\npidfile=/run/%s.pid\n", b.root, b.service.Name), 0o755)
	b.allow(t)
	pid := b.restart(t, "v1").PID
	b.Run(t, "root", fmt.Sprintf("kill -9 %d; while [ -e /proc/%[1]d ]; do sleep 0.1; done", pid))
	state, err := b.Look(t.Context(), b.service)
	require.NoError(t, err)
	assert.False(t, state.Service.Running)
	assert.Contains(t, state.Service.Detail, fmt.Sprintf("pid %d has ended", pid))
	b.restart(t, "v1")
}
