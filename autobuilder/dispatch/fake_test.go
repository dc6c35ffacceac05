package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"autobuilder/build"
)

// ci is a Jenkins whose faults a test chooses. The client of a real one is
// tested with one in its own package and in cmd/autobuilder.
type ci struct {
	mu      sync.Mutex
	runs    []*run
	noJob   bool
	down    bool   // nobody answers
	deaf    int    // so many requests are lost on their way here
	mute    int    // so many answers are lost on their way back
	late    int    // so many looks don't see a new run yet
	refused error  // what Trigger answers
	asked   int    // how often Trigger was called
	paused  bool   // runs stay in the queue
	onSend  func() // before a request arrives
	after   func() // after it arrived, before it is answered
}

// run is one build in the fake.
type run struct {
	params map[string]string
	state  build.Run
	looks  int
}

var errLine = errors.New("connection reset by peer")

func (c *ci) Trigger(_ context.Context, _ string, params map[string]string) error {
	if c.onSend != nil {
		c.onSend()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	switch {
	case c.down:
		return errLine
	case c.deaf > 0:
		c.deaf--
		return errLine
	case c.noJob:
		return fmt.Errorf("trigger: %w", build.ErrNoJob)
	case c.refused != nil:
		return c.refused
	}
	r := &run{params: params, looks: c.late, state: build.Run{Queued: true, Why: "Waiting for next available executor"}}
	c.runs = append(c.runs, r)
	if !c.paused {
		c.begin(r)
	}
	if c.after != nil {
		c.after()
	}
	if c.mute > 0 {
		c.mute--
		return errLine
	}
	return nil
}

func (c *ci) begin(r *run) {
	number := int64(1)
	for _, other := range c.runs {
		number = max(number, other.state.Number+1)
	}
	r.state = build.Run{Number: number, Building: true, URL: fmt.Sprintf("http://ci.test/job/shop/%d/", number), Started: time.Now()}
}

func (c *ci) Find(_ context.Context, _, id string) (build.Run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return build.Run{}, errLine
	}
	for _, r := range c.runs {
		if r.params["AUTOBUILDER_ID"] != id {
			continue
		}
		if r.looks > 0 {
			r.looks--
			break
		}
		return r.state, nil
	}
	return build.Run{}, fmt.Errorf("find: %w", build.ErrNoRun)
}

func (c *ci) Build(_ context.Context, _ string, number int64) (build.Run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return build.Run{}, errLine
	}
	for _, r := range c.runs {
		if r.state.Number == number {
			return r.state, nil
		}
	}
	return build.Run{}, fmt.Errorf("build: %w", build.ErrNoRun)
}

func (c *ci) Stop(_ context.Context, _ string, number int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errLine
	}
	for _, r := range c.runs {
		if r.state.Number == number && r.state.Building {
			r.state.Building, r.state.Result, r.state.Duration = false, "ABORTED", time.Since(r.state.Started)
		}
	}
	return nil
}

// set changes the fake while others use it.
func (c *ci) set(change func(*ci)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// resume lets what is queued begin.
func (c *ci) resume() {
	c.set(func(c *ci) {
		c.paused = false
		for _, r := range c.runs {
			if r.state.Queued {
				c.begin(r)
			}
		}
	})
}

// finish ends what runs.
func (c *ci) finish(result string) {
	c.set(func(c *ci) {
		for _, r := range c.runs {
			if r.state.Building {
				r.state.Building, r.state.Result, r.state.Duration = false, result, time.Second
			}
		}
	})
}

// forget loses what is queued, as a Jenkins does that is killed.
func (c *ci) forget() {
	c.set(func(c *ci) { c.runs = nil })
}

// commits are what was built, in order.
func (c *ci) commits() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := []string{}
	for _, r := range c.runs {
		found = append(found, r.params["COMMIT"])
	}
	return found
}

// params are those of the nth run.
func (c *ci) params(n int) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[n].params
}

func (c *ci) count() int { return len(c.commits()) }
