package report_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"deliver/report"
	"deliver/rollout"
)

// said is what a scene writes below the heading of its stage, within the time
// that a line may wait for others, and after that.
func said(t *testing.T, opts report.Options, scene func(*script)) (at, later string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out := &paper{}
		opts.Out = out
		r := report.New(opts)
		all := names(1, 4)
		s := play(r).start(all...).enter("switch", all...)
		before := len(out.String())
		scene(s)
		at = out.String()[before:]
		<-time.After(3 * time.Second)
		later = out.String()[before+len(at):]
		r.Finish(outcome(rollout.OK, nil))
	})
	return at, later
}

func TestFoldingOfLines(t *testing.T) {
	t.Parallel()
	all := names(1, 4)
	tests := map[string]struct {
		scene     func(*script)
		at, later string
	}{
		"a line that all say is written when the last says it": {
			func(s *script) { s.do("restart", all...) },
			"[h[1-4]] restart ok, 3.2 s\n", "",
		},
		"a line that some say waits": {
			func(s *script) { s.begin("restart", all...).do("restart", "h3", "h1") },
			"", "[h1,h3] restart ok, 1.2 s\n",
		},
		"nobody waits for a host that failed": {
			func(s *script) {
				s.begin("restart", all...).fail("restart", "exit 1", "h4").do("restart", names(1, 3)...)
			},
			"[h4] restart FAILED: exit 1\n[h[1-3]] restart ok, 2.2 s\n", "",
		},
		"different lines are different": {
			func(s *script) {
				s.begin("restart", all...).fail("restart", "exit 1", "h1", "h2").fail("restart", "exit 2", "h3", "h4")
			},
			"[h1,h2] restart FAILED: exit 1\n[h3,h4] restart FAILED: exit 2\n", "",
		},
		"lines of a host keep their order": {
			func(s *script) {
				s.begin("switch", all...).message("h1", "hello", "").do("switch", all...).do("restart", "h1").message("h2", "hello", "")
			},
			"[h1] hello\n[h[1-4]] switch ok, 3.2 s\n", "[h1] restart ok\n[h2] hello\n",
		},
		"a line of the run does not overtake": {
			func(s *script) { s.begin("switch", all...).do("switch", "h1").message("", "pausing for 30s", "") },
			"[h1] switch ok\n       pausing for 30s\n", "",
		},
		"the next stage waits for nobody": {
			func(s *script) { s.begin("switch", all...).do("switch", "h1").enter("next", "h1") },
			"[h1] switch ok\n-----> Next (h1)\n", "",
		},
		"a host is taken back alone": {
			func(s *script) { s.begin("check", all...).fail("check", "bad answer", "h1").undo("h1") },
			"", "[h1] check FAILED: bad answer\n[h1] switch back ok\n[h1] restart ok\n[h1] rolled back\n",
		},
		"the fleet is taken back": {
			func(s *script) { s.enter(rollout.StageUndo, "h2", "h1").undo("h2", "h1") },
			"-----> Rollback (h1,h2)\n[h1,h2] switch back ok, 1.2 s\n[h1,h2] restart ok, 1.2 s\n[h1,h2] rolled back\n", "",
		},
		"a warning": {
			func(s *script) { s.message("", "the hosts could not be listed again", "exit 255") },
			"       the hosts could not be listed again: exit 255\n", "",
		},
		"empty lines at the end of a text are none": {
			func(s *script) { s.message("", "one\n\ntwo\n\n", "") },
			"       one\n\n       two\n", "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, later := said(t, report.Options{}, test.scene)
			assert.Equal(t, test.at, at, "at once")
			assert.Equal(t, test.later, later, "later")
		})
	}
}

func TestHowMuchIsSaid(t *testing.T) {
	t.Parallel()
	all := names(1, 4)
	scene := func(s *script) {
		s.do("switch", all...).message("h1", "hello", "").begin("check", all...).fail("check", "bad answer", all...)
	}
	const bad = "[h[1-4]] check FAILED: bad answer\n"
	tests := map[string]struct {
		opts report.Options
		want string
	}{
		"usually": {report.Options{}, "[h[1-4]] switch ok, 3.2 s\n[h1] hello\n" + bad},
		"compact": {report.Options{Compact: true}, "[h1] hello\n" + bad},
		"verbose": {report.Options{Verbose: true}, "[h[1-4]] switch ...\n[h[1-4]] switch ok, 3.2 s\n[h1] hello\n[h[1-4]] check ...\n" + bad},
		"colours": {report.Options{Color: true}, strings.Join([]string{
			"[h[1-4]] \x1b[32mswitch ok, 3.2 s\x1b[0m", "[h1] hello", "[h[1-4]] \x1b[1;31mcheck FAILED: bad answer\x1b[0m", "",
		}, "\n")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, later := said(t, test.opts, scene)
			assert.Equal(t, test.want, at+later)
		})
	}
}

func TestProgressOfASlowStage(t *testing.T) {
	t.Parallel()
	all := names(1, 4)
	tests := map[string]struct {
		opts  report.Options
		scene func(*script)
		want  string
	}{
		"each quarter is said once": {
			report.Options{},
			func(s *script) { s.at(10, 100, all...).after(time.Minute).at(80, 100, all...) },
			"       receive 25%, slowest h2 at 10.0 B of 100.0 B\n       receive 50%, slowest h4 at 10.0 B of 100.0 B\n       receive 75%, slowest h1 at 80.0 B of 100.0 B\n",
		},
		"a host that is done counts whole": {
			report.Options{},
			func(s *script) {
				s.do("receive", "h1", "h2", "h3").pass("h1", "h2", "h3").after(time.Minute).at(10, 100, "h4")
			},
			"[h[1-3]] receive ok, 2.2 s\n       receive 75%, slowest h4 at 10.0 B of 100.0 B\n",
		},
		"nobody knows how much": {
			report.Options{}, func(s *script) { s.after(time.Minute).at(500, 0, all...) }, "",
		},
		"compact":             {report.Options{Compact: true}, func(s *script) { s.after(time.Minute).at(80, 100, all...) }, ""},
		"bars say it better":  {report.Options{Bars: true}, func(s *script) { s.after(time.Minute).at(80, 100, all...) }, ""},
		"all of it is an end": {report.Options{}, func(s *script) { s.after(time.Minute).at(100, 100, "h1", "h2", "h3").at(100, 100, "h4") }, "       receive 25%, slowest h2 at 0.0 B\n       receive 50%, slowest h3 at 0.0 B\n       receive 75%, slowest h4 at 0.0 B\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out := &paper{}
				test.opts.Out = out
				r := report.New(test.opts)
				s := play(r).start(all...).enter("ship", all...).begin("receive", all...)
				test.scene(s)
				r.Finish(outcome(rollout.OK, nil))
				_, below, _ := strings.Cut(onTerminal(t, out.String()), "(h[1-4])\n")
				below, _, _ = strings.Cut(below, "\n DELIVERED!")
				below, _, _ = strings.Cut(below, "ship  0/4")
				assert.Equal(t, test.want, below)
			})
		})
	}
}
