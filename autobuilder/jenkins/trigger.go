package jenkins

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"strings"

	"autobuilder/build"
)

// idParameter is how a build is found again. Jenkins' own queue numbers start
// over on some servers, and the answer that tells them may be lost.
const idParameter = "AUTOBUILDER_ID"

// Trigger asks for a build of the job. It returns once Jenkins has it in its
// queue. After an error that is neither build.ErrNoJob nor build.ErrRefused
// Jenkins may have it all the same: use Find before sending again.
func (c *Client) Trigger(ctx context.Context, job string, params map[string]string) error {
	path, err := jobPath(job)
	if err != nil {
		return fmt.Errorf("trigger: %w", err)
	}
	if err := c.ready(ctx, path, params); err != nil {
		return fmt.Errorf("trigger job %s: %w", job, orNoJob(err))
	}
	form := url.Values{}
	for name, value := range params {
		form.Set(name, value)
	}
	header, err := c.postForm(ctx, path+triggerPath(params), form)
	if err != nil {
		return fmt.Errorf("trigger job %s: %w", job, orNoJob(err))
	}
	c.items.note(params[idParameter], header)
	return nil
}

func triggerPath(params map[string]string) string {
	if len(params) == 0 {
		return "/build"
	}
	return "/buildWithParameters"
}

// definitions is where a job's JSON lists its parameters: servers differ.
type definitions struct {
	Parameters []struct {
		Name string `json:"name"`
	} `json:"parameterDefinitions"`
}

// ready refuses what Jenkins would take and then drop without a word: a build
// of a disabled job, and parameters that the job does not define. A build that
// lost its id could not be found again, and would be sent for ever.
func (c *Client) ready(ctx context.Context, path string, params map[string]string) error {
	var job struct {
		Buildable bool          `json:"buildable"`
		Property  []definitions `json:"property"`
		Actions   []definitions `json:"actions"`
	}
	tree := "buildable,property[parameterDefinitions[name]],actions[parameterDefinitions[name]]"
	if _, err := c.getJSON(ctx, path, tree, &job); err != nil {
		return err
	}
	if !job.Buildable {
		return fmt.Errorf("%w: the job is disabled", build.ErrRefused)
	}
	if missing := undefined(params, append(job.Property, job.Actions...)); len(missing) > 0 {
		return fmt.Errorf("%w: the job has no parameter %s: add it to the job, or let autobuilder jobs sync do it",
			build.ErrRefused, strings.Join(missing, ", "))
	}
	return nil
}

func undefined(params map[string]string, lists []definitions) []string {
	defined := map[string]bool{}
	for _, list := range lists {
		for _, parameter := range list.Parameters {
			defined[parameter.Name] = true
		}
	}
	var missing []string
	for name := range params {
		if !defined[name] {
			missing = append(missing, name)
		}
	}
	sort.Strings(missing)
	return missing
}
