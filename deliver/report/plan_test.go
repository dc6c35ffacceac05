package report_test

import (
	"testing"
	"time"

	"deliver/plan"
	"deliver/release"
	"deliver/report"
)

func TestAPlanIsReadable(t *testing.T) {
	t.Parallel()
	does := func(name string) []plan.Do {
		return []plan.Do{
			{What: "lease", With: "taken"},
			{What: "drain", With: "drain " + name},
			{What: "switch", With: "current -> releases/v2"},
			{What: "restart", With: "echo a\x1b[2J\nb"},
		}
	}
	doc := &plan.Document{
		App: "shop", Action: "push", Code: 3, Digest: "sha256:0123", Settings: map[string]string{"STORE": "s3://builds/shop"},
		Release: release.Record{ID: "v2", SHA256: "0123456789abcdef", Size: 3_100_000, Commit: "41b7e0aa92c3d4e5f6"},
		Order:   plan.Order{Mode: plan.Rolling, Pause: 30 * time.Second}, Limits: plan.DefaultLimits(),
		Changes: []plan.Change{
			{From: "v1", Commits: []string{"41b7e0a totals are kept\x07 for a day", "0f0f0f0 a test"}, More: 3},
			{From: "v3", Back: true, Commits: []string{"777777a too new"}},
		},
		Forecast: plan.Forecast{
			Course: []plan.Leg{
				{Stage: "preflight", Hosts: []string{"h1", "h2", "h3", "h4"}},
				{Step: "lease"},
				{Step: "pre_ship"},
				{Stage: "ship", Hosts: []string{"h1", "h2", "h3"}},
				{Stage: "switch 1/2", Hosts: []string{"h1"}},
				{Stage: "switch 2/2", Hosts: []string{"h2", "h3"}},
				{Step: "prune"},
			},
			Hosts: []plan.Host{
				{Name: "h1", State: plan.State{Current: "v1"}, Does: does("h1"), Result: "ok"},
				{Name: "h2", State: plan.State{Current: "v3", Has: true, Pin: "v3"}, Does: does("h2"), Result: "ok"},
				{Name: "h3", State: plan.State{Current: "v2", Has: true, Settled: true}, Does: []plan.Do{{What: "lease", With: "taken"}}, Result: "ok"},
				{Name: "h4", State: plan.State{Down: "no route"}, Result: "set aside", Problem: "connect: no\nroute"},
			},
			Result: "partial", Why: "one is\nmissing",
		},
	}
	golden(t, "plan", report.Plan(doc))
}
