package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"deliver/config"
	"deliver/delivery"
	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// change does something to one server that is not a delivery. It says what it
// did; empty: there was nothing to do.
type change func(ctx context.Context, server host.Server, claim host.Claim) (done string, err error)

// changeAll makes a change on all servers at once and tells each result. A
// server that could not be changed keeps none of the others from it.
func (e *environment) changeAll(ctx context.Context, c *config.Config, change change) error {
	if err := needHosts(c); err != nil {
		return err
	}
	claim := host.Claim{Run: runID(c.Settings), By: e.by(c.Settings), Runner: host.ThisProcess(), TTL: c.LeaseTTL}
	done, errs := make([]string, len(c.Hosts)), make([]error, len(c.Hosts))
	open := opener(c.Settings)
	var servers errgroup.Group
	servers.SetLimit(rollout.DefaultParallel)
	for i, h := range c.Hosts {
		servers.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, c.StepTimeout)
			defer cancel()
			done[i], errs[i] = changeOne(ctx, open, h, func(ctx context.Context, s host.Server) (string, error) { return change(ctx, s, claim) })
			return nil
		})
	}
	_ = servers.Wait() // each server has its own error
	return e.tellChanges(c.Hosts, done, errs)
}

func changeOne(ctx context.Context, open func(context.Context, inventory.Host) (host.Server, error), h inventory.Host,
	do func(context.Context, host.Server) (string, error),
) (string, error) {
	server, err := open(ctx, h)
	if err != nil {
		return "", err
	}
	defer server.Close()
	return do(ctx, server)
}

func (e *environment) tellChanges(hosts []inventory.Host, done []string, errs []error) error {
	if e.output.json {
		if err := e.printJSON(changes(hosts, done, errs)); err != nil {
			return err
		}
	}
	var failed []error
	for i, h := range hosts {
		switch {
		case errs[i] != nil:
			failed = append(failed, fmt.Errorf("%s: %w", h, errs[i]))
		case !e.output.json && done[i] != "":
			if err := printTo(e.stdout, h.String()+": "+done[i]+"\n"); err != nil {
				return err
			}
		}
	}
	return withCode(codeOf(failed), errors.Join(failed...))
}

func changes(hosts []inventory.Host, done []string, errs []error) map[string]any {
	type changed struct {
		Host  string `json:"host"`
		Done  string `json:"done,omitempty"`
		Error string `json:"error,omitempty"`
	}
	all := make([]changed, len(hosts))
	for i, h := range hosts {
		all[i] = changed{Host: h.String(), Done: done[i]}
		if errs[i] != nil {
			all[i].Error = errs[i].Error()
		}
	}
	return map[string]any{"hosts": all}
}

// codeOf is the exit code of errors of servers.
func codeOf(errs []error) int {
	switch {
	case slices.ContainsFunc(errs, isHeld):
		return exitLease
	case !slices.ContainsFunc(errs, func(err error) bool { return !delivery.Unreachable(err) }):
		return exitPartial
	}
	return exitFailed
}

func isHeld(err error) bool {
	var server *host.Error
	return errors.As(err, &server) && server.Kind == host.KindLease
}

// holding does something under a lease of its own.
func holding(ctx context.Context, server host.Server, claim host.Claim, do func() error) error {
	claimed, err := server.Claim(ctx, claim)
	if err != nil {
		return err
	}
	if !claimed.Granted {
		return host.HeldBy(claimed.Lease)
	}
	return errors.Join(do(), server.Release(ctx))
}
