package report_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"deliver/inventory"
	"deliver/report"
	"deliver/rollout"
)

// lastLines are what stands below the headline.
func lastLines(o rollout.Outcome) string {
	out := &paper{}
	report.New(report.Options{Out: out, App: "dashboard", Hint: hintOf}).Finish(o)
	_, below, _ := strings.Cut(strings.TrimPrefix(out.String(), "\n"), "\n\n")
	return "\n" + below
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	undone := func(why, undo error) []rollout.HostOutcome {
		all := failed(rollout.HostUndoFailed, "check", why, "h1")
		all[0].UndoErr = undo
		return all
	}
	tests := map[string]struct {
		err   error
		hosts []rollout.HostOutcome
		want  string
	}{
		"all is well": {nil, each(rollout.HostOK, names(1, 12)...), `
12 ok in 1 min 5 s
`},
		"nobody": {errors.New("refused: there are no hosts"), nil, `
refused: there are no hosts
no hosts in 1 min 5 s
`},
		"the same reason is said once": {nil, failed(rollout.HostAside, "look", errors.New("no space left"), "h1", "h2", "h3"), `
[h[1-3]] set aside: look: no space left
3 set aside in 1 min 5 s
`},
		"another step is another reason": {nil, slices.Concat(
			failed(rollout.HostAside, "look", errors.New("no space left"), "h1"), failed(rollout.HostAside, "receive", errors.New("no space left"), "h2"),
		), `
[h1] set aside: look: no space left
[h2] set aside: receive: no space left
2 set aside in 1 min 5 s
`},
		"a step that its error names is said once": {nil, failed(rollout.HostAside, "receive", errors.New("receive: not done after 8s"), "h1"), `
[h1] set aside: receive: not done after 8s
1 set aside in 1 min 5 s
`},
		"a hint has a line of its own": {nil, failed(rollout.HostFailed, "check", errNoAnswer, "h1"), `
[h1] failed: check: nothing answers on port 3000
       is the app listening on $PORT?
1 failed in 1 min 5 s
`},
		"a hint in a chain of errors": {nil, failed(rollout.HostFailed, "check", fmt.Errorf("h1: %w", errNoAnswer), "h1"), `
[h1] failed: check: h1: nothing answers on port 3000
       is the app listening on $PORT?
1 failed in 1 min 5 s
`},
		"an error of many lines": {nil, failed(rollout.HostFailed, "post-switch", errors.New("exit 1\nrake aborted!\nno such table"), "h1", "h2"), `
[h1,h2] failed: post-switch: exit 1
       rake aborted!
       no such table
2 failed in 1 min 5 s
`},
		"those that failed by themselves are last": {nil, slices.Concat(
			failed(rollout.HostRolledBack, "check", errors.New("bad answer"), "h1"),
			each(rollout.HostUntouched, "h2"), each(rollout.HostRolledBack, "h3"),
			undone(errors.New("bad answer"), errors.New("restart: exit 1")),
		), `
[h2] untouched
[h3] rolled back
[h1] rolled back: check: bad answer
[h1] ROLLBACK FAILED: restart: exit 1
       before that: check: bad answer
1 untouched, 2 rolled back, 1 rollback failed in 1 min 5 s
`},
		"a host that is gone is named, and no failure": {nil, slices.Concat(
			each(rollout.HostOK, "h1"), failed(rollout.HostGone, "look", errors.New("no route to host"), "h2"),
		), `
[h2] gone: look: no route to host
1 ok, 1 gone in 1 min 5 s
`},
		"the hint of the way back": {nil, undone(errors.New("bad answer"), errNoAnswer), `
[h1] ROLLBACK FAILED: nothing answers on port 3000
       before that: check: bad answer
       is the app listening on $PORT?
1 rollback failed in 1 min 5 s
`},
		"users and ports": {nil, []rollout.HostOutcome{
			{Host: inventory.Host{Name: "127.0.0.1", User: "app", Port: 2201}, Result: rollout.HostUntouched},
			{Host: inventory.Host{Name: "127.0.0.1", User: "app", Port: 2202}, Result: rollout.HostUntouched},
		}, `
[app@127.0.0.1:[2201,2202]] untouched
2 untouched in 1 min 5 s
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, lastLines(outcome(rollout.Failed, test.err, test.hosts...)))
		})
	}
}

func TestHeadlines(t *testing.T) {
	t.Parallel()
	one := each(rollout.HostAside, "h1")
	two := each(rollout.HostAside, "h1", "h2")
	tests := []struct {
		opts  report.Options
		hosts []rollout.HostOutcome
		is    rollout.Result
		want  string
	}{
		{report.Options{}, nil, rollout.OK, "DASHBOARD DELIVERED!"},
		{report.Options{Done: "ROLLED BACK"}, nil, rollout.OK, "DASHBOARD ROLLED BACK!"},
		{report.Options{}, one, rollout.Partial, "DASHBOARD DELIVERED, BUT FOR 1 HOST!"},
		{report.Options{}, two, rollout.Partial, "DASHBOARD DELIVERED, BUT FOR 2 HOSTS!"},
		{report.Options{}, two, rollout.Failed, "DASHBOARD NOT DELIVERED!"},
		{report.Options{}, two, rollout.RolledBack, "DASHBOARD NOT DELIVERED: ROLLED BACK"},
		{report.Options{}, two, rollout.Stopped, "DASHBOARD NOT DELIVERED: STOPPED"},
		{report.Options{}, two, rollout.Refused, "DASHBOARD NOT DELIVERED: REFUSED"},
		{report.Options{}, two, rollout.Interrupted, "DASHBOARD NOT DELIVERED: INTERRUPTED"},
		{report.Options{Color: true}, nil, rollout.OK, "\x1b[32mDASHBOARD DELIVERED!\x1b[0m"},
		{report.Options{Color: true}, two, rollout.Failed, "\x1b[1;31mDASHBOARD NOT DELIVERED!\x1b[0m"},
		{report.Options{Color: true}, one, rollout.Partial, "\x1b[33mDASHBOARD DELIVERED, BUT FOR 1 HOST!\x1b[0m"},
	}
	for _, test := range tests {
		out := &paper{}
		test.opts.Out, test.opts.App = out, "dashboard"
		report.New(test.opts).Finish(outcome(test.is, nil, test.hosts...))
		headline, _, _ := strings.Cut(strings.TrimPrefix(out.String(), "\n"), "\n")
		assert.Equal(t, test.want, headline)
	}
}

func TestTimesAreForPeople(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]string{
		0:                               "0.0 s",
		300 * time.Millisecond:          "0.3 s",
		59 * time.Second:                "59.0 s",
		59960 * time.Millisecond:        "1 min 0 s",
		61 * time.Second:                "1 min 1 s",
		59*time.Minute + 59*time.Second: "59 min 59 s",
		time.Hour:                       "1 h 0 min",
		25*time.Hour + 3*time.Minute:    "25 h 3 min",
	} {
		o := outcome(rollout.OK, nil, each(rollout.HostOK, "h1")...)
		o.Ended = o.Started.Add(took)
		assert.Equal(t, "\n1 ok in "+want+"\n", lastLines(o))
	}
}
