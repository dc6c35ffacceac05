package host

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What the tools print was recorded from systemd 252, OpenRC 0.45, runit 2.1.2
// and supervisor 4.2.5; where Upstart's words come from stands in testdata/initctl.

func show(lines ...string) string {
	all := map[string]string{
		"MainPID": "0", "Result": "success", "NRestarts": "0", "ExecMainCode": "0", "ExecMainStatus": "0", "LoadState": "loaded",
		"ActiveState": "active", "SubState": "running", "NeedDaemonReload": "no",
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	var out strings.Builder
	for _, name := range []string{"MainPID", "Result", "NRestarts", "ExecMainCode", "ExecMainStatus", "LoadState", "ActiveState", "SubState", "NeedDaemonReload"} {
		out.WriteString(name + "=" + all[name] + "\n")
	}
	return out.String()
}

func TestParseShow(t *testing.T) {
	t.Parallel()
	is := func(known, running bool, pid, restarts int, detail string) sighting {
		return sighting{restarts: restarts, counts: true, ServiceState: ServiceState{
			Manager: "systemd", Known: known, Running: running, PID: pid, Detail: detail,
		}}
	}
	ended := func(s sighting, why cause) sighting { s.ended, s.cause = s.Detail, why; return s }
	failing := func(s sighting, why cause) sighting { s.failing, s.cause = s.Detail, why; return s }
	starting := func(s sighting) sighting { s.starting = true; return s }
	for name, c := range map[string]struct {
		output string
		want   sighting
		reload bool
	}{
		"running":       {show("MainPID=72"), is(true, true, 72, 0, "active (running)"), false},
		"restarted":     {show("MainPID=77", "NRestarts=1"), is(true, true, 77, 1, "active (running)"), false},
		"changed":       {show("MainPID=77", "NeedDaemonReload=yes"), is(true, true, 77, 0, "active (running)"), true},
		"reloading":     {show("MainPID=77", "ActiveState=reloading", "SubState=reload"), is(true, true, 77, 0, "reloading (reload)"), false},
		"starting":      {show("MainPID=77", "ActiveState=activating", "SubState=start"), starting(is(true, false, 77, 0, "activating (start)")), false},
		"stopping":      {show("MainPID=77", "ActiveState=deactivating", "SubState=stop-sigterm"), is(true, false, 77, 0, "deactivating (stop-sigterm)"), false},
		"oneshot":       {show("SubState=exited", "ExecMainCode=1"), is(true, true, 0, 0, "active (exited)"), false},
		"never started": {show("ActiveState=inactive", "SubState=dead"), ended(is(true, false, 0, 0, "inactive (dead)"), ""), false},
		"done":          {show("ActiveState=inactive", "SubState=dead", "ExecMainCode=1"), ended(is(true, false, 0, 0, "inactive (dead), exit status 0"), causeDone), false},
		"killed, to be started again": {
			show("ActiveState=activating", "SubState=auto-restart", "Result=signal", "ExecMainCode=2", "ExecMainStatus=9"),
			failing(is(true, false, 0, 0, "activating (auto-restart), killed by SIGKILL"), causeKilled), false,
		},
		"crashed": {
			show("ActiveState=activating", "SubState=auto-restart", "Result=core-dump", "ExecMainCode=3", "ExecMainStatus=11"),
			failing(is(true, false, 0, 0, "activating (auto-restart), SIGSEGV, core dumped"), ""), false,
		},
		"asked to end": {
			show("ActiveState=failed", "SubState=failed", "Result=signal", "ExecMainCode=2", "ExecMainStatus=15"),
			ended(is(true, false, 0, 0, "failed (failed), killed by SIGTERM"), ""), false,
		},
		"out of memory": {
			show("ActiveState=failed", "SubState=failed", "Result=oom-kill", "ExecMainCode=2", "ExecMainStatus=9"),
			ended(is(true, false, 0, 0, "failed (failed), killed for lack of memory"), causeMemory), false,
		},
		"never ready": {
			show("ActiveState=failed", "SubState=failed", "Result=timeout", "ExecMainCode=2", "ExecMainStatus=15"),
			ended(is(true, false, 0, 0, "failed (failed), it was not ready in time"), causeLate), false,
		},
		"a command before the start failed": {
			show("ActiveState=failed", "SubState=failed", "Result=exit-code"),
			ended(is(true, false, 0, 0, "failed (failed), exit-code"), ""), false,
		},
		"failed too often": {
			show("ActiveState=failed", "SubState=failed", "Result=exit-code", "ExecMainCode=1", "ExecMainStatus=3", "NRestarts=5"),
			ended(is(true, false, 0, 5, "failed (failed), exit status 3"), ""), false,
		},
		"no such unit": {
			show("LoadState=not-found", "ActiveState=inactive", "SubState=dead"),
			sighting{counts: true, ended: "not-found", ServiceState: ServiceState{Manager: "systemd", Detail: "not-found"}},
			false,
		},
		"masked":  {show("LoadState=masked", "ActiveState=inactive", "SubState=dead"), ended(is(true, false, 0, 0, "inactive (dead)"), ""), false},
		"nothing": {"", is(false, false, 0, 0, ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, reload := parseShow(c.output)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.reload, reload)
		})
	}
}

func TestParseSv(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]sighting{
		"run: /etc/service/app: (pid 986) 1s\n":                                                      {ServiceState: ServiceState{Running: true, PID: 986}},
		"run: /etc/service/app: (pid 1089) 0s, want down, got TERM\n":                                {ServiceState: ServiceState{Running: true, PID: 1089}},
		"run: /etc/service/app: (pid 7) 5s; run: log: (pid 9) 100s\n":                                {ServiceState: ServiceState{Running: true, PID: 7}},
		"run: app: (pid 7) 5s, normally down\n":                                                      {ServiceState: ServiceState{Running: true, PID: 7}},
		"finish: app: (pid 7) 0s\n":                                                                  {},
		"down: app: 1s, normally up, want up\n":                                                      {failing: "down: app: 1s, normally up, want up"},
		"down: app: 9s, normally up; run: log: (pid 9) 9s\n":                                         {ended: "down: app: 9s, normally up"},
		"warning: /etc/service/app: unable to open supervise/ok: file does not exist\n":              {ended: "runsv does not run: warning: /etc/service/app: unable to open supervise/ok: file does not exist"},
		"fail: /etc/service/app: runsv not running\n":                                                {ended: "runsv does not run: fail: /etc/service/app: runsv not running"},
		"fail: /etc/service/app: unable to change to service directory: file does not exist\nmore\n": {ended: "runsv does not run: more"},
	} {
		t.Run(output, func(t *testing.T) {
			t.Parallel()
			got := parseSv(output)
			assert.True(t, got.Known)
			assert.Equal(t, "runit", got.Manager)
			assert.Equal(t, want.Running, got.Running)
			assert.Equal(t, want.PID, got.PID)
			assert.Equal(t, want.ended, got.ended)
			assert.Equal(t, want.failing, got.failing)
		})
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]sighting{
		"app                              RUNNING   pid 1378, uptime 0:00:02\n":                         {ServiceState: ServiceState{Known: true, Running: true, PID: 1378}},
		"grp:0    RUNNING   pid 1386, uptime 1 day, 0:00:04\ngrp:1    RUNNING   pid 1390, uptime 0:1\n": {ServiceState: ServiceState{Known: true, Running: true, PID: 1386}},
		"grp:0    RUNNING   pid 1386, uptime 0:00:04\ngrp:1    STARTING  \n":                            {ServiceState: ServiceState{Known: true, PID: 1386}, starting: true},
		"grp:0    RUNNING   pid 1386, uptime 0:00:04\ngrp:1    FATAL     can't find command\n":          {ServiceState: ServiceState{Known: true, PID: 1386}, ended: "grp:1 FATAL can't find command"},
		"bad      BACKOFF   Exited too quickly (process log may have details)\n":                        {ServiceState: ServiceState{Known: true}, failing: "bad BACKOFF Exited too quickly (process log may have details)"},
		"app      STOPPED   Nov 23 11:35 PM\n":                                                          {ServiceState: ServiceState{Known: true}, ended: "app STOPPED Nov 23 11:35 PM"},
		"app      STOPPING  \n":                                                                         {ServiceState: ServiceState{Known: true}},
		"app      EXITED    Nov 23 11:35 PM\n":                                                          {ServiceState: ServiceState{Known: true}, ended: "app EXITED Nov 23 11:35 PM", open: true},
		"nosuch: ERROR (no such process)\n":                                                             {},
		"unix:///var/run/supervisor.sock no such file\n":                                                {},
		"": {},
	} {
		t.Run(output, func(t *testing.T) {
			t.Parallel()
			got := parseStatus(output)
			assert.Equal(t, want.Known, got.Known)
			assert.Equal(t, want.Running, got.Running)
			assert.Equal(t, want.PID, got.PID)
			assert.Equal(t, want.ended, got.ended)
			assert.Equal(t, want.failing, got.failing)
			assert.Equal(t, want.open, got.open)
			assert.Equal(t, want.starting, got.starting)
		})
	}
}

func TestParseRCStatus(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]sighting{
		" * status: started\n":                           {ServiceState: ServiceState{Known: true, Running: true, Detail: "started"}},
		" * status: starting\n":                          {ServiceState: ServiceState{Known: true, Detail: "starting"}},
		" * status: stopped\n":                           {ServiceState: ServiceState{Known: true, Detail: "stopped"}, ended: "stopped"},
		" * status: crashed\n":                           {ServiceState: ServiceState{Known: true, Detail: "crashed"}, ended: "crashed"},
		"shop answers on port 80\n":                      {ServiceState: ServiceState{Known: true, Running: true, Detail: "shop answers on port 80"}},
		" * rc-service: service `shop' does not exist\n": {ServiceState: ServiceState{Detail: "* rc-service: service `shop' does not exist"}},
	} {
		want.Manager = "openrc"
		assert.Equal(t, want, parseRCStatus(output, want.Running), output)
	}
	assert.Equal(t, "shop is down", parseRCStatus("shop is down\n", false).ended)
}

func TestParseInitctl(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]sighting{
		"shop start/running, process 1234\n":                           {ServiceState: ServiceState{Known: true, Running: true, PID: 1234, Detail: "start/running"}},
		"shop start/running\n":                                         {ServiceState: ServiceState{Known: true, Running: true, Detail: "start/running"}},
		"shop start/post-start, process 12\n\tpost-start process 13\n": {ServiceState: ServiceState{Known: true, PID: 12, Detail: "start/post-start"}},
		"shop stop/killed, process 12\n":                               {ServiceState: ServiceState{Known: true, PID: 12, Detail: "stop/killed"}},
		"shop stop/waiting\n":                                          {ServiceState: ServiceState{Known: true, Detail: "stop/waiting"}, ended: "stop/waiting"},
		"shop (web 1) start/running, process 7\n":                      {ServiceState: ServiceState{Known: true, Running: true, PID: 7, Detail: "start/running"}},
		"initctl: Unknown job: shop\n":                                 {ServiceState: ServiceState{Detail: "initctl: Unknown job: shop"}},
		"":                                                             {},
	} {
		want.Manager = "upstart"
		assert.Equal(t, want, parseInitctl(output), output)
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	output := "app: changed\ngrp: changed\nnew: available\nold: disappeared\n"
	for name, want := range map[string]bool{"app": true, "grp": true, "new": true, "old": false, "ap": false, "other": false} {
		assert.Equal(t, want, changed(output, name), name)
	}
	assert.False(t, changed("No config updates to processes\n", "app"))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]bool{
		"Failed to restart app.service: Access denied\n":                                                true,
		"Failed to restart app.service: Interactive authentication required.\n":                         true,
		"warning: /etc/service/app: unable to open supervise/ok: access denied\n":                       true,
		"error: <class 'PermissionError'>, [Errno 13] Permission denied: file: /usr/lib/x.py line: 5\n": true,
		"Job for app.service failed because the control process exited with error code.\n":              false,
		" * shop: superuser access required\n":                                                          true,
		"initctl: Rejected send message, 1 matched rules; type=\"method_call\", sender=\":1.57\"\n":     true,
		"timeout: run: app: (pid 7) 9s, got TERM\n":                                                     false,
	} {
		assert.Equal(t, want, refused(output), output)
	}
	for output, want := range map[string]bool{
		"sudo: a password is required\n": true,
		"Sorry, user deploy is not allowed to execute '/usr/bin/systemctl restart app.service' as root on web1.\n": true,
		"sudo: unable to resolve host vm: Temporary failure in name resolution\nJob for app.service failed\n":      false,
	} {
		assert.Equal(t, want, sudoRefused(output), output)
	}
}

const socketTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41234 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0BB8 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 41299 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22222 1 0000000000000000 100 0 0 10 0
   3: 00000000:10BB 00000000:0000 0A
`

func TestParseSockets(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []listener{{inode: "41234", port: 3000, uid: 1000}, {inode: "22222", port: 22}}, parseSockets([]byte(socketTable)))
	assert.Empty(t, parseSockets(nil))
}

func TestParseHistory(t *testing.T) {
	t.Parallel()
	entries := parseHistory([]byte("{\"release\":\"v1\"}\n{\"rele\n\nnull\n{}\n[]\n{\"release\":\"v2\",\"new\":1}\n{\"release\":\"v3\"}"))
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Release)
	}
	assert.Equal(t, []string{"v1", "v2", "v3"}, ids)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	at := func(pid, restarts int) sighting {
		return sighting{restarts: restarts, ServiceState: ServiceState{PID: pid, Running: pid != 0}}
	}
	counted := func(pid, restarts int) sighting {
		seen := at(pid, restarts)
		seen.counts = true
		return seen
	}
	part := sighting{starting: true, ServiceState: ServiceState{PID: 7}}
	group := func(clock, web string) sighting {
		return parseStatus("app:clock " + clock + "\napp:web " + web)
	}
	const begins, one, two, three = "STARTING", "RUNNING pid 11, uptime 0:00:01", "RUNNING pid 12, uptime 0:00:01", "RUNNING pid 13, uptime 0:00:01"
	for name, c := range map[string]struct {
		begun   watch
		looks   []sighting
		changes int
		looping bool
	}{
		"always the same":                {watch{}, []sighting{counted(7, 0), counted(7, 0), counted(7, 0)}, 0, false},
		"restarted often, but long ago":  {watch{}, []sighting{counted(7, 9), counted(7, 9)}, 0, false},
		"somebody restarted it":          {watch{}, []sighting{counted(7, 0), counted(8, 0)}, 1, false},
		"somebody restarts it":           {watch{}, []sighting{counted(7, 0), counted(8, 0), counted(9, 0)}, 2, true},
		"its manager restarted it":       {watch{}, []sighting{counted(7, 0), counted(8, 1)}, 1, true},
		"another one, and nobody counts": {watch{}, []sighting{at(7, 0), at(8, 0)}, 1, true},
		"gone for a moment":              {watch{}, []sighting{at(7, 0), at(0, 0), at(8, 0)}, 1, true},
		"starting again":                 {watch{}, []sighting{at(7, 0), {starting: true}, {starting: true}, at(8, 0)}, 1, true},
		"still starting":                 {watch{}, []sighting{{starting: true}, at(7, 0)}, 0, false},
		"one of a group is starting":     {watch{}, []sighting{part, part, at(7, 0)}, 0, false},
		"a group's last is up first":     {watch{}, []sighting{group(begins, begins), group(begins, two), group(one, two)}, 0, false},
		"a group's last is another one":  {watch{}, []sighting{group(one, two), group(one, three)}, 1, true},
		"a group's last starts again":    {watch{}, []sighting{group(one, two), group(one, begins), group(one, three)}, 1, true},
		"its process is found late":      {watch{}, []sighting{at(0, 0), at(7, 0)}, 0, false},
		"another one than after Restart": {memory{PIDs: pids{"": 6}}.watch(), []sighting{counted(7, 1)}, 1, true},
		"the same as after Restart":      {memory{PIDs: pids{"": 7}, Restarts: 4}.watch(), []sighting{counted(7, 4)}, 0, false},
		"it had ended after Restart":     {memory{Failing: true}.watch(), []sighting{at(7, 0)}, 0, true},
		"the manager counts anew":        {watch{begun: true, pids: pids{"": 7}, restarts: 5}, []sighting{counted(7, 0), counted(7, 1)}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, seen := range c.looks {
				c.begun.see(seen)
			}
			assert.Equal(t, c.changes, c.begun.changes)
			assert.Equal(t, c.looping, c.begun.looping())
		})
	}
}

func FuzzParsers(f *testing.F) {
	for _, seed := range []string{
		show("MainPID=1"), socketTable, "run: app: (pid 7) 5s", "app RUNNING pid 7, uptime 0:01", `{"release":"v1"}`, "a: changed",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, output string) {
		seen, _ := parseShow(output)
		assert.False(t, seen.ended != "" && seen.failing != "")
		seen = parseSv(output)
		assert.True(t, seen.Running || seen.PID == 0)
		seen = parseStatus(output)
		assert.False(t, seen.Running && !seen.Known)
		for _, e := range parseHistory([]byte(output)) {
			assert.NotEmpty(t, e.Release)
		}
		for _, s := range parseSockets([]byte(output)) {
			assert.NotEmpty(t, s.inode)
		}
		changed(output, "app")
		lastLines(output, 3)
	})
}
