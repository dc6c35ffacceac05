package report_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/report"
	"deliver/rollout"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	out := &paper{}
	require.NoError(t, report.JSON(out, badOutcome(), report.Redactor{}))
	golden(t, "outcome.json", out.String())
}

func TestJSONOfNothing(t *testing.T) {
	t.Parallel()
	out := &paper{}
	require.NoError(t, report.JSON(out, outcome(rollout.Refused, errors.New("refused: there are no hosts")), report.Redactor{}))
	assert.Contains(t, out.String(), `"hosts": []`)
	assert.Contains(t, out.String(), `"error": "refused: there are no hosts"`)
}

func TestJSONThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	assert.EqualError(t, report.JSON(brokenPipe{}, badOutcome(), report.Redactor{}), "broken pipe")
}

func TestEventsAreLinesOfJSON(t *testing.T) {
	t.Parallel()
	out := &paper{}
	events := report.NewEvents(out, report.Redactor{})
	var told []rollout.Event
	r := fleetOf(10, func(e rollout.Event) {
		told = append(told, e)
		events.Handle(e)
	})
	r.Run(t.Context())
	require.NoError(t, events.Err())
	require.Len(t, out.all(), len(told))
	for i, line := range out.all() {
		assert.Equal(t, 1, strings.Count(line, "\n"))
		var e rollout.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		assert.True(t, e.Time.Equal(told[i].Time))
		e.Time = told[i].Time
		assert.Equal(t, told[i], e)
	}
}

func TestEventsGoldenLine(t *testing.T) {
	t.Parallel()
	out := &paper{}
	report.NewEvents(out, report.Redactor{}).Handle(rollout.Event{
		Time: time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC), Run: "d1", Kind: rollout.StepFailed,
		Stage: "switch 1/2", Host: "h1", Step: "check", Took: 30, Error: "nothing answers",
	})
	assert.JSONEq(t, `{"time":"2026-03-04T10:00:00Z","run":"d1","kind":"step-failed","stage":"switch 1/2","host":"h1","step":"check","took":30,"error":"nothing answers"}`, out.String())
}

func TestEventsStopAtTheFirstErrorOfWriting(t *testing.T) {
	t.Parallel()
	events := report.NewEvents(brokenPipe{}, report.Redactor{})
	good(events)
	assert.EqualError(t, events.Err(), "broken pipe")

	once := &brokenOnce{}
	events = report.NewEvents(once, report.Redactor{})
	good(events)
	assert.EqualError(t, events.Err(), "no space left")
	assert.Empty(t, once.all(), "a stream with a hole is worse than one that ends")
}

// brokenOnce fails to write the first text.
type brokenOnce struct {
	paper
	failed bool
}

func (b *brokenOnce) Write(text []byte) (int, error) {
	if !b.failed {
		b.failed = true
		return 0, errors.New("no space left")
	}
	return b.paper.Write(text)
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for result, want := range map[rollout.Result]int{
		rollout.OK: 0, rollout.Failed: 1, rollout.Stopped: 1, rollout.Partial: 3,
		rollout.RolledBack: 5, rollout.Refused: 6, rollout.Interrupted: 130, "": 1,
	} {
		assert.Equal(t, want, report.ExitCode(rollout.Outcome{Result: result}), result)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	pipe, other, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _, _ = pipe.Close(), other.Close() }()
	tty := terminal(t)
	tests := map[string]struct {
		out         *os.File
		plain       bool
		env         map[string]string
		bars, color bool
	}{
		"pipe":                  {other, false, nil, false, false},
		"pipe, forced":          {other, false, map[string]string{"CLICOLOR_FORCE": "1"}, false, true},
		"pipe, forced not":      {other, false, map[string]string{"CLICOLOR_FORCE": "0"}, false, false},
		"pipe, forced and none": {other, false, map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false, false},
		"terminal":              {tty, false, map[string]string{"TERM": "xterm"}, true, true},
		"terminal, no color":    {tty, false, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, true, false},
		"terminal, empty":       {tty, false, map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true, true},
		"dumb terminal":         {tty, false, map[string]string{"TERM": "dumb"}, false, false},
		"plain":                 {tty, true, map[string]string{"TERM": "xterm", "CLICOLOR_FORCE": "1"}, false, false},
	}
	for name, test := range tests {
		bars, color := report.Detect(test.out, test.plain, func(name string) string { return test.env[name] })
		assert.Equal(t, test.bars, bars, name)
		assert.Equal(t, test.color, color, name)
	}
}
