package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"deliver/config"
	"deliver/delivery"
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
	return lookWith(ctx, c, func(ctx context.Context, server host.Server, seen *sighting) {
		lookAt(ctx, appOf(c.Settings), server, seen, check)
	})
}

// lookWith asks all servers at once.
func lookWith(ctx context.Context, c *config.Config, ask func(context.Context, host.Server, *sighting)) []sighting {
	seen := make([]sighting, len(c.Hosts))
	open := opener(c.Settings)
	var servers errgroup.Group
	servers.SetLimit(rollout.DefaultParallel)
	for i, h := range c.Hosts {
		servers.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, c.StepTimeout)
			defer cancel()
			seen[i].host = h
			server, err := open(ctx, h)
			if err != nil {
				seen[i].err = err
				return nil
			}
			defer server.Close()
			ask(ctx, server, &seen[i])
			return nil
		})
	}
	_ = servers.Wait() // each server keeps its own error
	return seen
}

func lookAt(ctx context.Context, app delivery.App, server host.Server, seen *sighting, check bool) {
	seen.state, seen.err = server.Look(ctx, app.Service)
	if seen.err == nil && check && seen.state.Current != "" {
		health := app.Health
		health.Deadline = min(health.Deadline, time.Duration(health.Rise)*(health.Interval+health.Timeout)+time.Second)
		_, seen.sick = server.Check(ctx, health, app.Service, seen.state.Current)
	}
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
