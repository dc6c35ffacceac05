package faults_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func listChanges() []row {
	return []row{
		{
			fault: "the list shrank by more than MAX_SHRINK", happens: "nobody is asked", code: 6, says: "gone are h2, h3",
			test: betweenRuns([]string{"h1"}, nil),
		},
		{
			fault: "the list is empty", happens: "nobody is asked", code: 6, says: "HOSTS is empty",
			test: betweenRuns(nil, nil),
		},
		{
			fault: "the list grew", happens: "the new server is delivered to", says: delivered,
			test: betweenRuns([]string{"h1", "h2", "h3", "h4"}, []string{"h1", "h2", "h3", "h4"}),
		},
		{
			fault: "the list grows during the run", happens: "the new server gets the release in the end", says: delivered,
			test: duringRun(func(t *testing.T, s *site) {
				s.Add(t, "h4", usual())
				s.list(t, "h1", "h2", "h3", "h4")
			}),
		},
		{
			fault: "a server is off and no longer listed, during the run", happens: "it is gone, which is no failure", says: "1 gone",
			test: duringRun(func(t *testing.T, s *site) {
				s.list(t, "h1", "h2")
				s.Machine(t, "h3").Off()
			}),
		},
		{
			fault: "the list gets empty during the run", happens: "that it could not be asked again is told", says: delivered,
			test: duringRun(func(t *testing.T, s *site) { s.list(t) }),
		},
	}
}

// betweenRuns changes the list before v2 is delivered; live are the servers
// that then run it.
func betweenRuns(list, live []string) func(*testing.T, *lab, row) {
	return func(t *testing.T, l *lab, r row) {
		s := l.site(t, "h1", "h2", "h3", "h4")
		s.list(t, "h1", "h2", "h3")
		require.Equal(t, 0, s.deliver(t, "v1").code)
		s.build(t, "v2")
		s.list(t, list...)
		r.requireSaid(t, s.deliver(t, "v2"))
		for _, m := range s.Machines {
			want := "v1"
			for _, name := range live {
				if m.Name == name {
					want = "v2"
				}
			}
			require.Equal(t, want, s.requireWhole(t, m), m.Name)
		}
		s.list(t, "h1", "h2", "h3")
		s.requireConverges(t, "v2")
	}
}

// duringRun changes the list while v2 waits on h2 to become healthy.
func duringRun(change func(*testing.T, *site)) func(*testing.T, *lab, row) {
	return func(t *testing.T, l *lab, r row) {
		s := l.site(t, "h1", "h2", "h3")
		s.build(t, "v2")
		h2 := s.Machine(t, "h2")
		release := s.hold(t, h2, asked)
		under := s.begin(t, "v2", nil, "--order", "rolling", "--health-deadline", "60s")
		s.comes(t, h2, asked)
		change(t, s)
		release()
		r.requireSaid(t, under.wait(t))
		if len(s.listed(t)) == 0 {
			s.list(t, "h1", "h2", "h3")
		}
		for _, m := range s.listed(t) {
			require.Equal(t, "v2", s.requireWhole(t, m), m.Name)
		}
		s.requireConverges(t, "v2")
	}
}
