package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"deliver/delivery"
	"deliver/inventory"
	"deliver/plan"
	"deliver/release"
	"deliver/store"
)

func applyCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:      "apply",
		Usage:     "carry out a plan, as it is or not at all",
		ArgsUsage: "FILE",
		Description: "Does what deliver plan -o FILE has shown, and nothing else. Settings, config and hosts are read afresh, and every server is " +
			"looked at again under its lease: where anything is not as it was when the plan was made, or the file was edited, nothing is changed, each " +
			"difference is named, and the exit code is 6. The settings of plan's command line need not be given again. The build is " +
			"--build, else that of the store, else the one that was planned, and has to be the same to the byte.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "digest", Usage: "the digest of the plan that was approved"}},
		Action: func(c *cli.Context) error {
			if c.Args().Len() != 1 {
				return usage(errors.New("apply takes one FILE, which deliver plan -o has written"))
			}
			return e.apply(c.Context, e.path(c.Args().First()), c.String("digest"))
		},
	}
}

func (e *environment) apply(ctx context.Context, file, digest string) error {
	doc, err := readPlan(file, digest)
	if err != nil {
		return err
	}
	build := e.flags["BUILD"]
	for name, text := range doc.Asked {
		e.preset(name, text)
	}
	c, err := e.settings(ctx)
	if err != nil {
		return err
	}
	course, err := e.sketch(ctx, c, doc.Action)
	if err != nil {
		return err
	}
	course.keepTo(doc)
	if err := plan.Stale(doc.Differs(e.draft(c, course.delivery))); err != nil {
		return withCode(exitRefused, err)
	}
	b, err := course.find(ctx, doc, build)
	if err != nil {
		return err
	}
	if b != nil {
		defer b.Close()
	}
	if course.show, err = e.display(c, doc.Action); err != nil {
		return err
	}
	return course.run(ctx)
}

// readPlan reads a plan that may be applied.
func readPlan(file, digest string) (*plan.Document, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("read the plan: %w", err))
	}
	defer f.Close()
	doc, err := plan.Read(f)
	switch {
	case errors.Is(err, plan.ErrEdited):
		return nil, withCode(exitRefused, fmt.Errorf("%s: %w", file, err))
	case err != nil:
		return nil, withCode(exitUsage, fmt.Errorf("%s: %w", file, err))
	case digest != "" && digest != doc.Digest:
		return nil, withCode(exitRefused, fmt.Errorf("%s: its digest is %s, and another was approved: %s", file, doc.Digest, digest))
	case doc.Code != exitDone && doc.Code != exitPartial:
		return nil, withCode(exitRefused, fmt.Errorf("%s: its %s would have ended with exit code %d (%s); plan anew", file, doc.Action, doc.Code, doc.Result))
	}
	return doc, nil
}

// preset gives a setting that the command line does not.
func (e *environment) preset(name, value string) {
	if _, given := e.flags[name]; !given {
		e.flags[name] = value
	}
}

// path is a file's, from the working directory.
func (e *environment) path(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(e.dir, file)
}

// keepTo makes it the delivery that was planned.
func (c *course) keepTo(doc *plan.Document) {
	d := c.delivery
	d.Record, d.From, d.Order, d.Limits = doc.Release, doc.From, doc.Order, doc.Limits
	d.Confirm = doc.Confirm
	d.Relist = func(ctx context.Context) ([]inventory.Host, error) {
		hosts, err := c.relist(ctx)
		return within(doc, hosts), err
	}
}

// find finds the build of a plan: the file that is named, that of the store,
// or what was planned with. One that comes out of the store is read only when
// a server lacks the release; nil: it was not read yet.
func (c *course) find(ctx context.Context, doc *plan.Document, file string) (*delivery.Build, error) {
	stored, err := c.stored(ctx, doc)
	switch {
	case err != nil:
		return nil, err
	case file == "" && stored:
		c.delivery.Package = func(context.Context) (*delivery.Build, error) { return fetch(ctx, c.store, doc.Release.ID) }
		return nil, nil
	case file == "" && doc.Action == delivery.Rollback:
		return nil, nil
	}
	src := delivery.Source{File: c.config.Build, Stdin: c.stdin, Dir: c.dir, Ref: doc.Release.Commit, Sealed: c.store != nil}
	if src.File == "" && src.Ref == "" {
		return nil, withCode(exitUsage, errors.New("the build is not here, and its commit is not known: give it with --build FILE"))
	}
	b, err := delivery.Make(ctx, src, doc.Release)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	if err := same(b.Record, doc); err != nil {
		b.Close()
		return nil, err
	}
	c.bring(b)
	return b, nil
}

// stored says whether the store has the release; another build under its id
// is not the release.
func (c *course) stored(ctx context.Context, doc *plan.Document) (bool, error) {
	if c.store == nil {
		return false, nil
	}
	rec, err := c.store.Record(ctx, doc.Release.ID)
	if store.IsKind(err, store.KindMissing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, same(rec, doc)
}

func same(rec release.Record, doc *plan.Document) error {
	if rec.SameBuild(doc.Release) {
		return nil
	}
	return withCode(exitRefused, fmt.Errorf("the build is not that of the plan: its digest is %.12s, and must be %.12s", rec.Digest(), doc.Release.Digest()))
}

// bring makes it a delivery of this build, which goes into the store when all
// is as it was planned.
func (c *course) bring(b *delivery.Build) {
	c.delivery.Package = func(context.Context) (*delivery.Build, error) { return b, nil }
	if c.store == nil || c.delivery.Action != delivery.Push {
		return
	}
	c.delivery.Begin = func(ctx context.Context) error {
		_, err := c.publish(ctx, c.store, b)
		return err
	}
}
