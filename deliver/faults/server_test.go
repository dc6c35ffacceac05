package faults_test

import (
	"cmp"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/host/hosttest"
	"deliver/machinetest"
	"deliver/rollout"
)

// The points of a delivery at which something happens to h2.
type point = string

const (
	before     = "before"       // before it begins
	looking    = "look"         // while it is looked at
	receiving  = "receive"      // while the build comes in
	drained    = "drain"        // before its switch, while nothing is done there
	preSwitch  = "pre-switch"   // before current is switched
	postSwitch = "post-switch"  // between the switch and the restart
	restarted  = "post-restart" // between the restart and health
	asked      = "health"       // while it is asked how it is
)

// fault is something that happens to h2, one of three servers, while v2 is
// delivered over v1.
type fault struct {
	point  point
	strike func(*testing.T, *site, *machinetest.Machine)
	mend   func(*testing.T, *site, *machinetest.Machine) // before it is tried again
	args   []string
	build  []hosttest.Item // more of v2
	again  string          // what is delivered then; empty: v2
}

// happen lets the fault happen, and asks what must hold then.
func (f fault) happen(t *testing.T, l *lab, r row) {
	s := l.site(t, "h1", "h2", "h3")
	s.build(t, "v2", append(f.build, noise(2))...)
	h2 := s.Machine(t, "h2")
	first := f.deliver(t, s, h2)
	r.requireSaid(t, first)
	s.requireTidyHere(t)
	for _, m := range s.Machines {
		s.requireWhole(t, m)
	}
	if f.mend != nil {
		f.mend(t, s, h2)
	}
	again := cmp.Or(f.again, "v2")
	if f.again != "" {
		s.build(t, again)
	}
	s.requireConverges(t, again)
}

// deliver delivers v2, and strikes when its point is reached.
func (f fault) deliver(t *testing.T, s *site, h2 *machinetest.Machine) *run {
	t.Helper()
	switch f.point {
	case before:
		f.strike(t, s, h2)
		return s.deliver(t, "v2", f.args...)
	case looking, receiving:
		h2.Slow(t, 4000)
		defer h2.Fast()
		var once sync.Once
		return s.begin(t, "v2", func(_ *run, e rollout.Event) {
			if e.Host == "h2" && e.Step == f.point && (e.Done > 0 || f.point == looking) {
				once.Do(func() { f.strike(t, s, h2) })
			}
		}, f.args...).wait(t)
	}
	release := s.hold(t, h2, f.point)
	r := s.begin(t, "v2", nil, f.args...)
	s.comes(t, h2, f.point)
	f.strike(t, s, h2)
	release()
	return r.wait(t)
}

// hold lets a server wait at a point, until the hold is released.
func (s *site) hold(t *testing.T, m *machinetest.Machine, at string) (release func()) {
	t.Helper()
	write(t, m.Dir(), "hold/"+at, "")
	return func() { require.NoError(t, os.Remove(filepath.Join(m.Dir(), "hold", at))) }
}

// comes waits until a server is at a point.
func (s *site) comes(t *testing.T, m *machinetest.Machine, at string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(m.Dir(), "at-"+at))
		return err == nil
	}, time.Minute, 5*time.Millisecond, "%s does not come to %s", m.Name, at)
}
