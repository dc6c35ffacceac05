package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/urfave/cli/v2"

	"deliver/config"
	"deliver/delivery"
	"deliver/host"
	"deliver/inventory"
	"deliver/plan"
	"deliver/release"
	"deliver/store"
)

func installCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "install",
		Usage: "put the newest good release of the store on this machine",
		Description: "For a new server at its first boot: what a push does over SSH is done here, without SSH. Installs the newest " +
			"release that a push found good. Where a service is set, it is restarted and checked. Running it again changes nothing. " +
			"Needs no .deliver/config.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "s3://BUCKET/JOB, the store; default: STORE"},
			&cli.StringFlag{Name: "to", Usage: "directory; default: DELIVER_TO"},
			&cli.StringFlag{Name: "release", Usage: "the id of another release than the newest good one"},
		},
		Action: func(c *cli.Context) error {
			e.take("STORE", c.String("from"))
			e.take("DELIVER_TO", c.String("to"))
			return e.install(c.Context, c.String("release"))
		},
	}
}

// take makes a command's own flag a setting.
func (e *environment) take(name, value string) {
	if value != "" {
		e.flags[name] = value
	}
}

func (e *environment) install(ctx context.Context, id string) error {
	c, err := e.installSettings(ctx)
	if err != nil {
		return err
	}
	course, err := e.course(ctx, c, delivery.Install)
	if err != nil {
		return err
	}
	rec, err := e.newest(ctx, course.store, id)
	if err != nil {
		return err
	}
	d := course.delivery
	d.Record, d.Package = rec, func(ctx context.Context) (*delivery.Build, error) { return fetch(ctx, course.store, rec.ID) }
	if err := toThisMachine(c, d); err != nil {
		return err
	}
	course.show.follow(d)
	return course.show.end(d.Deliver(ctx), nil)
}

// installSettings are the settings; without a name, the app is called as its job.
func (e *environment) installSettings(ctx context.Context) (*config.Config, error) {
	c, err := e.settings(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.Need("STORE"); err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("%w, or --from s3://BUCKET/JOB", err))
	}
	if c.Value("APP").Given {
		return c, nil
	}
	where, err := store.ParseURL(c.Store)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	e.take("APP", where.Job())
	return e.settings(ctx)
}

// patience is how long the store may be out of reach: at boot, the network
// may come up later than this.
const patience = 2 * time.Minute

// newest is the record of the newest good release, or of the one that is named.
func (e *environment) newest(ctx context.Context, st *store.Store, id string) (release.Record, error) {
	return backoff.Retry(ctx, func() (release.Record, error) {
		rec, err := find(ctx, st, id)
		if err != nil && !store.IsKind(err, store.KindUnreachable) {
			return rec, backoff.Permanent(err)
		}
		return rec, err
	}, backoff.WithMaxElapsedTime(patience), backoff.WithNotify(func(err error, next time.Duration) {
		fmt.Fprintf(e.stderr, "deliver: note: trying again in %s: %v\n", next.Round(time.Second), err)
	}))
}

func find(ctx context.Context, st *store.Store, id string) (release.Record, error) {
	if id == "" {
		latest, err := st.Latest(ctx)
		if err != nil {
			return release.Record{}, err
		}
		id = latest.Release
	}
	return st.Record(ctx, id)
}

// toThisMachine makes it a delivery to a fleet of one.
func toThisMachine(c *config.Config, d *delivery.Delivery) error {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	d.Hosts, d.Relist, d.Order = []inventory.Host{{Name: name}}, nil, plan.Order{}
	d.Depot, d.Cache = nil, nil // what it has to get it gets itself, and keeps nowhere else
	d.Hooks = delivery.Hooks{}  // they are for where deliver is started, beside the balancer
	d.Open = func(context.Context, inventory.Host) (host.Server, error) { return host.NewLocal(d.App.Place) }
	d.App.Bare = !c.Value("SERVICE").Given && !c.Value("SUPERVISOR").Given && !c.Value("RESTART_CMD").Given
	return nil
}
