package report_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"

	"deliver/inventory"
	"deliver/report"
	"deliver/rollout"
)

// fleetOf is a rollout over n hosts of which the seventh fails.
func fleetOf(n int, listen func(rollout.Event)) *rollout.Rollout {
	step := func(name string) []rollout.Step {
		return []rollout.Step{{Name: name, Do: func(_ context.Context, h inventory.Host, tell *rollout.Teller) error {
			tell.Progress(1, 2)
			if name == "check" && h.Name == "h7" {
				return errors.New("nothing answers")
			}
			return nil
		}}}
	}
	r := &rollout.Rollout{
		ID: "d1", Listen: listen,
		Prepare: []rollout.Phase{{Name: "preflight", Steps: step("look")}},
		Switch:  rollout.Phase{Name: "switch", Steps: step("check"), Undo: step("switch back")},
	}
	for _, name := range names(1, n) {
		r.Hosts = append(r.Hosts, inventory.Host{Name: name})
	}
	return r
}

// filmed plays scenes on a terminal and gives what it shows after each.
func filmed(t *testing.T, opts report.Options, scenes ...func(*script)) string {
	t.Helper()
	var film strings.Builder
	synctest.Test(t, func(t *testing.T) {
		out := &paper{}
		opts.Out, opts.Bars, opts.App, opts.Strategy = out, true, "dashboard", "tarball"
		r := report.New(opts)
		s := play(r)
		for _, scene := range scenes {
			scene(s)
			<-time.After(time.Second)
			s.now = time.Now()
			fmt.Fprintf(&film, "%s%s\n", onTerminal(t, out.String()), strings.Repeat("~", 10))
		}
		r.Finish(badOutcome())
		film.WriteString(onTerminal(t, out.String()))
	})
	return film.String()
}

func long(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("app@ip-10-0-12-%d.eu-west-1.compute.internal", i+1))
	}
	return all
}

// story is a rollout over hosts in scenes: shipping, a batch that fails, what is left.
func story(all []string) []func(*script) {
	n := len(all)
	first, second := all[:n/2+1], all[n/2+1:]
	return []func(*script){
		func(s *script) {
			s.start(all...).enter("preflight", all...).do("look", all...).pass(all...)
			s.enter("ship", all...).begin("receive", all[1:]...).at(12_300_000, 49_200_000, all[1:]...)
		},
		func(s *script) {
			s.do("receive", all...).pass(all...)
			s.enter("switch 1/2", first...).do("switch", first...).begin("restart", first...)
		},
		func(s *script) { s.after(70 * time.Second) },
		func(s *script) {
			s.begin("check", first...).fail("check", errNoAnswer.Error(), first[1:]...).undo(first[1 : len(first)/2+1]...)
			s.do("check", first[0]).pass(first[0])
		},
		func(s *script) {
			s.enter("switch 2/2", second...).do("switch", second...)
			s.tell(rollout.Event{Kind: rollout.UndoFailed, Host: first[len(first)-1], Step: "restart", Error: "exit 1"})
		},
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		width, height int
		hosts         []string
		color         bool
	}{
		"3-on-80x24":       {80, 24, names(1, 3), false},
		"3-on-80x24-color": {80, 24, names(1, 3), true},
		"3-on-40x15-long":  {40, 15, long(3), false},
		"60-on-80x24":      {80, 24, names(1, 60), false},
		"60-on-40x15-long": {40, 15, long(60), false},
		"500-on-80x24":     {80, 24, names(1, 500), false},
		"500-on-40x15":     {40, 15, names(1, 500), false},
		"5-on-20x5":        {20, 5, names(1, 5), false},
		"20-on-200x60":     {200, 60, names(1, 20), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			film := filmed(t, report.Options{Width: test.width, Height: test.height, Color: test.color, Hint: hintOf}, story(test.hosts)...)
			golden(t, "bars-"+name, film)
		})
	}
}

func TestFramesFitTheTerminal(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][]string{names(1, 3), long(7), {"ホスト-1", "ホスト-2"}, long(300)} {
		for _, width := range []int{10, 20, 40, 80} {
			for _, height := range []int{3, 15, 100} {
				for _, frame := range drawn(t, width, height, hosts) {
					lines := strings.Split(strings.TrimSuffix(frame, "\n"), "\n")
					assert.LessOrEqual(t, len(lines), max(2, height-3), "%dx%d, %d hosts", width, height, len(hosts))
					for _, line := range lines {
						assert.Less(t, runewidth.StringWidth(line), width, "%q on %dx%d", line, width, height)
					}
				}
			}
		}
	}
}

// drawn is the frames of a story without the lines above them.
func drawn(t *testing.T, width, height int, hosts []string) (pictures []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out := &paper{}
		r := report.New(report.Options{Out: out, Bars: true, Width: width, Height: height})
		s := play(r)
		for _, scene := range story(hosts) {
			scene(s)
			<-time.After(400 * time.Millisecond) // what was said stands above the first frame only
		}
		for _, text := range out.all() {
			rest := frames.ReplaceAllString(text, "")
			if len(pictures) == 0 || !strings.Contains(rest, "----->") && !strings.Contains(rest, "[") {
				pictures = append(pictures, rest)
			}
		}
		pictures = pictures[1:]
		r.Finish(badOutcome())
	})
	return pictures
}

func TestARolloutOnATerminal(t *testing.T) {
	t.Parallel()
	out := &paper{}
	rep := report.New(report.Options{Out: out, Bars: true, Width: 80, Height: 24, App: "dashboard", Strategy: "tarball"})
	rep.Finish(fleetOf(200, rep.Handle).Run(t.Context()))
	screen := onTerminal(t, out.String())
	assert.Contains(t, screen, "DELIVERING DASHBOARD WITH TARBALL STRATEGY")
	assert.Contains(t, screen, "[h7] check FAILED: nothing answers\n")
	assert.Contains(t, screen, "DASHBOARD NOT DELIVERED: ROLLED BACK\n")
}
