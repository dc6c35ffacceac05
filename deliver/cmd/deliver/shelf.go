package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"deliver/config"
	"deliver/delivery"
	"deliver/release"
	"deliver/store"
)

// store opens the store of the settings; without one it is nil.
func (e *environment) store(ctx context.Context, s config.Settings) (*store.Store, error) {
	if s.Store == "" {
		return nil, nil
	}
	st, err := store.Open(ctx, s.Store, store.Options{Endpoint: s.StoreEndpoint, Getenv: e.env})
	return st, withCode(exitUsage, err)
}

// depot is the store as servers get releases from it themselves.
func depot(s config.Settings, st *store.Store) (*delivery.Depot, error) {
	switch {
	case s.Via == "store" && st == nil:
		return nil, withCode(exitUsage, errors.New("VIA is store, and there is none; set STORE"))
	case s.Via == "ssh" || st == nil:
		return nil, nil
	}
	return &delivery.Depot{Store: st, Always: s.Via == "store"}, nil
}

// publish puts a build into the store.
func (e *environment) publish(ctx context.Context, st *store.Store, b *delivery.Build) (store.Published, error) {
	done, err := st.Publish(ctx, b.Record, b.Tar, nil)
	if err != nil {
		return done, fmt.Errorf("publish %s: %w", b.Record.ID, err)
	}
	// Without it, who installs the release gets all of the archive.
	if err := st.PutIndex(ctx, b.Record.ID, b.Index); err != nil {
		fmt.Fprintf(e.stderr, "deliver: note: %v\n", err)
	}
	if !e.output.compact && !done.Already {
		fmt.Fprintf(e.stderr, "-----> %s is in %s\n", b.Record.ID, st)
	}
	return done, nil
}

// promote makes a release that a fleet was found healthy with the one that
// new servers install.
func (e *environment) promote(ctx context.Context, st *store.Store, rec release.Record, action string) error {
	now, err := st.Promote(ctx, rec, action)
	switch {
	case err != nil:
		return fmt.Errorf("the servers run %s, but new ones would not: promote it in the store: %w; run deliver again, that costs little", rec.ID, err)
	case now.Release != rec.ID:
		fmt.Fprintf(e.stderr, "deliver: note: new servers install %s, a later build of the same job\n", now.Release)
	case !e.output.compact:
		fmt.Fprintf(e.stderr, "-----> new servers install %s\n", rec.ID)
	}
	return nil
}

// pruneStore removes old archives. That it cannot is told, and fails nothing.
func (e *environment) pruneStore(ctx context.Context, st *store.Store, keep int, live string) {
	removed, err := st.Prune(ctx, keep, []string{live})
	switch {
	case err != nil:
		fmt.Fprintf(e.stderr, "deliver: note: old releases could not be removed from %s: %v\n", st, err)
	case len(removed) > 0 && !e.output.compact:
		fmt.Fprintf(e.stderr, "-----> removed from %s: %s\n", st, strings.Join(removed, ", "))
	}
}

// fetch makes a build of a release in the store. Only those of its files are read
// that are needed, while ctx lasts; where nobody wrote down where they are, all of it is read at once.
func fetch(ctx context.Context, st *store.Store, id string) (*delivery.Build, error) {
	rec, err := st.Record(ctx, id)
	if err != nil {
		return nil, err
	}
	if index, err := st.Index(ctx, id); err == nil {
		if b, err := delivery.Outline(rec, index, st.Archive(ctx, rec)); err == nil {
			return b, nil
		}
	}
	return fetchWhole(ctx, st, id)
}

func fetchWhole(ctx context.Context, st *store.Store, id string) (*delivery.Build, error) {
	rec, body, err := st.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return delivery.Repack(ctx, rec, body)
}
