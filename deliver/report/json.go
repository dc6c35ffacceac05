package report

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"deliver/rollout"
)

// Summary is how a run ended, as the object of --json.
type Summary struct {
	Run     string                     `json:"run"`
	Result  rollout.Result             `json:"result"`
	Error   string                     `json:"error,omitempty"`
	Started time.Time                  `json:"started"`
	Ended   time.Time                  `json:"ended"`
	Took    float64                    `json:"took"` // seconds
	Counts  map[rollout.HostResult]int `json:"counts"`
	Hosts   []HostSummary              `json:"hosts"`
}

// HostSummary is where a run left a host.
type HostSummary struct {
	Host      string             `json:"host"`
	Result    rollout.HostResult `json:"result"`
	Stage     string             `json:"stage,omitempty"`
	Step      string             `json:"step,omitempty"`
	Error     string             `json:"error,omitempty"`
	UndoError string             `json:"undo_error,omitempty"`
	Took      float64            `json:"took"` // seconds
}

// Summarize makes the Summary of an outcome, without secrets.
func Summarize(o rollout.Outcome, redact Redactor) Summary {
	s := Summary{
		Run: o.Run, Result: o.Result, Error: redact.Text(text(o.Err)),
		Started: o.Started, Ended: o.Ended, Took: o.Ended.Sub(o.Started).Seconds(),
		Counts: map[rollout.HostResult]int{}, Hosts: []HostSummary{},
	}
	for _, h := range o.Hosts {
		s.Counts[h.Result]++
		s.Hosts = append(s.Hosts, HostSummary{
			Host: redact.Text(h.Host.String()), Result: h.Result, Stage: redact.Text(h.Stage), Step: redact.Text(h.Step),
			Error: redact.Text(text(h.Err)), UndoError: redact.Text(text(h.UndoErr)), Took: h.Took.Seconds(),
		})
	}
	return s
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// JSON writes the Summary of an outcome as one object.
func JSON(w io.Writer, o rollout.Outcome, redact Redactor) error {
	object, err := json.MarshalIndent(Summarize(o, redact), "", "  ")
	if err != nil {
		return fmt.Errorf("write the outcome as JSON: %w", err)
	}
	_, err = w.Write(append(object, '\n'))
	return err
}

// Events writes events as lines of JSON.
type Events struct {
	out    io.Writer
	redact Redactor

	mu  sync.Mutex
	err error
}

// NewEvents makes Events that are written to out without secrets, one Write each.
func NewEvents(out io.Writer, redact Redactor) *Events {
	return &Events{out: out, redact: redact}
}

// Handle writes an event. It is a listener of a Rollout. After an error
// nothing is written any more.
func (w *Events) Handle(e rollout.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	line, err := json.Marshal(w.redact.event(e))
	if err == nil {
		_, err = w.out.Write(append(line, '\n'))
	}
	w.err = err
}

// Err is the first error of writing.
func (w *Events) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
