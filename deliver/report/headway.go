package report

import (
	"strings"
	"time"

	"deliver/rollout"
)

// HostHeadway is how far a host is in a run or, of an ended run, where it was left.
type HostHeadway struct {
	HostSummary
	Stages []HostStage `json:"stages,omitempty"`
}

// HostStage is one stage of a run on one host.
type HostStage struct {
	Name  string  `json:"name"`
	State string  `json:"state"`          // doing, done or failed
	Took  float64 `json:"took,omitempty"` // seconds

	began time.Time
}

// headway follows the hosts of a run by its events.
type headway struct {
	names []string // in the order in which they were told of
	hosts map[string]*HostHeadway
}

func newHeadway() *headway { return &headway{hosts: map[string]*HostHeadway{}} }

// take notes an event, and says whether it changed something.
func (h *headway) take(e rollout.Event) bool {
	switch e.Kind {
	case rollout.RunStarted:
		for _, name := range e.Hosts {
			h.host(name)
		}
	case rollout.StageStarted:
		for _, name := range e.Hosts {
			h.host(name).stage(e).State = "doing"
		}
	case rollout.HostDone, rollout.UndoDone:
		h.end(e, "done")
	case rollout.StepFailed, rollout.SetAside, rollout.UndoFailed:
		h.end(e, "failed")
	default:
		return false
	}
	return true
}

func (h *headway) end(e rollout.Event, state string) {
	if e.Host == "" {
		return
	}
	stage := h.host(e.Host).stage(e)
	stage.State, stage.Took = state, e.Time.Sub(stage.began).Seconds()
}

func (h *headway) host(name string) *HostHeadway {
	if h.hosts[name] == nil {
		h.hosts[name] = &HostHeadway{HostSummary: HostSummary{Host: name}}
		h.names = append(h.names, name)
	}
	return h.hosts[name]
}

// stage is the event's, which begins now if it is new. The batches of a stage
// are one: a host is in one of them.
func (h *HostHeadway) stage(e rollout.Event) *HostStage {
	name, _, _ := strings.Cut(e.Stage, " ")
	for i := range h.Stages {
		if h.Stages[i].Name == name {
			return &h.Stages[i]
		}
	}
	h.Stages = append(h.Stages, HostStage{Name: name, began: e.Time})
	return &h.Stages[len(h.Stages)-1]
}

// all is a copy, without secrets.
func (h *headway) all(redact Redactor) []HostHeadway {
	list := make([]HostHeadway, 0, len(h.names))
	for _, name := range h.names {
		host := *h.hosts[name]
		host.Host = redact.Text(name)
		host.Stages = append([]HostStage(nil), host.Stages...)
		list = append(list, host)
	}
	return list
}

// ended joins where the run left each host with the stages that it went through.
func (h *headway) ended(s Summary, redact Redactor) []HostHeadway {
	stages := map[string][]HostStage{}
	for _, host := range h.all(redact) {
		stages[host.Host] = host.Stages
	}
	list := make([]HostHeadway, 0, len(s.Hosts))
	for _, host := range s.Hosts {
		list = append(list, HostHeadway{HostSummary: host, Stages: stages[host.Host]})
	}
	return list
}
