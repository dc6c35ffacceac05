package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"deliver/delivery"
	"deliver/release"
	"deliver/store"
)

func rollbackCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "rollback",
		Usage: "go back to the last release that was live and healthy",
		Description: "An ordinary delivery of an earlier release: drained, switched, restarted and checked like any other. Which one is " +
			"in the servers' history; what was rolled back from before does not count. A server that does not have it any more gets it " +
			"from STORE. New servers install it from then on. The servers are pinned to it: a push is refused until a newer version comes, " +
			"or deliver unpin. Neither CANARY nor PAUSE holds it up.",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "to", Usage: "the id of a release, as deliver releases lists it"}},
		Action: func(c *cli.Context) error { return e.rollback(c.Context, c.String("to")) },
	}
}

func (e *environment) rollback(ctx context.Context, to string) error {
	c, err := e.settings(ctx)
	if err != nil {
		return err
	}
	if err := needHosts(c); err != nil {
		return err
	}
	course, err := e.course(ctx, c, delivery.Rollback)
	if err != nil {
		return err
	}
	if err := course.back(ctx, to); err != nil {
		return err
	}
	return course.run(ctx)
}

// back makes an earlier release the one to deliver.
func (c *course) back(ctx context.Context, to string) error {
	seen := look(ctx, c.config, false)
	rec, err := earlier(ctx, seen, c.store, to)
	if err != nil {
		return err
	}
	c.delivery.Record, c.delivery.From = rec, delivery.RolledFrom(states(seen), rec.ID)
	// Who goes back wants to be back: the release is known, and time matters.
	c.delivery.Order.Canary, c.delivery.Order.Pause = 0, 0
	if c.store != nil {
		c.delivery.Package = func(context.Context) (*delivery.Build, error) { return fetch(ctx, c.store, rec.ID) }
	}
	return nil
}

// earlier is the record of the release to go back to.
func earlier(ctx context.Context, seen []sighting, st *store.Store, to string) (release.Record, error) {
	if len(states(seen)) == 0 {
		return release.Record{}, withCode(exitFailed, unasked(seen))
	}
	if to == "" {
		current := delivery.Current(states(seen))
		var found bool
		if to, found = delivery.Goal(states(seen), current); !found {
			return release.Record{}, fmt.Errorf("no server remembers a release that was healthy before %q; name one with --to (deliver releases lists them)", current)
		}
	}
	for _, s := range states(seen) {
		if rec := recordIn(s.Releases, to); rec.ID != "" {
			return rec, nil
		}
	}
	if st == nil {
		return release.Record{}, fmt.Errorf("release %s is on no server, and there is no store to get it from; deliver releases lists what is there", to)
	}
	return st.Record(ctx, to)
}
