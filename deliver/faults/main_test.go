// Package faults_test does to servers what happens to servers, while deliver
// works on them, and asks what must hold after it.
package faults_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"deliver/host/hosttest"
	"deliver/machinetest"
	"deliver/sshdtest"
)

// TestMain lets many faults wait for their deadlines at the same time.
func TestMain(m *testing.M) {
	if os.Getenv("FAULTS_SESSION") != "" {
		os.Exit(runSession())
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestFaults are the rows of the table in docs/reliability.md, one test each.
func TestFaults(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, r := range table() {
		t.Run(r.testName(), func(t *testing.T) {
			t.Parallel()
			r.test(t, l, r)
		})
	}
}

// lab is what all faults have in common.
type lab struct {
	bin   string // where deliver is
	image string // of a disk on which v1 is live
}

// newLab builds deliver, and delivers v1 once for all.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{bin: sshdtest.Program(t)}
	s := l.site(t, "h1")
	require.Equal(t, 0, s.deliver(t, "v1").code)
	image := t.TempDir()
	copying := s.Command("cp", "-a", s.Machine(t, "h1").Home()+"/.", image)
	require.NoError(t, s.Start(copying))
	require.NoError(t, copying.Wait())
	l.image = image
	return l
}

// site is machines that run v1, once the lab is there.
func (l *lab) site(t *testing.T, names ...string) *site {
	t.Helper()
	s := &site{Site: machinetest.New(t, l.image), lab: l, builds: map[string][]hosttest.Item{}}
	for _, name := range names {
		s.Add(t, name, usual())
	}
	s.configure(t)
	s.list(t, names...)
	s.build(t, "v1")
	return s
}

// usual is a machine that runs the app.
func usual() machinetest.Options {
	return machinetest.Options{Service: map[string]string{"dashboard": "cd app/current && exec ./server"}}
}

// site is where one test takes place.
type site struct {
	*machinetest.Site
	lab    *lab
	builds map[string][]hosttest.Item // by release
}

// configure writes the project's config. Its deadlines are short: the tests
// wait for them.
func (s *site) configure(t *testing.T) {
	t.Helper()
	write(t, s.Home, ".deliver/config", `APP=dashboard
APP_USER=root
DELIVER_TO="~/app"
HOSTS="$(cat "$ORIGIN_DIR/hosts")"
SUPERVISOR=runit
HEALTH_CMD='test ! -e "$MACHINE/hold/health" || { : >"$MACHINE/at-health"; false; }'
HEALTH_RISE=2
HEALTH_INTERVAL=50ms
HEALTH_DEADLINE=10s
SSH_TIMEOUT=3s
STEP_TIMEOUT=8s
drain() {
  local machine=$ORIGIN_DIR/../$1
  [ -e "$machine/hold/drain" ] || return 0
  : >"$machine/at-drain"
  while [ -e "$machine/hold/drain" ]; do sleep 0.02; done
}
`)
}

// swapKeys lets known_hosts know a server by another one's key.
func (s *site) swapKeys(t *testing.T, name, other string) {
	t.Helper()
	text, err := os.ReadFile(s.KnownHosts())
	require.NoError(t, err)
	var key string
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines {
		if rest, found := strings.CutPrefix(line, other+" "); found {
			key = rest
		}
	}
	for i, line := range lines {
		if strings.HasPrefix(line, name+" ") {
			lines[i] = name + " " + key
		}
	}
	require.NoError(t, os.WriteFile(s.KnownHosts(), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// list writes the list of servers.
func (s *site) list(t *testing.T, names ...string) {
	t.Helper()
	write(t, s.Home, "hosts", strings.Join(names, "\n"))
}
