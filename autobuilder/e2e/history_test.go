package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

const takenBack = "taken back: " + query + " is "

// theHistoryIsComplete: what happened, by whom and when stands in the ledger, on
// the page, and on the servers themselves.
func (d *day) theHistoryIsComplete() {
	d.ledgerHasAllBuilds()
	d.ledgerHasAllDecisions()
	d.pageHasAll()
	d.serversHaveAll()
}

func (d *day) ledgerHasAllBuilds() {
	d.t.Helper()
	builds := d.history().Builds
	slices.Reverse(builds)
	var told []string
	last := d.began
	for _, b := range builds {
		told = append(told, fmt.Sprintf("%s %s, by %s", b.Tag, b.State, b.By))
		for _, at := range []time.Time{b.Created, b.Started, b.Ended} {
			assert.False(d.t, at.Before(last), "%s: %s is not before %s", b.Tag, at, last)
			last = at.Truncate(time.Millisecond) // Jenkins' clock has no more
		}
	}
	assert.Equal(d.t, []string{
		"v1.0.0 succeeded, by ada", "v2.0.0 succeeded, by ada", "v2.1.0 succeeded, by ada",
		"v2.0.0 succeeded, by autobuilder", "v2.1.1 succeeded, by ada",
	}, told)
	assert.Contains(d.t, builds[2].Why, takenBack)
	for _, fate := range d.history().Deliveries {
		assert.False(d.t, fate.Received.Before(d.began))
		assert.Contains(d.t, []string{"ada", "autobuilder", ""}, fate.By)
	}
}

func (d *day) ledgerHasAllDecisions() {
	d.t.Helper()
	var told []string
	last := d.began
	for _, act := range d.holdOfSample().Acts {
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s %d by %s %s", act.Kind, act.Step, act.By, act.Note)))
		assert.False(d.t, act.At.Before(last))
		last = act.At
	}
	assert.Equal(d.t, []string{
		"hold 0 by autobuilder v2.0.0 is a major release: v1.0.0 is live", "approve 0 by bob", "tick 1 by grace they know",
		"start 2 by autobuilder " + d.holdOfSample().Build, "tick 2 by autobuilder", "tick 3 by grace", "release 0 by autobuilder",
	}, told)
}

func (d *day) pageHasAll() {
	d.t.Helper()
	d.sees(
		chromedp.Navigate(d.page+"/projects/sample"),
		labtest.Until(`[...document.querySelectorAll("#releases td.main a")].map((a) => a.textContent).join() === "v2.1.1,v2.0.0,v2.1.0,v2.0.0,v1.0.0"`),
		labtest.Until(`[...document.querySelectorAll("#releases td:nth-child(4)")].map((td) => td.textContent).join() === "ada,autobuilder,ada,ada,ada"`),
		labtest.Until(fmt.Sprintf(`document.querySelector("#releases tr:nth-child(3)").textContent.includes(%q)`, takenBack)),
		chromedp.Navigate(d.page+"/holds/"+d.holdOfSample().Build),
		labtest.Until(`document.querySelector("#acts").textContent.includes("bob approved")`),
		labtest.Until(`document.querySelector("#acts").textContent.includes("grace did step 3")`),
		labtest.Until(`document.querySelectorAll("#acts time").length === 7`),
		chromedp.Navigate(d.page+"/ledger?q=autobuilder"),
		labtest.Until(`document.querySelector("#fates").textContent.includes("back to v2.0.0")`),
	)
}

// serversHaveAll: every server switched to the same releases in the same order, and
// knows which build it was that made it so.
func (d *day) serversHaveAll() {
	d.t.Helper()
	out := d.run("sh", "-c", `cd "$LAB/project" && exec "$0" history --json`, filepath.Join(filepath.Dir(d.dir), "bin", "deliver"))
	var all struct {
		History []struct {
			Action, Release, Result, By string
			Time                        time.Time
			Hosts                       []string
		}
	}
	require.NoError(d.t, json.Unmarshal([]byte(out), &all))
	var told []string
	last := d.began
	for _, h := range all.History {
		told = append(told, fmt.Sprintf("%s %s by %s: %s on %d", h.Action, h.Release, h.By, h.Result, len(h.Hosts)))
		assert.True(d.t, h.Time.After(last))
		last = h.Time
	}
	assert.Equal(d.t, []string{
		"push jenkins-sample-1 by jenkins-sample-1: healthy on 3",
		"push jenkins-sample-2 by jenkins-sample-2: healthy on 3",
		"push jenkins-sample-3 by jenkins-sample-3: healthy on 3",
		"rollback jenkins-sample-2 by jenkins-sample-4: healthy on 3",
		"unpin  by jenkins-sample-4: unpinned on 3",
		"push jenkins-sample-5 by jenkins-sample-5: healthy on 3",
	}, told)
}
