package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"deliver/config"
	"deliver/delivery"
	"deliver/host"
	"deliver/rollout"
)

// answer is what a server says when it is asked whether a delivery could begin.
type answer struct {
	Host    string `json:"host"`
	Ready   bool   `json:"ready"`
	Why     string `json:"why,omitempty"` // it is not ready
	Release string `json:"release,omitempty"`
	Root    string `json:"root,omitempty"`
	Free    int64  `json:"free_bytes,omitempty"`
	Machine string `json:"machine,omitempty"`
}

// preflight is what check --hosts adds: it asks all servers whether a delivery
// could begin, and changes nothing. The error is that not all are ready.
func (e *environment) preflight(ctx context.Context, c *config.Config) ([]answer, error) {
	if err := needHosts(c); err != nil {
		return nil, err
	}
	d, err := e.delivery(c, delivery.Push)
	if err != nil {
		return nil, err
	}
	d.Relist = nil
	out, states := d.Preflight(ctx)
	answers := make([]answer, len(out.Hosts))
	failed, unreachable := 0, 0
	for i, h := range out.Hosts {
		answers[i] = answerOf(h, states[h.Host.String()])
		switch {
		case h.Err == nil:
		case delivery.Unreachable(h.Err):
			unreachable++
		default:
			failed++
		}
	}
	return answers, notReady(out, failed, unreachable)
}

func answerOf(h rollout.HostOutcome, s host.State) answer {
	a := answer{Host: h.Host.String(), Ready: h.Err == nil, Release: s.Current, Root: s.Root, Free: int64(s.FreeBytes)}
	if s.OS != "" {
		a.Machine = s.OS + "/" + s.Arch
	}
	if h.Err != nil {
		a.Why = h.Err.Error()
	}
	return a
}

func (a answer) row() string {
	ready := "ready"
	if !a.Ready {
		ready = "not ready: " + oneLine(a.Why)
	}
	free := "-"
	if a.Root != "" {
		free = fmt.Sprintf("%d MB at %s", a.Free>>20, a.Root)
	}
	return strings.Join([]string{a.Host, cmp.Or(a.Release, "-"), free, cmp.Or(a.Machine, "-"), ready}, "\t")
}

func answersTable(answers []answer) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tRUNS\tFREE\tMACHINE\tREADY")
	for _, a := range answers {
		fmt.Fprintln(table, a.row())
	}
	_ = table.Flush() // a Builder takes all
	return out.String()
}

func notReady(out rollout.Outcome, failed, unreachable int) error {
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d servers are not ready", failed+unreachable, len(out.Hosts))
	case unreachable > 0:
		return withCode(exitPartial, fmt.Errorf("%d of %d servers cannot be reached", unreachable, len(out.Hosts)))
	case out.Result != rollout.OK:
		return out.Err
	}
	return nil
}
