package report_test

import (
	"errors"
	"fmt"
	"time"

	"deliver/inventory"
	"deliver/rollout"
)

// handler is who listens to events.
type handler interface{ Handle(rollout.Event) }

// script plays the events of a rollout.
type script struct {
	to    handler
	now   time.Time
	stage string
}

func play(to handler) *script {
	return &script{to: to, now: time.Now()}
}

func (s *script) tell(e rollout.Event) *script {
	e.Run, e.Time = "d1", s.now
	if e.Stage == "" {
		e.Stage = s.stage
	}
	s.to.Handle(e)
	return s
}

// after lets time pass.
func (s *script) after(d time.Duration) *script {
	s.now = s.now.Add(d)
	return s
}

func (s *script) start(hosts ...string) *script {
	return s.tell(rollout.Event{Kind: rollout.RunStarted, Hosts: hosts})
}

func (s *script) enter(stage string, hosts ...string) *script {
	s.stage = stage
	return s.tell(rollout.Event{Kind: rollout.StageStarted, Hosts: hosts})
}

func (s *script) begin(step string, hosts ...string) *script {
	for _, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.StepStarted, Host: h, Step: step})
	}
	return s
}

func (s *script) at(done, total int64, hosts ...string) *script {
	for _, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.StepProgress, Host: h, Step: "receive", Done: done, Total: total})
	}
	return s
}

// do begins and ends a step.
func (s *script) do(step string, hosts ...string) *script {
	s.begin(step, hosts...)
	for i, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.StepDone, Host: h, Step: step, Took: 0.2 + float64(i)})
	}
	return s
}

// pass ends a stage.
func (s *script) pass(hosts ...string) *script {
	for _, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.HostDone, Host: h, Took: 4.2})
	}
	return s
}

func (s *script) fail(step, why string, hosts ...string) *script {
	for _, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.StepFailed, Host: h, Step: step, Error: why, Took: 30})
	}
	return s
}

func (s *script) undo(hosts ...string) *script {
	stage := s.stage
	s.stage = rollout.StageUndo
	for _, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.UndoStarted, Host: h})
	}
	s.do("switch back", hosts...).do("restart", hosts...)
	for _, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.UndoDone, Host: h})
	}
	s.stage = stage
	return s
}

func (s *script) aside(hosts ...string) *script {
	for _, h := range hosts {
		s.tell(rollout.Event{Kind: rollout.SetAside, Host: h})
	}
	return s
}

func (s *script) message(host, text, why string) *script {
	return s.tell(rollout.Event{Kind: rollout.Message, Host: host, Text: text, Error: why})
}

// names is h1 … hn, from the first to the last given.
func names(from, to int) []string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("h%d", n))
	}
	return all
}

// hinted is an error with a hint.
type hinted struct{ why, hint string }

func (e hinted) Error() string { return e.why + "; " + e.hint }

func hintOf(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

var began = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

// outcome is how a run ended, in 65 seconds.
func outcome(result rollout.Result, err error, hosts ...rollout.HostOutcome) rollout.Outcome {
	return rollout.Outcome{Run: "d1", Result: result, Err: err, Hosts: hosts, Started: began, Ended: began.Add(65 * time.Second)}
}

func each(result rollout.HostResult, names ...string) []rollout.HostOutcome {
	var all []rollout.HostOutcome
	for _, name := range names {
		all = append(all, rollout.HostOutcome{Host: inventory.Host{Name: name}, Result: result, Took: 1500 * time.Millisecond})
	}
	return all
}

func failed(result rollout.HostResult, step string, err error, names ...string) []rollout.HostOutcome {
	all := each(result, names...)
	for i := range all {
		all[i].Stage, all[i].Step, all[i].Err = "switch", step, err
	}
	return all
}
