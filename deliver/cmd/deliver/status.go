package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"deliver/delivery"
	"deliver/release"
)

func statusCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show what every server runs, since when, and whether it is healthy",
		Description: "Asks all servers and changes nothing. A server that runs another release than most is marked. " +
			"Exit code 1: a server is not healthy, or runs another release; 3: one could not be asked.",
		Action: func(c *cli.Context) error {
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			if err := needHosts(settings); err != nil {
				return err
			}
			return e.showStatus(statusOf(look(c.Context, settings, true)))
		},
	}
}

// hostStatus is a line of the status.
type hostStatus struct {
	Host    string    `json:"host"`
	Release string    `json:"release,omitempty"`
	Version string    `json:"version,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Service string    `json:"service,omitempty"`
	Healthy bool      `json:"healthy"`
	Why     string    `json:"why,omitempty"` // it is not healthy, or could not be asked
	Drift   bool      `json:"drift,omitempty"`
	Pinned  bool      `json:"pinned,omitempty"` // pushes are refused, see deliver unpin
	Holder  string    `json:"holder,omitempty"` // of a delivery that is under way
	Reached bool      `json:"reached"`
}

func statusOf(seen []sighting) []hostStatus {
	current := delivery.Current(states(seen))
	all := make([]hostStatus, len(seen))
	for i, s := range seen {
		all[i] = s.status(current)
	}
	return all
}

func (s sighting) status(current string) hostStatus {
	line := hostStatus{Host: s.host.String(), Reached: s.err == nil}
	if s.err != nil {
		line.Why = s.err.Error()
		return line
	}
	rec := recordIn(s.state.Releases, s.state.Current)
	line.Release, line.Version, line.Commit, line.Since = s.state.Current, rec.Version, rec.Commit, s.state.Since
	line.Pinned = s.state.Pin != nil
	if s.state.Lease.Held() {
		line.Holder = s.state.Lease.By
	}
	line.Service, line.Healthy, line.Drift = serviceWords(s), s.sick == nil && s.state.Current != "", s.state.Current != current
	if s.sick != nil {
		line.Why = s.sick.Error()
	}
	if s.state.Current == "" {
		line.Why = "nothing was delivered yet"
	}
	return line
}

func serviceWords(s sighting) string {
	service := s.state.Service
	switch {
	case service.Running:
		return service.Manager + ", running"
	case service.Known:
		return service.Manager + ", not running"
	}
	return cmp.Or(service.Manager, "unknown")
}

func recordIn(records []release.Record, id string) release.Record {
	for _, rec := range records {
		if rec.ID == id {
			return rec
		}
	}
	return release.Record{}
}

// showStatus prints the status; its error is the exit code.
func (e *environment) showStatus(all []hostStatus) error {
	if e.output.json {
		if err := e.printJSON(map[string]any{"hosts": all}); err != nil {
			return err
		}
		return judge(all)
	}
	table := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tRELEASE\tVERSION\tSINCE\tSERVICE\tHEALTH")
	for _, line := range all {
		fmt.Fprintln(table, line.row())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return judge(all)
}

func (h hostStatus) row() string {
	health := "healthy"
	switch {
	case !h.Reached:
		return strings.Join([]string{h.Host, "-", "-", "-", "-", "unknown: " + oneLine(h.Why)}, "\t")
	case !h.Healthy:
		health = oneLine(h.Why)
	}
	if h.Drift {
		health += " (drift: most servers run another release)"
	}
	if h.Pinned {
		health += " (pinned: deliver unpin lets pushes go)"
	}
	if h.Holder != "" {
		health += " (" + h.Holder + " is delivering)"
	}
	since := "-"
	if !h.Since.IsZero() {
		since = h.Since.Local().Format("2006-01-02 15:04:05")
	}
	return strings.Join([]string{h.Host, cmp.Or(h.Release, "-"), cmp.Or(h.Version, "-"), since, h.Service, health}, "\t")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// judge is the error of a fleet that is not as it should be.
func judge(all []hostStatus) error {
	var unknown, wrong int
	for _, line := range all {
		switch {
		case !line.Reached:
			unknown++
		case !line.Healthy || line.Drift:
			wrong++
		}
	}
	switch {
	case unknown > 0:
		return withCode(exitPartial, fmt.Errorf("%d of %d servers could not be asked", unknown, len(all)))
	case wrong > 0:
		return withCode(exitFailed, fmt.Errorf("%d of %d servers are not healthy, or run another release", wrong, len(all)))
	}
	return nil
}
