package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"deliver/config"
	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// sighting is what was seen of one server.
type sighting struct {
	host  inventory.Host
	state host.State
	sick  error // why its current release is not healthy
	err   error // why nothing was seen
}

// look looks at all servers at once and changes nothing. With check it also
// asks whether they are healthy.
func look(ctx context.Context, c *config.Config, check bool) []sighting {
	seen := make([]sighting, len(c.Hosts))
	open := opener(c.Settings)
	var servers errgroup.Group
	servers.SetLimit(rollout.DefaultParallel)
	for i, h := range c.Hosts {
		servers.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, c.StepTimeout)
			defer cancel()
			seen[i] = lookAt(ctx, c.Settings, h, open, check)
			return nil
		})
	}
	_ = servers.Wait() // each server keeps its own error
	return seen
}

func lookAt(ctx context.Context, s config.Settings, h inventory.Host, open func(context.Context, inventory.Host) (host.Server, error), check bool) sighting {
	seen := sighting{host: h}
	server, err := open(ctx, h)
	if err != nil {
		seen.err = err
		return seen
	}
	defer server.Close()
	app := appOf(s)
	seen.state, seen.err = server.Look(ctx, app.Service)
	if seen.err == nil && check && seen.state.Current != "" {
		health := app.Health
		health.Deadline = min(health.Deadline, time.Duration(health.Rise)*(health.Interval+health.Timeout)+time.Second)
		_, seen.sick = server.Check(ctx, health, app.Service, seen.state.Current)
	}
	return seen
}

func states(seen []sighting) []host.State {
	var all []host.State
	for _, s := range seen {
		if s.err == nil {
			all = append(all, s.state)
		}
	}
	return all
}
