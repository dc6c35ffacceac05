package dispatch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"autobuilder/build"
)

func TestARequestThatIsLostIsSentAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.ci.deaf = 1
	s.run()
	s.push("one")
	s.reaches(0, build.Running)
	assert.Equal(t, 1, s.ci.count())
	assert.Equal(t, 2, s.ci.asked)
}

func TestAnAnswerThatIsLostDoesNotBuildTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.ci.mute = 1
	s.ci.late = 2 // and at first it is in neither of Jenkins' lists
	s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.ci.finish("SUCCESS")
	s.reaches(0, build.Succeeded)
	assert.Equal(t, 1, s.ci.asked)
	assert.Equal(t, 1, s.ci.count())
}

func TestAJenkinsThatIsDownIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.ci.down = true
	s.run()
	s.push("one")
	s.eventually(func() bool {
		all := s.builds()
		return len(all) == 1 && all[0].Why != ""
	}, "the ledger says what the build waits for")
	assert.Contains(t, s.builds()[0].Why, "connection reset by peer")
	s.ci.set(func(c *ci) { c.down = false })
	s.reaches(0, build.Running)
	s.ci.set(func(c *ci) { c.down = true })
	s.eventually(func() bool { return s.builds()[0].Why != "" }, "the ledger says that Jenkins is away")
	assert.Equal(t, build.Running, s.builds()[0].State)
	s.ci.set(func(c *ci) { c.down = false })
	s.ci.finish("SUCCESS")
	b := s.reaches(0, build.Succeeded)
	assert.Empty(t, b.Why)
	assert.Equal(t, 1, s.ci.count())
}

func TestAJobThatIsMissingIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.ci.noJob = true
	s.run()
	s.push("one")
	s.eventually(func() bool {
		all := s.builds()
		return len(all) == 1 && all[0].State == build.Queued && all[0].Why != ""
	}, "the ledger says what the build waits for")
	assert.Contains(t, s.builds()[0].Why, "no such job in jenkins")
	s.ci.set(func(c *ci) { c.noJob = false })
	b := s.reaches(0, build.Running)
	assert.Empty(t, b.Why)
}

func TestARefusalHoldsTheBuildAndANewerOneTakesItsPlace(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.ci.refused = fmt.Errorf("%w: user bot may not build", build.ErrRefused)
	s.run()
	s.push("one")
	s.eventually(func() bool {
		all := s.builds()
		return len(all) == 1 && all[0].State == build.Queued && all[0].Why != ""
	}, "it is said")
	assert.Contains(t, s.builds()[0].Why, "user bot may not build")
	two := s.push("two")
	s.reaches(0, build.Superseded)
	s.ci.set(func(c *ci) { c.refused = nil })
	s.reaches(1, build.Running)
	assert.Equal(t, []string{two}, s.ci.commits())
}

func TestWhatWaitsInJenkinsSaysWhy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.ci.paused = true
	s.run()
	s.push("one")
	s.eventually(func() bool {
		all := s.builds()
		return len(all) == 1 && all[0].Why == "Waiting for next available executor"
	}, "the reason is Jenkins'")
	assert.Equal(t, build.Triggered, s.builds()[0].State)
	s.ci.resume()
	b := s.reaches(0, build.Running)
	assert.Empty(t, b.Why)
	assert.Equal(t, 1, b.Taken)
}

func TestAJenkinsThatForgetsItsQueueIsAskedOnceMore(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.ci.paused = true
	s.run()
	s.push("one")
	s.eventually(func() bool { return len(s.builds()) == 1 && s.builds()[0].Accepted }, "Jenkins has it")
	s.ci.forget()
	s.eventually(func() bool { return s.ci.count() == 1 && s.builds()[0].Taken == 2 }, "it is sent again")
	s.ci.forget() // gone again: somebody does not want it
	b := s.reaches(0, build.Aborted)
	assert.Contains(t, b.Why, "taken as cancelled there")
	assert.Equal(t, 2, s.ci.asked)
}

func TestABuildWhoseRecordIsGoneIsLost(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.ci.forget()
	b := s.reaches(0, build.Lost)
	assert.Equal(t, "jenkins does not know #1 any more", b.Why)
	assert.Equal(t, 1, s.ci.asked, "it may have run: it is not for autobuilder to run it again")
}

func TestWhatJenkinsCallsLostIsLost(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run()
	s.push("one")
	s.reaches(0, build.Running)
	s.ci.set(func(c *ci) {
		c.runs[0].state = build.Run{Number: 1, Result: "FAILURE", Lost: true, Why: "it went down while the build ran"}
	})
	b := s.reaches(0, build.Lost)
	assert.Equal(t, "it went down while the build ran", b.Why)
}

func TestResults(t *testing.T) {
	t.Parallel()
	for result, state := range map[string]build.State{
		"SUCCESS": build.Succeeded, "FAILURE": build.Failed, "UNSTABLE": build.Failed, "ABORTED": build.Aborted,
	} {
		t.Run(result, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.run()
			s.push("one")
			s.reaches(0, build.Running)
			s.ci.finish(result)
			s.reaches(0, state)
		})
	}
}

func TestABuildThatTakesTooLongIsStopped(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(p *build.Project) { p.Timeout = 50 * time.Millisecond })
	s.run()
	s.push("one")
	b := s.reaches(0, build.Aborted)
	assert.Equal(t, "it ran longer than the project's timeout, 50ms, and was stopped", b.Why)
	assert.GreaterOrEqual(t, b.Ended.Sub(b.Started), 50*time.Millisecond)
	s.push("two")
	s.reaches(1, build.Running)
}
