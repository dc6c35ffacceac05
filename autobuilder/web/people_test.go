package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"autobuilder/build"
	"autobuilder/signin"
	"autobuilder/web"
)

// crew is what people do, in memory.
type crew struct {
	web.People
	holds   []build.Hold
	live    []build.Live
	commits []build.Commit
	mayNot  string
	err     error
	did     []string
	ticks   []build.Tick

	backlogs []build.Backlog
	fate     build.Fate // of what is asked for
	steerers build.Chat // of the project
}

func (c *crew) Holds(_ context.Context, all bool) ([]build.Hold, error) {
	return slices.DeleteFunc(slices.Clone(c.holds), func(h build.Hold) bool { return !all && !h.State.Open() }), c.err
}

func (c *crew) Hold(_ context.Context, name string) (build.Hold, error) {
	for _, h := range c.holds {
		if h.Build == name {
			return h, c.err
		}
	}
	return build.Hold{}, build.ErrUnknown
}

func (c *crew) Approve(ctx context.Context, name, by, note string) (build.Hold, error) {
	h, err := c.Hold(ctx, name)
	if err == nil {
		c.did = append(c.did, by+" approves "+name+": "+note)
	}
	return h, err
}

func (c *crew) Reject(ctx context.Context, name, by, note string) (build.Hold, error) {
	h, err := c.Hold(ctx, name)
	if err == nil {
		c.did = append(c.did, by+" rejects "+name+": "+note)
	}
	return h, err
}

func (c *crew) Tick(ctx context.Context, name string, tick build.Tick) (build.Hold, error) {
	h, err := c.Hold(ctx, name)
	if err == nil {
		c.ticks = append(c.ticks, tick)
	}
	return h, err
}

func (c *crew) MayApprove(build.Hold, string) string { return c.mayNot }

func (c *crew) Live(context.Context) ([]build.Live, error) { return c.live, c.err }

func (c *crew) Commits(context.Context, string, string, string) ([]build.Commit, error) {
	return c.commits, c.err
}

func (c *crew) Trigger(_ context.Context, w build.Wish, by string) (string, error) {
	did := fmt.Sprintf("%s asks for %s of %s, again: %t, back: %t", by, w.Ref, w.Project, w.Again, w.Back)
	c.did = append(c.did, strings.TrimSpace(did+" "+build.ToOnly(w.Only)))
	return "wish", c.err
}

func (c *crew) Lock(_ context.Context, l build.Lock) error {
	c.did = append(c.did, fmt.Sprintf("%s locks %s: %s, for %s", l.By, l.Project, l.Reason, l.Until.Sub(l.Since)))
	return c.err
}

func (c *crew) Unlock(_ context.Context, project, by, _ string) error {
	if c.err == nil {
		c.did = append(c.did, by+" unlocks "+project)
	}
	return c.err
}

// fated is a ledger that tells of the crew's fate, and of who was not told.
type fated struct {
	*shelf
	crew *crew
}

func (f fated) Fate(context.Context, string) (build.Fate, error) { return f.crew.fate, nil }

func (f fated) Backlogs(context.Context) ([]build.Backlog, error) {
	return slices.Clone(f.crew.backlogs), nil
}

// desk knows three tokens.
func desk(change ...func(*signin.Options)) func() *signin.Desk {
	o := signin.Options{URL: "http://ci.test", Key: []byte("a key of sessions"), Tokens: func() []build.Token {
		return []build.Token{
			{Name: "grace", Scopes: []build.Scope{build.ScopeApprove}, Secret: []byte("token of grace")},
			{Name: "eve", Scopes: []build.Scope{build.ScopeRead}, Secret: []byte("token of eve")},
			{Name: "ci", Scopes: []build.Scope{build.ScopeDeploy}, Secret: []byte("token of ci")},
		}
	}}
	for _, c := range change {
		c(&o)
	}
	d := signin.New(o)
	return func() *signin.Desk { return d }
}
