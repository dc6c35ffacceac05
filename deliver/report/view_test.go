package report_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/report"
	"deliver/rollout"
)

// picture is what is drawn, below the lines that stay, after a scene.
func picture(t *testing.T, width, height int, scene func(*script)) string {
	t.Helper()
	var last string
	synctest.Test(t, func(t *testing.T) {
		out := &paper{}
		r := report.New(report.Options{Out: out, Bars: true, Width: width, Height: height})
		scene(play(r))
		<-time.After(1100 * time.Millisecond) // the second frame stands alone
		writes := out.all()
		last = frames.ReplaceAllString(writes[len(writes)-1], "")
		r.Finish(outcome(rollout.OK, nil))
	})
	return "\n" + last
}

func TestPictures(t *testing.T) {
	t.Parallel()
	two := names(1, 2)
	tests := map[string]struct {
		scene func(*script)
		want  string
	}{
		"nothing yet": {func(*script) {}, `

`},
		"hosts are known, no stage": {func(s *script) { s.start(two...) }, `

h1    waiting
h2    waiting
`},
		"a step that just began": {func(s *script) { s.start(two...).enter("preflight", two...).begin("look", "h1") }, `
preflight  0/2  0:01
h1    look
h2    waiting
`},
		"a step that takes some time": {func(s *script) {
			s.after(-2*time.Hour).start(two...).enter("switch 1/2", two...).after(time.Hour).begin("restart", "h1").after(30*time.Minute).begin("restart", "h2")
		}, `
switch 1/2  0/2  2:00:01
h1    restart  1:00:01
h2    restart  30:01
`},
		"bytes": {func(s *script) {
			s.start(two...).enter("ship", two...).begin("receive", two...).at(0, 1e6, "h1").at(500_000, 1e6, "h2")
		}, `
ship  0/2  0:01
h1    receive  [--------------------------------------] 0.0 B/1.0 MB
h2    receive  [==================>-------------------] 500.0 KB/1.0 MB
`},
		"all bytes": {func(s *script) { s.start("h1").enter("ship", "h1").begin("receive", "h1").at(1e6, 1e6, "h1") }, `
ship  0/1  0:01
h1    receive  [======================================] 1.0 MB/1.0 MB
`},
		"more bytes than thought": {func(s *script) { s.start("h1").enter("ship", "h1").begin("receive", "h1").at(3e6, 1e6, "h1") }, `
ship  0/1  0:01
h1    receive  [======================================] 3.0 MB/1.0 MB
`},
		"bytes of nobody knows how many": {func(s *script) { s.start("h1").enter("ship", "h1").begin("receive", "h1").at(3e6, 0, "h1") }, `
ship  0/1  0:01
h1    receive
`},
		"the next step has no bytes of the one before": {func(s *script) {
			s.start("h1").enter("ship", "h1").begin("receive", "h1").at(3e6, 9e6, "h1").begin("verify", "h1")
		}, `
ship  0/1  0:01
h1    verify
`},
		"passed": {func(s *script) { s.start(two...).enter("ship", two...).do("receive", two...).pass("h2") }, `
ship  1/2  0:01
h1    receive
h2    ship ok  4.2 s
`},
		"the number of the batch is not of the state": {func(s *script) {
			s.start(two...).enter("switch 1/2", "h1").do("check", "h1").pass("h1").enter("settle: switch 1/1", "h2").pass("h2")
		}, `
settle: switch 1/1  1/1  0:01
h1    switch ok  4.2 s
h2    switch ok  4.2 s
`},
		"failed": {func(s *script) {
			s.start(two...).enter("switch", two...).begin("check", two...).fail("check", "bad answer: 500\nInternal Server Error", "h1")
		}, `
switch  1/2  0:01
h1    FAILED   check: bad answer: 500
h2    check
`},
		"being rolled back": {func(s *script) {
			s.start(two...).enter("switch", two...).fail("check", "bad answer", "h1")
			s.tell(rollout.Event{Kind: rollout.UndoStarted, Host: "h1"}).after(-10*time.Second).begin("restart", "h1")
		}, `
switch  0/2  0:01
h1    restart  rolling back 0:11
h2    waiting
`},
		"rolled back": {func(s *script) {
			s.start(two...).enter("switch", two...).fail("check", "bad answer", "h1").undo("h1", "h2").aside("h1")
		}, `
switch  2/2  0:01
h1    rolled back  check: bad answer
h2    rolled back
`},
		"waiting to be rolled back": {func(s *script) {
			s.start(two...).enter("switch", two...).do("check", two...).pass(two...).enter(rollout.StageUndo, two...).undo("h2")
		}, `
rollback  1/2  0:01
h1    waiting
h2    rolled back
`},
		"set aside": {func(s *script) {
			s.start(two...).enter("preflight", two...).fail("look", "no route to host", "h1").aside("h1").enter("ship", "h2")
		}, `
ship  0/1  0:01
h1    FAILED   look: no route to host
h2    waiting
`},
		"the first error is kept": {func(s *script) {
			s.start("h1").enter("switch", "h1").fail("check", "bad answer", "h1").fail("restart", "exit 1", "h1")
			s.tell(rollout.Event{Kind: rollout.UndoFailed, Host: "h1", Step: "restart", Error: "exit 1"})
		}, `
switch  1/1  0:01
h1    ROLLBACK FAILED  check: bad answer
`},
		"a host born meanwhile": {func(s *script) {
			s.start("h1").enter("switch", "h1").do("check", "h1").pass("h1").enter("settle: preflight", "h2").begin("look", "h2")
		}, `
settle: preflight  0/1  0:01
h1    switch ok  4.2 s
h2    look
`},
		"a host that nobody announced": {func(s *script) { s.start("h1").begin("look", "h2") }, `

h1    waiting
h2    look
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, picture(t, 80, 24, test.scene))
		})
	}
}

func TestTheMeterFitsItsWidth(t *testing.T) {
	t.Parallel()
	tests := map[int]string{ // width → row
		120: "h1    receive  [=========>----------------------------] 12.3 MB/49.2 MB",
		80:  "h1    receive  [=========>----------------------------] 12.3 MB/49.2 MB",
		60:  "h1    receive  [=====>-----------------] 12.3 MB/49.2 MB",
		46:  "h1    receive  [=>-------] 12.3 MB/49.2 MB",
		40:  "h1    receive  [===>-------------]  25%",
		30:  "h1    receive  [=>-----]  25%",
		26:  "h1    receive   25%",
		24:  "h1    receive   25%",
		18:  "h1    receive   2",
	}
	for width, want := range tests {
		got := picture(t, width, 24, func(s *script) {
			s.start("h1").enter("ship", "h1").begin("receive", "h1").at(12_300_000, 49_200_000, "h1")
		})
		_, row, _ := strings.Cut(strings.TrimPrefix(got, "\n"), "\n")
		assert.Equal(t, want, strings.TrimRight(strings.TrimSuffix(row, "\n"), " ."), "%d columns", width)
	}
}

func TestTheDomainThatAllShareIsNotDrawn(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // hosts → names drawn
		"h1.example.com h2.example.com":           "h1 h2",
		"h1.a.example.com h2.b.example.com":       "h1.a h2.b",
		"h1.example.com h2.example.org":           "h1.example.com h2.example.org",
		"h1.example.com h2":                       "h1.example.com h2",
		"h1.example.com":                          "h1.example.com",
		"10.0.0.1 10.0.1.1":                       "10.0.0.1 10.0.1.1",
		"app@h1.example.com app@h2.example.com":   "h1 h2",
		"app@h1.example.com root@h1.example.com":  "app@h1 root@h1",
		"h1.example.com:2201 h2.example.com:2202": "h1.example.com:2201 h2.example.com:2202",
	}
	for hosts, want := range tests {
		all := strings.Fields(hosts)
		got := picture(t, 80, 24, func(s *script) { s.start(all...).enter("ship", all...) })
		var drawn []string
		for line := range strings.Lines(got) {
			if name, ok := strings.CutSuffix(strings.TrimSpace(line), "waiting"); ok {
				drawn = append(drawn, strings.TrimSpace(name))
			}
		}
		assert.Equal(t, strings.Fields(want), drawn)
	}
}

func TestLongNamesKeepTheirEnds(t *testing.T) {
	t.Parallel()
	all := []string{"frontend-production-blue-eu-west-1a", "frontend-production-blue-eu-west-1b"}
	got := picture(t, 60, 24, func(s *script) { s.start(all...).enter("ship", all...) })
	assert.Equal(t, `
ship  0/2  0:01
frontend..u-west-1a  waiting
frontend..u-west-1b  waiting
`, got)
}

func TestManyHostsAreFolded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		hosts, height int
		folded        bool
	}{
		{20, 24, false},
		{21, 24, true},
		{20, 100, false},
		{21, 100, true},
		{11, 15, false},
		{12, 15, true},
		{1, 3, false},
		{2, 3, true},
		{2, 1, true},
	}
	for _, test := range tests {
		all := names(1, test.hosts)
		got := picture(t, 80, test.height, func(s *script) { s.start(all...).enter("ship", all...).begin("receive", all...) })
		rows := strings.Count(got, "\n") - 2
		if test.folded {
			assert.Equal(t, 1, rows, "%+v", test)
			assert.Contains(t, got, fmt.Sprintf("receive %5d  h", test.hosts))
		} else {
			assert.Equal(t, test.hosts, rows, "%+v", test)
		}
	}
}

func TestFoldedPictures(t *testing.T) {
	t.Parallel()
	all := names(1, 100)
	tests := map[string]struct {
		height int
		scene  func(*script)
		want   string
	}{
		"states in the order in which they are passed": {24, func(s *script) {
			s.enter("switch", all...).do("check", all[:50]...).pass(all[:50]...).begin("restart", all[50:60]...).begin("drain", all[60:70]...)
		}, `
switch  50/100  0:01
waiting      30  h[71-100]
restart      10  h[51-60]
drain        10  h[61-70]
switch ok    50  h[1-50]
`},
		"bytes of those that receive": {24, func(s *script) {
			s.enter("ship", all...).begin("receive", all[:40]...).at(1e6, 4e6, all[:20]...).at(3e6, 4e6, all[20:40]...)
		}, `
ship  0/100  0:01
waiting    60  h[41-100]
receive    40  [==================>-------------------] 80.0 MB/160.0 MB
`},
		"hosts that failed for the same reason are one row": {24, func(s *script) {
			s.enter("switch", all...).do("check", all[9:]...).pass(all[9:]...).fail("check", "bad answer", all[:5]...).fail("restart", "exit 1", all[5:9]...)
		}, `
switch  100/100  0:01
switch ok    91  h[10-100]
h[1-5]  FAILED  check: bad answer
h[6-9]  FAILED  restart: exit 1
`},
		"hosts that were taken back with the others are no failures": {24, func(s *script) {
			s.enter("switch", all...).fail("check", "bad answer", "h3").undo(all...)
		}, `
switch  100/100  0:01
rolled back    99  h[1,2,4-100]
h3    rolled back  check: bad answer
`},
		"there is always room for some of both": {9, func(s *script) {
			s.enter("switch", all...).do("check", all[:50]...).pass(all[:50]...)
			for i, h := range all[50:70] {
				s.begin(fmt.Sprintf("step %d", i), h)
			}
			for i, h := range all[70:] {
				s.fail("check", fmt.Sprintf("answer %d", i), h)
			}
		}, `
switch  80/100  0:01
step 0        1  h51
step 1        1  h52
step 2        1  h53
h71   FAILED  check: answer 0
and 29 more that failed
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, picture(t, 80, test.height, func(s *script) { test.scene(s.start(all...)) }))
		})
	}
}

func TestWhatIsSaidStaysAboveTheBars(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &paper{}
		r := report.New(report.Options{Out: out, Bars: true})
		s := play(r).start("h1", "h2").enter("switch", "h1", "h2")
		var want []string
		for n := range 50 {
			s.message("", fmt.Sprintf("line %d", n), "")
			want = append(want, fmt.Sprintf("       line %d", n))
			<-time.After(100 * time.Millisecond)
		}
		r.Finish(outcome(rollout.OK, nil))
		shown := strings.Split(onTerminal(t, out.String()), "\n")
		at := slices.Index(shown, want[0])
		require.Positive(t, at)
		assert.Equal(t, want, shown[at:at+50])
		assert.Equal(t, "h1    waiting", shown[at+51], "the bars of a small fleet stay")
	})
}

func TestBarsShowTheStepsThatGoWell(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		opts report.Options
		says bool
	}{{report.Options{Bars: true}, false}, {report.Options{Bars: true, Verbose: true}, true}, {report.Options{Bars: true, Compact: true}, false}} {
		out := &paper{}
		test.opts.Out = out
		r := report.New(test.opts)
		good(r)
		r.Finish(outcome(rollout.OK, nil))
		assert.Equal(t, test.says, strings.Contains(out.String(), "[h[1-4]] receive ok"))
		assert.Contains(t, out.String(), "[h1] migrated\n[h1] 3 tables\n")
	}
}

func TestTenThousandHostsAreShown(t *testing.T) {
	t.Parallel()
	for _, opts := range []report.Options{{}, {Bars: true}} {
		out := &paper{}
		opts.Out = out
		r := report.New(opts)
		r.Finish(fleetOf(10_000, r.Handle).Run(t.Context()))
		assert.Contains(t, out.String(), "h7")
		assert.Less(t, len(out.String()), 1<<20, "what is written does not grow with the fleet")
	}
}

func TestATerminalThatIsMadeSmaller(t *testing.T) {
	t.Parallel()
	screen, program := pty(t, 100, 40)
	shown := &paper{}
	var reading sync.WaitGroup
	reading.Go(func() {
		_, _ = io.Copy(shown, screen) // ends with an error when the program's side is closed
	})
	rep := report.New(report.Options{Out: program, Bars: true})
	all := names(1, 15)
	play(rep).start(all...).enter("ship", all...).begin("receive", all...).at(1, 2, all...)
	appears := func(what string) {
		require.Eventually(t, func() bool { return strings.Contains(shown.String(), what) }, 20*time.Second, 10*time.Millisecond, what)
	}
	appears("h15   receive  [====") // there is room for all
	require.NoError(t, unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 12, Col: 40}))
	appears("receive    15  [")
	rep.Finish(outcome(rollout.OK, nil))
	require.NoError(t, program.Close())
	reading.Wait()
}
