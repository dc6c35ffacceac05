package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

// A day of a team. Ada pushes, and watches the console in her browser. A major is
// held; Bob approves it in the room, Grace ticks its checklist on the page. A
// release is bad in a way that no health check finds: the watch takes it back, and
// pager, monitor and room are told. The next one mends it. All of it can be read
// again, with who and when. In the end one server tries a branch.
func TestTheStoryOfADay(t *testing.T) {
	d := newDay(t)
	d.aPushIsWatchedLive()
	d.aMajorIsHeldAndApprovedInTheRoom()
	d.itsChecklistIsTickedOnThePage()
	d.aBadReleaseIsTakenBack()
	d.theNextReleaseMendsIt()
	d.theHistoryIsComplete()
	d.aServerTriesABranch()
}

// waitsForAReader keeps the first delivery from its servers until somebody has
// seen its console.
const waitsForAReader = `
pre_switch() {
  echo 'does anybody read this?'
  until [ -e "$LAB/read" ]; do sleep 0.05; done
  echo 'somebody does'
}
`

func (d *day) aPushIsWatchedLive() {
	d.append(".deliver/config", waitsForAReader)
	d.sees(chromedp.Navigate(d.page+"/"), labtest.Until(`window.stays = document.querySelectorAll(".board .row").length === 1`))
	d.pushes("v1.0.0")
	d.sees(
		labtest.Until(`document.querySelector("#board").textContent.includes("v1.0.0")`), labtest.Until(`window.stays`),
		d.follows("#newest td.main a", "/builds/"),
		labtest.Until(`document.querySelector("#log").textContent.includes("does anybody read this?")`),
		labtest.Until(`window.stays = document.querySelector("#state").textContent.includes("running")`),
	)
	assert.Equal(d.t, "running", d.newest().State, "it can't end before it was read")
	require.NoError(d.t, os.WriteFile(filepath.Join(d.dir, "read"), nil, 0o600))
	d.sees(
		labtest.Until(`document.querySelector("#log").textContent.includes("somebody does")`),
		labtest.Until(`document.querySelector("#state").textContent.includes("succeeded")`),
		labtest.Until(`document.querySelectorAll("#rollouts tbody tr").length === 3`),
		labtest.Until(`window.stays`), // it was not loaded again
	)
	d.runs("1.0.0")
	d.room.Hears("sample v1.0.0 is out")
	d.sees(labtest.Until(`document.querySelector("#facts").textContent.includes("nothing bad in")`)) // the watch looks after it
}

const breakingChange = `# 2.0: the answers change

- [ ] tell support
- [ ] deploy sample@v2.0.0
- [ ] look at the answers
`

func (d *day) aMajorIsHeldAndApprovedInTheRoom() {
	d.append(".deliver/release.md", breakingChange)
	d.sees(chromedp.Navigate(d.page + "/holds"))
	d.pushes("v2.0.0")
	d.sees(
		labtest.Until(`document.querySelector("#holds").textContent.includes("v2.0.0")`),
		d.follows("#holds td.main a", "/holds/"),
		labtest.Until(`window.stays = document.querySelector("#state").textContent.includes("waiting")`),
	)
	d.room.Hears("sample v2.0.0 waits for people: ")
	d.runs("1.0.0")
	d.room.Asks("approve sample@v2.0.0", "sample v2.0.0 is approved")
	d.sees(labtest.Until(`document.querySelector("#state").textContent.includes("approved")`), labtest.Until(`window.stays`))
}

func (d *day) itsChecklistIsTickedOnThePage() {
	d.sees(
		labtest.Until(`document.querySelector(".turn .text").textContent === "tell support"`),
		chromedp.SendKeys(chromedp.CSS(".turn input[name=note]"), "they know"),
		chromedp.Click(chromedp.CSS(".turn button.good")),
		labtest.Until(`document.querySelectorAll(".checklist li.ok").length === 1`),
		labtest.Until(`document.querySelector(".turn .text")?.textContent === "look at the answers"`),
	)
	d.runs("2.0.0")
	d.sees(
		chromedp.Click(chromedp.CSS(".turn button.good")),
		labtest.Until(`document.querySelector("#state").textContent.includes("released")`),
	)
}

func (d *day) aBadReleaseIsTakenBack() {
	before := d.runs("2.0.0")
	d.replace("server.js", `app.get('/', (req, res) => res.status(status)`, `app.get('/', (req, res) => res.status(500)`)
	d.pushes("v2.1.0")
	d.becomes("v2.1.0", "succeeded")
	for range 2 * len(d.servers()) { // its users are the first who notice
		status, _ := d.get(d.front + "/")
		assert.Equal(d.t, http.StatusInternalServerError, status)
	}
	require.Eventually(d.t, func() bool {
		b := d.newest()
		return b.By == "autobuilder" && b.State == "succeeded"
	}, dayTime, 100*time.Millisecond, "the watch takes it back")
	assert.Equal(d.t, before, d.runs("2.0.0"), "the very release that ran before")
	d.sees(chromedp.Navigate(d.page+"/"), labtest.Until(`document.querySelector(".board .envs").textContent.includes("v2.0.0")`))
	d.room.Hears("sample v2.1.0 is taken back: " + query + " is ")
	require.Eventually(d.t, func() bool { return d.pages("trigger") == 1 }, dayTime, 100*time.Millisecond)
	events := d.pager.Events()
	trigger := events[len(events)-1]
	assert.Equal(d.t, "trigger", trigger.Action, "the way back resolves nothing")
	assert.Contains(d.t, trigger.Payload.Summary, "sample v2.1.0 is taken back: ")
	assert.Contains(d.t, trigger.ClientURL, d.page+"/builds/")
}

func (d *day) theNextReleaseMendsIt() {
	d.replace("server.js", `app.get('/', (req, res) => res.status(500)`, `app.get('/', (req, res) => res.status(status)`)
	d.pushes("v2.1.1")
	d.becomes("v2.1.1", "succeeded")
	d.runs("2.1.1")
	var last labtest.PagerDutyEvent
	require.Eventually(d.t, func() bool {
		events := d.pager.Events()
		last = events[len(events)-1]
		return last.Action == "resolve"
	}, dayTime, 100*time.Millisecond)
	assert.Equal(d.t, "autobuilder/sample", last.DedupKey)
	assert.Equal(d.t, 1, d.pages("trigger"))
	for _, event := range []string{"running", "succeeded", "held", "approved", "ticked", "watched", "withdrawn"} {
		d.carbon.Has("deploys.sample."+event, d.began, time.Now())
	}
}
