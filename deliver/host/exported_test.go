package host_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/boxtest"
	"deliver/host"
	"deliver/host/hosttest"
)

// procfiles are the releases of an app with processes: worker goes and clock
// comes with v2, and with v3 comes one that does not stay.
var procfiles = map[string]string{
	"v1": "worker: sleep 1001\n",
	"v2": "# no worker any more\nclock: sleep 1002; true\n",
	"v3": "bad: echo no database >&2; exit 3\n",
}

const hardValue = `it's "50%" of $HOME; # \\ all`

// openExported is an app whose processes come of its Procfile. user delivers, and needs no sudo.
func openExported(t *testing.T, box *boxtest.Box, manager, user string) *boxed {
	t.Helper()
	number := int(boxedApps.Add(1))
	name := fmt.Sprintf("proc%d", number)
	b := &boxed{Box: box, root: "/srv/" + name, port: 3000 + 1000*number}
	b.service = host.Service{Manager: manager, Name: name, Procfile: "Procfile", Port: b.port, User: "deploy", Formation: "all=1,web=2"}
	box.Run(t, "root", fmt.Sprintf("install -d -o %s -g %[1]s %s", user, b.root))
	b.Client = host.NewClient(host.Place{App: name, Root: b.root}, farBox(box, user))
	for id, others := range procfiles {
		build := hosttest.Make(t, id,
			hosttest.File("id", id),
			hosttest.File("Procfile", "web: HOST_TEST_APP=127.0.0.1:$PORT exec "+boxtest.Binary+"\n"+others),
			hosttest.File(".env", "MARK="+id+"\nHARD="+hardValue+"\n"))
		_, err := b.Receive(t.Context(), build.Record, build.Reader(), nil)
		require.NoError(t, err)
	}
	b.switchTo(t, "v1")
	return b
}

// commands are the processes of the app that only sleep.
func (b *boxed) commands(t *testing.T) string {
	t.Helper()
	return b.Run(t, "root", fmt.Sprintf(
		`exec 2>/dev/null; for p in $(pgrep -u deploy -x sleep); do tr '\0' '\n' </proc/$p/environ | grep -q '^PORT=%d[0-9]*$' && echo $(tr '\0' ' ' </proc/$p/cmdline); done | sort`, b.port/1000))
}

// A Procfile's processes follow the release: into the next one, and back.
func TestProcfileIsExported(t *testing.T) {
	t.Parallel()
	box := boxtest.Start(t, boxtest.Systemd)
	box.Run(t, "root", "systemd-run --quiet --unit=runsvdir runsvdir -P /etc/service")
	box.Run(t, "root", "systemd-run --quiet --unit=supervisord /usr/bin/supervisord -n -c /etc/supervisor/supervisord.conf")
	eventually(t, func() bool { _, err := box.Try("root", "test -S /run/supervisor.sock"); return err == nil })
	for _, manager := range []string{"systemd", "runit", "supervisor"} {
		t.Run(manager, func(t *testing.T) {
			t.Parallel()
			b := openExported(t, box, manager, boxtest.User)
			b.isNotUsable(t)
			b.Run(t, "root", "umask 022; "+b.service.Provision(boxtest.User, b.root))
			eventually(t, func() bool { return b.look(t).Known })
			b.isExported(t)
		})
	}
}

// Where root delivers, the units are the system's, and run as the app's user.
func TestProcfileIsExportedByRoot(t *testing.T) {
	t.Parallel()
	box := boxtest.Start(t, boxtest.Systemd)
	box.Write(t, "/sbin/initctl", initctl, 0o755)
	box.Run(t, "root", "mkdir -p /etc/init")
	for manager, dir := range map[string]string{"systemd": "/etc/systemd/system/", "upstart": "/etc/init/"} {
		t.Run(manager, func(t *testing.T) {
			t.Parallel()
			b := openExported(t, box, manager, "root")
			b.sparesStrangers(t, dir)
			pid := b.restart(t, "v1").PID
			assert.Equal(t, "deploy", b.Run(t, "root", "stat -c %U /proc/"+strconv.Itoa(pid)))
			b.switchTo(t, "v2")
			b.restart(t, "v2")
			assert.Equal(t, "sleep 1002", b.commands(t))
			b.switchTo(t, "v1")
			b.restart(t, "v1")
			assert.Equal(t, "sleep 1001", b.commands(t))
			b.returnsToPlain(t, dir)
		})
	}
}

// returnsToPlain goes back to a release from before there was a Procfile: its
// service is one that somebody wrote by hand.
func (b *boxed) returnsToPlain(t *testing.T, dir string) {
	t.Helper()
	build := hosttest.Make(t, "v0", hosttest.File("id", "v0"))
	_, err := b.Receive(t.Context(), build.Record, build.Reader(), nil)
	require.NoError(t, err)
	b.switchTo(t, "v0")
	if b.service.Manager == "upstart" { // where the app's own job has the same name
		require.ErrorContains(t, b.Restart(t.Context(), b.service), "no Procfile")
		return
	}
	b.script(t, fmt.Sprintf("cd %s/current\nexec env HOST_TEST_APP=127.0.0.1:%d %s", b.root, b.port, boxtest.Binary))
	definers["systemd"](t, b, "1")
	b.restart(t, "v0")
	assert.Empty(t, b.commands(t))
	assert.NotContains(t, b.Run(t, "root", "ls "+dir), b.service.Name+"-")
}

// sparesStrangers has a file that somebody else wrote be an error, and stay.
func (b *boxed) sparesStrangers(t *testing.T, dir string) {
	t.Helper()
	file := dir + b.service.Name + map[string]string{"systemd": "-web.1.service", "upstart": "-web-1.conf"}[b.service.Manager]
	b.Write(t, file, "# by hand\n", 0o644)
	require.ErrorContains(t, b.Restart(t.Context(), b.service), file+" was not made by deliver")
	assert.Equal(t, "# by hand", b.Run(t, "root", "cat "+file))
	b.Run(t, "root", "rm "+file)
}

// isNotUsable has a preflight's Look tell what an operator must do.
func (b *boxed) isNotUsable(t *testing.T) {
	t.Helper()
	state := b.look(t)
	assert.False(t, state.Known)
	hint := map[string]string{"systemd": "loginctl enable-linger deploy", "runit": "runsvdir -P " + b.root + "/service", "supervisor": "supervisord"}
	assert.Contains(t, state.Detail, hint[b.service.Manager])
}

func (b *boxed) look(t *testing.T) host.ServiceState {
	t.Helper()
	state, err := b.Look(t.Context(), b.service)
	require.NoError(t, err)
	return state.Service
}

func (b *boxed) isExported(t *testing.T) {
	t.Helper()
	first := b.restart(t, "v1")
	assert.Equal(t, "v1", b.mark(t, first.PID))
	assert.Equal(t, hardValue, b.variable(t, first.PID, "HARD"))
	assert.Equal(t, strconv.Itoa(b.port), b.variable(t, first.PID, "PORT"))
	assert.Equal(t, "sleep 1001", b.commands(t))
	assert.Equal(t, "deploy", b.Run(t, "root", "stat -c %U /proc/"+strconv.Itoa(first.PID)))
	units := b.unitFiles(t)

	b.switchTo(t, "v2")
	second := b.restart(t, "v2")
	assert.NotEqual(t, first.PID, second.PID)
	assert.Equal(t, "v2", b.mark(t, second.PID))
	assert.Equal(t, "sleep 1002", b.commands(t), "clock came, and worker went")
	assert.NotEqual(t, units, b.unitFiles(t))

	b.switchTo(t, "v1")
	b.restart(t, "v1")
	assert.Equal(t, "sleep 1001", b.commands(t), "the way back exports the old release's processes")
	assert.Equal(t, b.withoutTimes(units), b.withoutTimes(b.unitFiles(t)))

	before := b.unitFiles(t)
	b.restart(t, "v1")
	assert.Equal(t, before, b.unitFiles(t), "what has not changed is not written")

	b.switchTo(t, "v3")
	err := b.Restart(t.Context(), b.service)
	if err == nil {
		_, err = b.check(t, "v3")
	}
	require.ErrorContains(t, err, b.service.Name+"-bad", "a process beside the one that answers counts as well")
	b.switchTo(t, "v1")
	b.restart(t, "v1")
}

// variable is one in the environment of a process.
func (b *boxed) variable(t *testing.T, pid int, name string) string {
	t.Helper()
	return b.Run(t, "root", fmt.Sprintf("tr '\\0' '\\n' </proc/%d/environ | sed -n 's/^%s=//p'", pid, name))
}

// unitFiles are the files that were exported, each with when it was written.
func (b *boxed) unitFiles(t *testing.T) string {
	t.Helper()
	return b.Run(t, "root", fmt.Sprintf(
		`grep -rlsF 'Made by deliver for %s in' %s/.deliver %[2]s/supervisor.d /home/deploy/.config | sort | xargs stat -c '%%n %%y'`, b.service.Name, b.root))
}

func (b *boxed) withoutTimes(files string) []string {
	var names []string
	for line := range strings.Lines(files) {
		names = append(names, strings.Fields(line)[0])
	}
	return names
}
