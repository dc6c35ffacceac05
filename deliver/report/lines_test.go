package report_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/report"
	"deliver/rollout"
)

var errNoAnswer = hinted{"nothing answers on port 3000", "is the app listening on $PORT?"}

// good is a rollout that goes well, in two batches.
func good(to handler) {
	all := names(1, 4)
	s := play(to).start(all...)
	s.enter("preflight", all...).do("look", all...).pass(all...)
	s.enter("ship", all...).begin("receive", all...).at(5e6, 20e6, all...)
	s.tell(rollout.Event{Kind: rollout.StepDone, Host: "", Step: "pre_ship"})
	s.do("receive", all...).pass(all...)
	s.enter("switch 1/2", "h1").do("switch", "h1").do("restart", "h1").message("h1", "migrated\n3 tables", "").do("check", "h1").pass("h1")
	s.message("", "pausing for 30s", "")
	s.enter("switch 2/2", "h2", "h3", "h4").do("switch", "h2", "h3", "h4").do("restart", "h4", "h3", "h2").do("check", "h2", "h3", "h4")
	s.pass("h2", "h3", "h4")
	s.tell(rollout.Event{Kind: rollout.RunDone, Result: "ok"})
}

// bad is a rollout of which a batch fails and all is taken back.
func bad(to handler) {
	all := names(1, 6)
	s := play(to).start(all...)
	s.enter("preflight", all...).do("look", names(1, 5)...).begin("look", "h6").fail("look", "h6: connection refused", "h6").aside("h6")
	s.enter("switch 1/2", "h1", "h2").do("switch", "h1", "h2").do("check", "h1", "h2").pass("h1", "h2")
	s.enter("switch 2/2", "h3", "h4", "h5").do("switch", "h3", "h4", "h5").begin("check", "h3", "h4", "h5")
	s.fail("check", errNoAnswer.Error(), "h3", "h4").undo("h3", "h4").aside("h3", "h4").do("check", "h5").pass("h5")
	s.enter(rollout.StageUndo, "h5", "h2", "h1").undo("h5", "h2")
	s.begin("restart", "h1").fail("restart", "exit 1\nno such unit", "h1")
	s.tell(rollout.Event{Kind: rollout.UndoFailed, Host: "h1", Step: "restart", Error: "exit 1\nno such unit"})
}

func badOutcome() rollout.Outcome {
	lost := failed(rollout.HostUndoFailed, "", nil, "h1")
	lost[0].UndoErr = errors.New("restart: exit 1\nno such unit")
	return outcome(
		rollout.Failed, errors.New("3 of 6 hosts failed; max-failures is 1; not every host could be put back"),
		slices.Concat(
			lost, each(rollout.HostRolledBack, "h2", "h5"), failed(rollout.HostRolledBack, "check", errNoAnswer, "h3", "h4"),
			failed(rollout.HostAside, "look", errors.New("h6: connection refused"), "h6"),
		)...,
	)
}

func TestLines(t *testing.T) {
	t.Parallel()
	goodOutcome := outcome(rollout.OK, nil, each(rollout.HostOK, names(1, 4)...)...)
	tests := map[string]struct {
		opts    report.Options
		play    func(handler)
		outcome rollout.Outcome
	}{
		"good":         {report.Options{}, good, goodOutcome},
		"good-compact": {report.Options{Compact: true}, good, goodOutcome},
		"good-verbose": {report.Options{Verbose: true}, good, goodOutcome},
		"good-color":   {report.Options{Color: true}, good, goodOutcome},
		"bad":          {report.Options{}, bad, badOutcome()},
		"bad-compact":  {report.Options{Compact: true}, bad, badOutcome()},
		"bad-color":    {report.Options{Color: true}, bad, badOutcome()},
		"rollback-command": {
			report.Options{Doing: "ROLLING BACK", Done: "ROLLED BACK"},
			func(h handler) { play(h).start("h1") },
			outcome(rollout.OK, nil, each(rollout.HostOK, "h1")...),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := &paper{}
			test.opts.Out, test.opts.App, test.opts.Strategy, test.opts.Hint = out, "dashboard", "tarball", hintOf
			r := report.New(test.opts)
			test.play(r)
			r.Finish(test.outcome)
			golden(t, "lines-"+name, out.String())
		})
	}
}

func TestEndings(t *testing.T) {
	t.Parallel()
	tests := map[string]rollout.Outcome{
		"partial": outcome(rollout.Partial, nil, slices.Concat(
			each(rollout.HostOK, names(1, 8)...), failed(rollout.HostAside, "connect", errors.New("no route to host"), "h9"),
			failed(rollout.HostGone, "check", errors.New("connection lost"), "h10"),
		)...),
		"rolled-back": outcome(rollout.RolledBack, errors.New("1 of 4 hosts failed; max-failures is 0"), slices.Concat(
			each(rollout.HostRolledBack, "h1", "h2"), failed(rollout.HostRolledBack, "check", errNoAnswer, "h3"),
			each(rollout.HostUntouched, "h4"),
		)...),
		"stopped": outcome(rollout.Stopped, errors.New("1 of 3 hosts failed; max-failures is 0"), slices.Concat(
			each(rollout.HostOK, "h1"), failed(rollout.HostFailed, "check", errNoAnswer, "h2"), each(rollout.HostUntouched, "h3"),
		)...),
		"interrupted": outcome(rollout.Interrupted, errors.New("interrupted: SIGINT"), slices.Concat(
			each(rollout.HostOK, "h1"), failed(rollout.HostUntouched, "receive", errors.New("interrupted"), "h2", "h3"),
		)...),
		"refused":  outcome(rollout.Refused, errors.New("h1: refused: it runs v1.3.0, which is newer")),
		"no-hosts": outcome(rollout.Refused, errors.New("refused: there are no hosts")),
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := &paper{}
			r := report.New(report.Options{Out: out, App: "dashboard", Strategy: "tarball", Hint: hintOf})
			r.Finish(o)
			golden(t, "ending-"+name, out.String())
			assert.Len(t, out.all(), 1)
		})
	}
}

func TestTheLastLinesNameEveryHostThatIsNotRight(t *testing.T) {
	t.Parallel()
	out := &paper{}
	r := report.New(report.Options{Out: out, App: "a", Strategy: "s"})
	bad(r)
	r.Finish(badOutcome())
	last := out.all()[len(out.all())-1]
	for _, host := range []string{"h1]", "[h2,h5]", "[h3,h4]", "[h6]"} {
		assert.Contains(t, last, host)
	}
	assert.True(t, strings.HasSuffix(last, " in 1 min 5 s\n"))
}

func TestSlowShippingIsToldAtQuarters(t *testing.T) {
	t.Parallel()
	out := &paper{}
	s := play(report.New(report.Options{Out: out})).start("h1", "h2").enter("ship", "h1", "h2").begin("receive", "h1", "h2")
	for done := int64(0); done <= 100; done++ {
		s.after(time.Second).at(done*1e6, 100e6, "h1").at(done*5e5, 100e6, "h2")
	}
	assert.Equal(t, []string{
		"       receive 25%, slowest h2 at 16.5 MB of 100.0 MB\n",
		"       receive 50%, slowest h2 at 33.0 MB of 100.0 MB\n",
		"       receive 75%, slowest h2 at 50.0 MB of 100.0 MB\n",
	}, out.all()[2:])
}

func TestFastShippingIsNotTold(t *testing.T) {
	t.Parallel()
	out := &paper{}
	s := play(report.New(report.Options{Out: out})).start("h1").enter("ship", "h1").begin("receive", "h1")
	for done := int64(0); done <= 100; done++ {
		s.after(90*time.Millisecond).at(done, 100, "h1")
	}
	assert.Len(t, out.all(), 2, "the title and the stage")
}

func TestALineDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &paper{}
		r := report.New(report.Options{Out: out})
		s := play(r).start("h1", "h2", "h3").enter("switch", "h1", "h2", "h3")
		s.do("restart", "h1", "h2")
		assert.NotContains(t, out.String(), "restart")
		<-time.After(3 * time.Second)
		assert.Contains(t, out.String(), "[h1,h2] restart ok, 1.2 s\n")
		s.do("restart", "h3")
		<-time.After(3 * time.Second)
		assert.Contains(t, out.String(), "[h3] restart ok\n")
		r.Finish(outcome(rollout.OK, nil, each(rollout.HostOK, "h1", "h2", "h3")...))
		written := out.String()
		s.do("check", "h1")
		<-time.After(3 * time.Second)
		assert.Equal(t, written, out.String(), "nothing after Finish")
	})
}

func TestLinesAreNeverTorn(t *testing.T) {
	t.Parallel()
	out := &paper{}
	r := report.New(report.Options{Out: out, Verbose: true})
	all := names(1, 20)
	play(r).start(all...).enter("switch", all...)
	var everybody sync.WaitGroup
	for _, h := range all {
		everybody.Go(func() {
			s := play(r)
			s.stage = "switch"
			for n := range 20 {
				s.do(fmt.Sprintf("step%d", n), h).message(h, "a\nb of "+h, "")
			}
		})
	}
	everybody.Wait()
	r.Finish(outcome(rollout.OK, nil, each(rollout.HostOK, all...)...))
	for _, text := range out.all() {
		assert.True(t, strings.HasSuffix(text, "\n"), "%q", text)
	}
	for line := range strings.Lines(out.String()) {
		assert.NotContains(t, line[1:], "[h[", line)
	}
}

func TestAPipeGetsNoTerminalSequences(t *testing.T) {
	t.Parallel()
	dirty := "\x1b[31mred\x1b[0m 50%\r100%\r\n\x1b]0;title\a\x1b(Bdone\x00\x7f \u202eevil \x1b[2J\x9b1m\x1b"
	out := &paper{}
	r := report.New(report.Options{Out: out, App: dirty, Strategy: dirty})
	s := play(r).start("h1", "h2").enter("ship"+dirty, "h1", "h2").message("h1", dirty, "").message("", dirty, dirty)
	s.do(dirty, "h1", "h2").fail("check", dirty, "h1")
	r.Finish(outcome(rollout.Failed, errors.New(dirty), failed(rollout.HostFailed, "check", errors.New(dirty), "h1")...))
	text := out.String()
	for _, c := range []string{"\x1b", "\r", "\a", "\x00", "\x7f", "\u202e", "\u009b"} {
		assert.NotContains(t, text, c)
	}
	assert.Contains(t, text, "[h1] red 50%\n[h1] 100%\n[h1] done evil")
}

func TestHostsAreNamedWithoutTheirUserWhereThatIsClear(t *testing.T) {
	t.Parallel()
	out := &paper{}
	r := report.New(report.Options{Out: out})
	play(r).start("app@h1:2201", "app@h2:2202", "app@h3", "root@h3").enter("ship", "app@h1:2201", "app@h2:2202", "app@h3", "root@h3")
	assert.Contains(t, out.String(), "(app@h3,h1:2201,h2:2202,root@h3)")
}

func TestALostDisplayEndsNothing(t *testing.T) {
	t.Parallel()
	r := report.New(report.Options{Out: brokenPipe{}})
	good(r)
	r.Finish(badOutcome())
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestReporterListensToARollout(t *testing.T) {
	t.Parallel()
	out := &paper{}
	rep := report.New(report.Options{Out: out, App: "dashboard", Strategy: "tarball"})
	o := fleetOf(50, rep.Handle).Run(t.Context())
	rep.Finish(o)
	require.Equal(t, rollout.RolledBack, o.Result)
	assert.Contains(t, out.String(), "[h[1-50]] look ok\n")
	assert.Contains(t, out.String(), "[h7] rolled back: check: nothing answers\n")
	assert.Contains(t, out.all()[len(out.all())-1], "DASHBOARD NOT DELIVERED: ROLLED BACK\n")
}
