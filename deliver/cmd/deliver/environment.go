package main

import (
	"context"
	"fmt"
	"io"

	"deliver/config"
)

// environment is what a command sees of the world outside.
type environment struct {
	stdin   io.Reader
	stdout  io.Writer // results
	stderr  io.Writer // progress and errors
	dir     string    // working directory
	environ []string  // NAME=value
	abort   <-chan struct{}

	flags  map[string]string // settings given as flags, by variable name
	output output
}

// output is how a command is asked to talk.
type output struct {
	json    bool // one object on stdout
	events  bool // JSON lines on stdout
	plain   bool // neither colours nor bars
	noColor bool
	compact bool // only what matters
	verbose bool
	debug   bool
}

// settings reads flags, environment and .deliver/config, and says on stderr
// what is odd about them. Its error ends deliver with exitUsage.
func (e *environment) settings(ctx context.Context) (*config.Config, error) {
	c, err := config.Load(ctx, config.Source{
		Dir: e.dir, Environ: e.environ, Flags: e.flags, Output: e.stderr,
		Silent: e.output.compact, Debug: e.output.debug,
	})
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	for _, note := range append(c.Notes(), uncalled(c)...) {
		_, _ = fmt.Fprintf(e.stderr, "deliver: note: %s\n", note)
	}
	return c, nil
}
