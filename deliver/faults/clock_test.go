package faults_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/machinetest"
	"deliver/sshdtest"
)

func clocks() []row {
	return []row{{
		fault: "h2's clock 1 h ahead, h3's 1 h behind", happens: "delivered, put back and rolled back as ever; a lease that is held holds",
		says: delivered, test: wrongClocks,
	}}
}

// skewed is package time with a clock that is ahead by the seconds in
// /run/clock-skew, in a program that starts where that file is. The kernel's own clock
// cannot be another one for each machine.
const skewed = `
var skew = readSkew()

func readSkew() (seconds int64) {
	f, err := open("/run/clock-skew")
	if err != nil {
		return 0
	}
	defer closefd(f)
	text := make([]byte, 20)
	n, _ := read(f, text)
	sign := int64(1)
	for _, c := range text[:max(n, 0)] {
		if c == '-' {
			sign = -1
		} else if c >= '0' && c <= '9' {
			seconds = seconds*10 + int64(c-'0')
		}
	}
	return sign * seconds
}
`

// programWithSkew is deliver with this clock.
func programWithSkew(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	require.NoError(t, err)
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	require.Contains(t, string(text), now, "package time is not as it was")
	dir := t.TempDir()
	write(t, dir, "time.go", strings.Replace(string(text), now, now+"\tsec += skew\n", 1)+skewed)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: filepath.Join(dir, "time.go")}})
	require.NoError(t, err)
	write(t, dir, "overlay.json", string(overlay))
	return sshdtest.PlainProgram(t, "-overlay", filepath.Join(dir, "overlay.json"))
}

func wrongClocks(t *testing.T, l *lab, r row) {
	s := (&lab{bin: programWithSkew(t), image: l.image}).site(t, "h1")
	ahead := map[string]time.Duration{"h2": time.Hour, "h3": -time.Hour}
	for _, name := range []string{"h2", "h3"} {
		options := usual()
		options.Clock = ahead[name]
		s.Add(t, name, options)
	}
	s.list(t, "h1", "h2", "h3")
	s.build(t, "v2")
	// This program is on none of the servers yet.
	r.requireSaid(t, s.deliver(t, "v2", "--step-timeout", "60s"))
	s.requireConverges(t, "v2")

	s.build(t, "v3", hosttest.Script("server", "exit 7"))
	bad := s.deliver(t, "v3")
	require.Equal(t, 5, bad.code, bad.stderr.String())
	s.requireConverges(t, "v2")

	s.build(t, "v4")
	release := s.hold(t, s.Machine(t, "h2"), asked)
	first := s.begin(t, "v4", nil, "--health-deadline", "60s")
	s.comes(t, s.Machine(t, "h2"), asked)
	for _, m := range s.Machines {
		requireClock(t, m, ahead[m.Name])
		meanwhile := s.deliver(t, "v2", "--only", m.Name)
		require.Equal(t, 4, meanwhile.code, meanwhile.stderr.String())
	}
	release()
	require.Equal(t, 0, first.wait(t).code, first.stderr.String())

	back := s.rollback(t)
	require.Equal(t, 0, back.code, back.stderr.String())
	for _, m := range s.Machines {
		require.Equal(t, "v2", s.requireWhole(t, m), m.Name)
		requireServes(t, m, "v2")
	}
}

// requireClock asks that deliver on a machine sees its clock: the lease, which
// is held, has the time there.
func requireClock(t *testing.T, m *machinetest.Machine, ahead time.Duration) {
	t.Helper()
	text, err := os.ReadFile(m.Path("app/.deliver/lease.json"))
	require.NoError(t, err)
	var lease host.Lease
	require.NoError(t, json.Unmarshal(text, &lease))
	require.WithinDuration(t, time.Now().Add(ahead), lease.Since, 20*time.Minute, m.Name)
}
