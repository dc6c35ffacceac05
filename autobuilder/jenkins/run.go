package jenkins

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"autobuilder/build"
)

// A build that leaves the queue may for a moment be in neither list, so one
// miss proves nothing.
const (
	looks     = 3
	betweenIt = 300 * time.Millisecond
)

// action is the part of an item's JSON that holds its parameters.
type action struct {
	Parameters []struct {
		Name  string `json:"name"`
		Value any    `json:"value"`
	} `json:"parameters"`
}

func has(actions []action, id string) bool {
	for _, a := range actions {
		for _, p := range a.Parameters {
			if p.Name == idParameter && p.Value == id {
				return true
			}
		}
	}
	return false
}

// record is a build as Jenkins' JSON tells it.
type record struct {
	Number    int64    `json:"number"`
	URL       string   `json:"url"`
	Building  bool     `json:"building"`
	Result    string   `json:"result"`
	Timestamp int64    `json:"timestamp"`
	Duration  int64    `json:"duration"`
	Actions   []action `json:"actions"`
}

const recordTree = "number,url,building,result,timestamp,duration,actions[parameters[name,value]]"

func (r record) run() build.Run {
	run := build.Run{
		Number: r.Number, URL: r.URL, Building: r.Building, Result: r.Result,
		Started: time.UnixMilli(r.Timestamp), Duration: time.Duration(r.Duration) * time.Millisecond,
	}
	if run.Over() && run.Result == "FAILURE" && !r.parameterised() {
		run.Lost = true
		run.Why = "jenkins has lost this build's parameters: it went down while the build ran"
	}
	return run
}

func (r record) parameterised() bool {
	for _, a := range r.Actions {
		if len(a.Parameters) > 0 {
			return true
		}
	}
	return false
}

// item is a place in Jenkins' queue.
type item struct {
	ID   int64  `json:"id"`
	Why  string `json:"why"`
	Task struct {
		Name string `json:"name"`
	} `json:"task"`
	Actions []action `json:"actions"`
}

// Find looks for the build that was triggered with this AUTOBUILDER_ID, in the
// queue and among the builds; build.ErrNoRun says that Jenkins has none. Of
// several it is the oldest. One that was cancelled in the queue is aborted,
// without a number, as long as Jenkins remembers that.
func (c *Client) Find(ctx context.Context, job, id string) (build.Run, error) {
	path, err := jobPath(job)
	if err != nil {
		return build.Run{}, fmt.Errorf("find build %s: %w", id, err)
	}
	if run, ok := c.byItem(ctx, path, job, id); ok {
		return run, nil
	}
	for look := 1; ; look++ {
		run, err := c.look(ctx, path, job, id)
		if err == nil {
			return run, nil
		}
		if look == looks || !errors.Is(err, build.ErrNoRun) {
			return build.Run{}, fmt.Errorf("find build %s of job %s: %w", id, job, err)
		}
		if err := pause(ctx, betweenIt); err != nil {
			return build.Run{}, fmt.Errorf("find build %s of job %s: %w", id, job, err)
		}
	}
}

// look reads the queue first: read last, it would miss what left it between.
func (c *Client) look(ctx context.Context, path, job, id string) (build.Run, error) {
	queued, err := c.queued(ctx, job, id)
	if err == nil {
		return build.Run{Queued: true, Why: queued.Why}, nil
	}
	if !errors.Is(err, build.ErrNoRun) {
		return build.Run{}, err
	}
	return c.built(ctx, path, id)
}

func (c *Client) queued(ctx context.Context, job, id string) (item, error) {
	var queue struct {
		Items []item `json:"items"`
	}
	tree := "items[id,why,task[name],actions[parameters[name,value]]]"
	if _, err := c.getJSON(ctx, "/queue", tree, &queue); err != nil {
		return item{}, err
	}
	for _, it := range queue.Items {
		if it.Task.Name == job && has(it.Actions, id) {
			return it, nil
		}
	}
	return item{}, build.ErrNoRun
}

func (c *Client) built(ctx context.Context, path, id string) (build.Run, error) {
	var history struct {
		Builds []record `json:"builds"`
	}
	if _, err := c.getJSON(ctx, path, "builds["+recordTree+"]", &history); err != nil {
		return build.Run{}, orNoJob(err)
	}
	found, err := record{}, build.ErrNoRun
	for _, r := range history.Builds {
		if has(r.Actions, id) && (err != nil || r.Number < found.Number) {
			found, err = r, nil
		}
	}
	if err != nil {
		found, err = c.erased(ctx, path, history.Builds, id)
	}
	return found.run(), err
}

// mostErased bounds how many consoles are read to find one build.
const mostErased = 20

// erased looks among the builds that lost their parameters when Jenkins was
// killed. What is left of such a build is its console, and a job that says its
// AUTOBUILDER_ID there first is known by it.
func (c *Client) erased(ctx context.Context, path string, builds []record, id string) (record, error) {
	looked := 0
	for _, r := range builds { // newest first
		if !r.run().Lost {
			continue
		}
		if looked++; looked > mostErased {
			break
		}
		said, err := c.saidID(ctx, path, r.Number)
		if err != nil && !isNotFound(err) {
			return record{}, err
		}
		if said == id {
			return r, nil
		}
	}
	return record{}, build.ErrNoRun
}

var idLine = regexp.MustCompile(`(?m)^` + idParameter + `=(\S+)\s*$`)

// saidID is the AUTOBUILDER_ID that the console of a build says first, if any.
func (c *Client) saidID(ctx context.Context, path string, number int64) (string, error) {
	text, _, err := c.getText(ctx, fmt.Sprintf("%s/%d/logText/progressiveText", path, number), map[string]string{"start": "0"})
	if err != nil {
		return "", err
	}
	said := idLine.FindStringSubmatch(text)
	if said == nil {
		return "", nil
	}
	return said[1], nil
}

// Build is what Jenkins says of a build now.
func (c *Client) Build(ctx context.Context, job string, number int64) (build.Run, error) {
	path, err := buildPath(job, number)
	if err != nil {
		return build.Run{}, fmt.Errorf("ask for build: %w", err)
	}
	var r record
	if _, err := c.getJSON(ctx, path, recordTree, &r); err != nil {
		return build.Run{}, fmt.Errorf("ask for build %d of job %s: %w", number, job, orNoRun(err))
	}
	if r.Number != number {
		return build.Run{}, fmt.Errorf("ask for build %d of job %s: jenkins answered for build %d", number, job, r.Number)
	}
	return r.run(), nil
}

// Stop asks Jenkins to abort a running build. The build is over a moment later.
func (c *Client) Stop(ctx context.Context, job string, number int64) error {
	path, err := buildPath(job, number)
	if err != nil {
		return fmt.Errorf("stop build: %w", err)
	}
	if err := c.post(ctx, path+"/stop", nil); err != nil {
		return fmt.Errorf("stop build %d of job %s: %w", number, job, orNoRun(err))
	}
	return nil
}

// Cancel takes a triggered build out of Jenkins' queue. build.ErrNoRun says
// that it is not in the queue: it may be running by now.
func (c *Client) Cancel(ctx context.Context, job, id string) error {
	queued, err := c.queued(ctx, job, id)
	if err != nil {
		return fmt.Errorf("cancel build %s of job %s: %w", id, job, err)
	}
	number := strconv.FormatInt(queued.ID, 10)
	err = c.post(ctx, "/queue/cancelItem", url.Values{"id": {number}})
	if isNotFound(err) { // what Hudson and old Jenkinses have instead
		err = c.post(ctx, "/queue/item/"+number+"/cancelQueue", nil)
	}
	if err != nil {
		return fmt.Errorf("cancel build %s of job %s: %w", id, job, orNoRun(err))
	}
	return nil
}

func orNoRun(err error) error {
	if isNotFound(err) {
		return build.ErrNoRun
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
