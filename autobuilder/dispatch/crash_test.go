package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

func TestEveryStopIsFollowedByOneBuild(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		at   func(s *stage, stop func())
	}{
		{"before the delivery is decided", func(s *stage, stop func()) { stop() }},
		{"written as triggered, not sent", func(s *stage, stop func()) {
			s.ci.deaf, s.ci.onSend = 1, s.stopHere(stop)
		}},
		{"sent, not acknowledged", func(s *stage, stop func()) {
			s.ci.mute, s.ci.after = 1, s.stopHere(stop)
		}},
		{"acknowledged, not written", func(s *stage, stop func()) {
			s.ci.after = s.stopHere(stop)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			stop := s.run()
			test.at(s, stop)
			commit := s.push("one")
			if s.ci.onSend != nil || s.ci.after != nil {
				s.eventually(func() bool { return s.halted.Load() }, "it stops there")
			}
			stop()
			s.ci.set(func(c *ci) { c.onSend, c.after, c.deaf, c.mute = nil, nil, 0, 0 })

			s.run()
			s.reaches(0, build.Running)
			s.ci.finish("SUCCESS")
			s.reaches(0, build.Succeeded)
			assert.Equal(t, []string{commit}, s.ci.commits())
			assert.Len(t, s.builds(), 1)
		})
	}
}

func TestARunIsFollowedOnAfterARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	stop := s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.push("two")
	s.reaches(1, build.Queued)
	stop()
	s.ci.finish("FAILURE")
	s.run()
	s.reaches(0, build.Failed)
	s.reaches(1, build.Running)
	assert.Equal(t, 2, s.ci.count())
}

func TestWhatCameWhileNobodyWorkedIsTakenUpAtTheStart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.push("one")
	s.push("two")
	commit := s.push("three")
	s.run()
	assert.Equal(t, ledger.Built, s.fate("d3").Verdict)
	s.eventually(func() bool {
		s.ci.finish("SUCCESS")
		open, err := s.book.Open(t.Context(), "shop")
		return err == nil && len(open) == 0
	}, "all is over")
	commits := s.ci.commits()
	assert.Equal(t, commit, commits[len(commits)-1], "the newest comes last")
}

func TestAProjectThatLeftTheConfigLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	stop := s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.push("two")
	s.reaches(1, build.Queued)
	stop()
	s.options.Projects = nil
	s.run()
	s.ci.finish("SUCCESS")
	s.reaches(0, build.Succeeded)
	b := s.reaches(1, build.Aborted)
	assert.Equal(t, "project shop is not in the config any more", b.Why)
}

func TestAClockThatWasSetBackHoldsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.commit("one")
	s.publish("master")
	s.tell("refs/heads/master", func(d *build.Delivery) { d.Received = time.Now().Add(24 * time.Hour) })
	s.eventually(func() bool { return s.ci.count() == 1 }, "it is built")
}

func TestOnlyOneDecisionHoldsWhenATagRacesWithTheStart(t *testing.T) {
	t.Parallel()
	for range 5 {
		s := newStage(t)
		s.run()
		s.push("one")
		s.tag("v1.0.0")
		s.publish("v1.0.0")
		fate := s.fate(s.tell("refs/tags/v1.0.0"))
		require.Equal(t, ledger.Joined, fate.Verdict)
		b := s.reaches(0, build.Running)
		assert.Equal(t, b.Tag, s.ci.params(0)["TAG"], "the ledger and Jenkins have the same tag")
		assert.Equal(t, 1, s.ci.count())
	}
}
