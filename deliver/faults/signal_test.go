package faults_test

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/rollout"
)

func interrupted() []row {
	return []row{
		{
			fault: "SIGINT while it ships", happens: "nothing is switched anywhere", code: 130, says: "DASHBOARD NOT DELIVERED: INTERRUPTED",
			test: whileItShips,
		},
		{
			fault: "SIGINT while h2 is switched", happens: "h2 is put back; no other is begun, those that are done stay", code: 130,
			says: "DASHBOARD NOT DELIVERED: INTERRUPTED", test: whileSwitched(syscall.SIGINT),
		},
		{
			fault: "SIGTERM while h2 is switched", happens: "as SIGINT", code: 143,
			says: "DASHBOARD NOT DELIVERED: INTERRUPTED", test: whileSwitched(syscall.SIGTERM),
		},
		{
			fault: "SIGINT twice", happens: "it stops at once, and leaves everything as it is", code: 130,
			says: "[h2] failed: switch: hook: stopped at once", test: twice,
		},
		{
			fault: "a second delivery meanwhile", happens: "it is refused, and the first goes on", code: 4, says: " delivers to it, since ",
			test: second,
		},
		{
			fault: "a second delivery meanwhile, with --wait", happens: "it stands in line, and comes after the first", code: 0, says: delivered,
			test: secondWaits,
		},
	}
}

func whileItShips(t *testing.T, l *lab, r row) {
	s := l.site(t, "h1", "h2", "h3")
	s.build(t, "v2", noise(2))
	h2 := s.Machine(t, "h2")
	h2.Slow(t, 4000)
	var once sync.Once
	under := s.begin(t, "v2", func(under *run, e rollout.Event) {
		if e.Step == receiving && e.Done > 0 && e.Host == "h2" {
			once.Do(func() { _ = under.cmd.Process.Signal(syscall.SIGINT) })
		}
	})
	r.requireSaid(t, under.wait(t))
	s.requireTidyHere(t)
	for _, m := range s.Machines {
		require.Equal(t, "v1", s.requireWhole(t, m))
	}
	h2.Fast()
	s.requireConverges(t, "v2")
}

func whileSwitched(signal syscall.Signal) func(*testing.T, *lab, row) {
	return func(t *testing.T, l *lab, r row) {
		s := l.site(t, "h1", "h2", "h3")
		s.build(t, "v2")
		release := s.hold(t, s.Machine(t, "h2"), postSwitch)
		under := s.begin(t, "v2", nil, "--order", "rolling")
		s.comes(t, s.Machine(t, "h2"), postSwitch)
		require.NoError(t, under.cmd.Process.Signal(signal))
		release()
		r.requireSaid(t, under.wait(t))
		s.requireTidyHere(t)
		for name, id := range map[string]string{"h1": "v2", "h2": "v1", "h3": "v1"} {
			m := s.Machine(t, name)
			require.Equal(t, id, s.requireWhole(t, m))
			requireServes(t, m, id)
		}
		s.requireConverges(t, "v2")
	}
}

func twice(t *testing.T, l *lab, r row) {
	s := l.site(t, "h1", "h2", "h3")
	s.build(t, "v2")
	release := s.hold(t, s.Machine(t, "h2"), postSwitch)
	under := s.begin(t, "v2", nil, "--order", "rolling")
	s.comes(t, s.Machine(t, "h2"), postSwitch)
	require.NoError(t, under.cmd.Process.Signal(syscall.SIGINT))
	<-time.After(100 * time.Millisecond) // or the two would be one
	require.NoError(t, under.cmd.Process.Signal(syscall.SIGINT))
	r.requireSaid(t, under.wait(t))
	release()
	for _, m := range s.Machines {
		s.requireWhole(t, m)
	}
	s.requireConverges(t, "v2")
}

// meeting is two deliveries at the same time: the first of v2, which waits on
// h2, and then that of v3.
func meeting(t *testing.T, l *lab, args ...string) (s *site, first, second *run, release func()) {
	t.Helper()
	s = l.site(t, "h1", "h2", "h3")
	s.build(t, "v2")
	s.build(t, "v3")
	release = s.hold(t, s.Machine(t, "h2"), asked)
	first = s.begin(t, "v2", nil, "--health-deadline", "60s")
	s.comes(t, s.Machine(t, "h2"), asked)
	return s, first, s.begin(t, "v3", nil, args...), release
}

func second(t *testing.T, l *lab, r row) {
	s, first, second, release := meeting(t, l)
	r.requireSaid(t, second.wait(t))
	release()
	first.wait(t)
	assert.Equal(t, 0, first.code, first.stderr.String())
	for _, m := range s.Machines {
		require.Equal(t, "v2", s.requireWhole(t, m))
	}
	s.requireConverges(t, "v3")
}

func secondWaits(t *testing.T, l *lab, r row) {
	s, first, second, release := meeting(t, l, "--wait", "2m")
	require.Eventually(t, func() bool { return second.said("waiting for h1") }, time.Minute, 10*time.Millisecond)
	release()
	first.wait(t)
	assert.Equal(t, 0, first.code, first.stderr.String())
	r.requireSaid(t, second.wait(t))
	s.requireConverges(t, "v3")
}
