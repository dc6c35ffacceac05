package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"deliver/cache"
	"deliver/config"
	"deliver/delivery"
	"deliver/inventory"
	"deliver/plan"
	"deliver/release"
	"deliver/rollout"
	"deliver/store"
)

// delivery makes a delivery of what was configured; which release, and where
// its build is, is left to the caller.
func (e *environment) delivery(c *config.Config, action string) (*delivery.Delivery, error) {
	order, limits, err := planned(c)
	if err != nil {
		return nil, err
	}
	return &delivery.Delivery{
		Run: runID(c.Settings), Action: action, By: e.by(c.Settings),
		Abort: e.abort, Hosts: c.Hosts, Open: opener(c.Settings), Relist: e.relist,
		Cache: cache.Open(e.cacheDir()),
		App:   appOf(c.Settings), Hooks: hooksOf(c.Script),
		Times: delivery.Times{Step: c.StepTimeout, Hook: c.HookTimeout},
		Order: order, Limits: limits,
		Lease:    delivery.Lease{TTL: c.LeaseTTL, Wait: c.Wait},
		Ancestry: delivery.Source{Dir: e.dir}.Ancestry, AllowOlder: c.AllowOlder,
	}, nil
}

// cacheDir is where the manifests and contents of shipped releases are kept.
func (e *environment) cacheDir() string {
	dir := e.env("XDG_CACHE_HOME")
	if dir == "" {
		dir = filepath.Join(e.env("HOME"), ".cache")
	}
	return filepath.Join(dir, "deliver")
}

// course is a delivery with all that stands around it.
type course struct {
	*environment
	config   *config.Config
	delivery *delivery.Delivery
	store    *store.Store // nil: there is none
	show     *display     // nil: nothing is delivered yet
}

// course finds out whatever can be wrong before a server is asked.
func (e *environment) course(ctx context.Context, c *config.Config, action string) (*course, error) {
	way, err := e.sketch(ctx, c, action)
	if err != nil {
		return nil, err
	}
	way.show, err = e.display(c, action)
	return way, err
}

// sketch is a course that is only thought of.
func (e *environment) sketch(ctx context.Context, c *config.Config, action string) (*course, error) {
	d, err := e.delivery(c, action)
	if err != nil {
		return nil, err
	}
	st, err := e.store(ctx, c.Settings)
	if err != nil {
		return nil, err
	}
	d.Depot, err = depot(c.Settings, st)
	return &course{environment: e, config: c, delivery: d, store: st}, err
}

// run takes the release to the fleet, and makes it what new servers install
// if that went well.
func (c *course) run(ctx context.Context) error {
	c.show.follow(c.delivery)
	var promoted error
	c.delivery.Ended = func(ctx context.Context, out rollout.Outcome) {
		if out.Result == rollout.OK || out.Result == rollout.Partial {
			promoted = c.settle(ctx)
		}
	}
	out := c.delivery.Deliver(ctx) // sets promoted
	return c.show.end(out, promoted)
}

// settle keeps what went well for the next delivery and for new servers.
func (c *course) settle(ctx context.Context) error {
	c.remember(c.config, c.delivery.Record.ID)
	if c.store == nil {
		return nil
	}
	if len(c.config.Only) > 0 {
		fmt.Fprintf(c.stderr, "deliver: note: what new servers install stays as it is: %s went to some servers only\n", c.delivery.Record.ID)
		return nil
	}
	if err := c.promote(ctx, c.store, c.delivery.Record, c.delivery.Action); err != nil {
		return err
	}
	if c.config.StoreKeep > 0 {
		c.pruneStore(ctx, c.store, c.config.StoreKeep, c.delivery.Record.ID)
	}
	return nil
}

// needHosts refuses a delivery to nobody. A list that nobody set is a mistake
// in the settings; one that was fetched and came out empty is refused like
// one that shrank.
func needHosts(c *config.Config) error {
	err := c.Need("HOSTS")
	switch {
	case err == nil:
		return nil
	case c.Value("HOSTS").Given:
		return withCode(exitRefused, err)
	}
	return withCode(exitUsage, err)
}

// needFleet is needHosts, and holds the list against the last delivery's.
func (e *environment) needFleet(c *config.Config) error {
	if err := needHosts(c); err != nil {
		return err
	}
	limit, err := plan.ParseAmount(c.MaxShrink)
	if err != nil {
		return withCode(exitUsage, err)
	}
	return withCode(exitRefused, plan.Shrunk(e.lastFleet(c.Settings), names(c.Fleet), limit))
}

func names(hosts []inventory.Host) []string {
	all := make([]string, len(hosts))
	for i, h := range hosts {
		all[i] = h.String()
	}
	return all
}

// relist reads the list of hosts afresh: while a delivery runs, servers may
// come and go.
func (e *environment) relist(ctx context.Context) ([]inventory.Host, error) {
	c, err := config.Load(ctx, config.Source{Dir: e.dir, Environ: e.environ, Flags: e.flags})
	if err != nil {
		return nil, err
	}
	return c.Hosts, nil
}

// runID names a run so that no other has its name.
func runID(s config.Settings) string {
	stamp := time.Now().UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6])
	if s.BuildTag != "" {
		return s.BuildTag + "-" + stamp
	}
	return stamp
}

// by is who delivers, for the records.
func (e *environment) by(s config.Settings) string {
	for _, name := range []string{"DELIVER_BY", "BUILD_USER_ID", "BUILD_USER"} {
		if who := e.env(name); who != "" {
			return who
		}
	}
	if s.BuildTag != "" {
		return s.BuildTag
	}
	host, _ := os.Hostname() // without it the user alone must do
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return host
}

// env is a variable of the environment.
func (e *environment) env(name string) string {
	for i := len(e.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(e.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// build makes the build that is asked for.
func (e *environment) build(ctx context.Context, c *config.Config) (*delivery.Build, error) {
	known, err := recordOf(c, e.by(c.Settings))
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	b, err := delivery.Make(ctx, delivery.Source{File: c.Build, Stdin: e.stdin, Dir: e.dir, Ref: refOf(c), Sealed: c.Store != ""}, known)
	return b, withCode(exitUsage, err)
}

// refOf is what git archive is asked for. Of a refspec it is the source side.
func refOf(c *config.Config) string {
	chosen := c.Ref()
	if chosen.Variable.Name != "REFSPEC" {
		return chosen.Text
	}
	ref, _, _ := strings.Cut(strings.TrimPrefix(chosen.Text, "+"), ":")
	return ref
}

// recordOf is what is known of a release before it is built.
func recordOf(c *config.Config, by string) (release.Record, error) {
	s := c.Settings
	rec := release.Record{
		ID: cmp.Or(s.ReleaseID, s.BuildTag), App: s.App, Version: cmp.Or(s.Version, s.Tag), Commit: cmp.Or(s.Commit, s.GitCommit),
		Branch: s.Branch, BuildTag: s.BuildTag, BuildURL: s.BuildURL, Job: s.JobName, By: by,
	}
	if s.Build == "" {
		leaveToGit(&rec, c)
	}
	if s.BuildNumber == "" {
		return rec, nil
	}
	number, err := strconv.ParseInt(s.BuildNumber, 10, 64)
	if err != nil || number <= 0 {
		return rec, fmt.Errorf("BUILD_NUMBER %q is no number", s.BuildNumber)
	}
	rec.Sequence, rec.Job = number, cmp.Or(s.JobName, s.App)
	return rec, nil
}

// leaveToGit takes out of the record what git knows of what it archives, and
// what is said of something else: with --ref, the TAG of the environment.
func leaveToGit(rec *release.Record, c *config.Config) {
	rec.Commit = ""
	if c.Version == "" && c.Value("TAG").YieldsTo(c.Ref()) {
		rec.Version = ""
	}
	if c.Value("BRANCH").YieldsTo(c.Ref()) {
		rec.Branch = ""
	}
}
