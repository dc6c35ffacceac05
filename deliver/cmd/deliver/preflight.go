package main

import (
	"context"
	"fmt"

	"deliver/config"
	"deliver/delivery"
	"deliver/host"
	"deliver/rollout"
)

// preflight is what check --hosts adds: it asks all servers whether a delivery
// could begin, and changes nothing.
func (e *environment) preflight(ctx context.Context, c *config.Config) error {
	if err := needHosts(c); err != nil {
		return err
	}
	d, err := e.delivery(c, delivery.Push)
	if err != nil {
		return err
	}
	d.Relist = nil
	out, states := d.Preflight(ctx)
	failed, unreachable := 0, 0
	for _, h := range out.Hosts {
		name := h.Host.String()
		switch {
		case h.Err == nil:
			fmt.Fprintf(e.stderr, "%s: ready; %s\n", name, readiness(states[name]))
			continue
		case delivery.Unreachable(h.Err):
			unreachable++
		default:
			failed++
		}
		fmt.Fprintf(e.stderr, "%s: not ready: %v\n", name, h.Err)
	}
	return notReady(out, failed, unreachable)
}

func readiness(s host.State) string {
	runs := "runs nothing yet"
	if s.Current != "" {
		runs = "runs " + s.Current
	}
	return fmt.Sprintf("%s, %d MB free at %s, %s/%s", runs, s.FreeBytes>>20, s.Root, s.OS, s.Arch)
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
